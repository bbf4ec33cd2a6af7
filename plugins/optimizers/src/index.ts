export * from './adamw-update';
