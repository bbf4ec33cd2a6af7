export * from './interfaces';
export * from './random';
