import { definePlugin } from '@graft/core';
import { prenorm } from './family';

export { MODEL_TYPE, prenormOptions, type PrenormConfig, type PrenormOptions } from './config';
export { PrenormClassifier } from './classifier';
export { PrenormFamily } from './family';
export { PrenormModel } from './model';

/** The export that Graft loads from the package that a config or `--plugin` names. */
export const plugin = definePlugin({ name: 'graft-model-prenorm', version: '1.0.0', components: [prenorm] });
