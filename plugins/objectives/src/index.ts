export * from './cross-entropy';
