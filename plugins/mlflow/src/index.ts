import { definePlugin } from '@graft/core';
import { mlflow } from './tracker';

export { MlflowClient } from './client';
export type { Metric, Parameter } from './names';
export { MlflowTracker, flatten, mlflowOptions, type MlflowOptions, type ResolvedMlflowOptions } from './tracker';

export const plugin = definePlugin({ name: 'mlflow', components: [mlflow] });
export default plugin;
