/** Loaded with every config, through the same door as anybody's plugin. */
export const defaultPlugins: readonly string[] = [
  '@graft/gemma',
  '@graft/scratch',
  '@graft/objectives',
  '@graft/optimizers',
  '@graft/text',
  '@graft/superglue',
  '@graft/mlflow',
];
