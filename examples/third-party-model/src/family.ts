import type { CheckpointReader } from '@graft/checkpoint';
import { defineComponent, type Classifier, type Model, type ModelFamily, type ModelSettings } from '@graft/core';
import { join } from 'node:path';
import { PrenormClassifier } from './classifier';
import { MODEL_TYPE, prenormOptions, readConfig, type PrenormOptions } from './config';
import { PrenormModel } from './model';

/** Builds the models of this package, from options, from a config.json, or from both. */
export class PrenormFamily implements ModelFamily {
  readonly modelTypes = [MODEL_TYPE];

  constructor(private readonly options: PrenormOptions) {}

  build(checkpointConfig?: Record<string, unknown>, settings: ModelSettings = {}): Model {
    const { folder } = settings;
    const where = folder === undefined ? 'config.json' : join(folder, 'config.json');
    return new PrenormModel(readConfig(checkpointConfig, this.options, where), settings);
  }

  /** For `graft classify`. */
  async classifier(checkpoint: CheckpointReader, settings: ModelSettings = {}): Promise<Classifier> {
    const json = await checkpoint.config();
    const where = join(checkpoint.path, 'config.json');
    return new PrenormClassifier(readConfig(json, this.options, where), json, settings, where);
  }
}

export const prenorm = defineComponent({
  interface: 'model',
  id: 'prenorm',
  description: 'a plain pre-norm Transformer encoder-decoder',
  options: prenormOptions,
  useFactory: ({ options }) => new PrenormFamily(options),
});
