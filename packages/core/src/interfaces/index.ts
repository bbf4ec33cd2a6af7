export * from './batch';
export * from './model';
export * from './components';
export * from './environment';
export * from './component-options';
export * from './component-types';
export * from './component-factory';
export * from './component-spec';
