export * from './types';
export { parseAddress } from './addresses';
export { freePort } from './join';
