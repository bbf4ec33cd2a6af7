export * from './sizes';
export * from './config';
export * from './parameters';
export { GemmaModel } from './model';
export * from './load-model';
export * from './run-forward';
