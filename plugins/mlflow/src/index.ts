import { definePlugin } from '@graft/core';
import { mlflow } from './tracker';

export { MlflowClient, type KnownRun, type NewRunFacts } from './client';
export type { ServerOptions } from './http';
export type { Metric, Parameter } from './names';
export { MlflowTracker, flatten, mlflowOptions, type MlflowOptions, type ResolvedMlflowOptions } from './tracker';

/** The tracker `mlflow`. */
export const plugin = definePlugin({ name: 'mlflow', components: [mlflow] });
export default plugin;
