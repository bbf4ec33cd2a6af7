import type { ExperimentInput } from '@graft/core';

export { main, type MainStreams } from './program';
export { defaultPlugins } from './default-plugins';
export type { ExperimentInput } from '@graft/core';

/**
 * The same as `defineExperiment` of `@graft/core`, for projects that have only this package: importing it here makes the
 * options of Graft's own components known to the compiler. Those of other plugins are added by `graft plugins --types`.
 */
export function defineExperiment(experiment: ExperimentInput): ExperimentInput {
  return experiment;
}
