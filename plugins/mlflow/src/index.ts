import { definePlugin } from '@graft/core';
import { mlflow } from './tracker';

export { MlflowClient, type Metric, type Parameter } from './client';
export { MlflowTracker, flatten } from './tracker';

export const plugin = definePlugin({ name: 'mlflow', components: [mlflow] });
export default plugin;
