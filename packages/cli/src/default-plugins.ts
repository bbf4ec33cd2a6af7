/** Loaded with every config, in the same way as third-party plugins. */
export const defaultPlugins: readonly string[] = [
  '@graft/gemma',
  '@graft/scratch',
  '@graft/objectives',
  '@graft/optimizers',
  '@graft/text',
  '@graft/superglue',
  '@graft/benchmarks',
  '@graft/tuning',
  '@graft/mlflow',
  '@graft/tensorboard',
];
