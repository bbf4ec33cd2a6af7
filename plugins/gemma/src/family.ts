import { inject, injectable, OPTIONS, type ModelFamily, type ModelSettings } from '@graft/core';
import { GemmaModel } from './model';
import { resolveModelConfig, type ModelOptions } from './model-options';

/** Builds Gemma models: decoder-only Gemma 2, or the encoder-decoder made of it. */
@injectable()
export class GemmaFamily implements ModelFamily {
  constructor(@inject(OPTIONS) private readonly options: ModelOptions) {}

  build(checkpointConfig?: Record<string, unknown>, { specialTokens }: ModelSettings = {}): GemmaModel {
    const config = resolveModelConfig(this.options, checkpointConfig);
    return new GemmaModel(specialTokens ? { ...config, specialTokens } : config);
  }
}
