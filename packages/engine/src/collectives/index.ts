export * from './types';
export { parseAddress } from './addresses';
export { freeAddresses, freePort } from './ports';
export { checkNetwork, NETWORK_EXPOSURE } from './network';
export { controlKey } from './secret';
