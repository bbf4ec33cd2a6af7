// For `import plugin from` in an ES module, which would otherwise get the whole CommonJS module as the default.
export * from './index.js';
export { plugin as default } from './index.js';
