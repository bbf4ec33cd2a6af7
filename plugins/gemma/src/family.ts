import { inject, injectable, OPTIONS, parseOptions, type ModelFamily, type ModelSettings } from '@graft/core';
import { gemmaOf, type AnyGemma } from './model/encoder-model';
import { modelOptions, resolveAnyConfig, type ModelOptions, type ResolvedModelOptions } from './model/model-options';

/** Builds Gemma models: decoder-only Gemma 2, the encoder-decoder made of it, or that one's encoder alone. */
@injectable()
export class GemmaFamily implements ModelFamily {
  private readonly options: ResolvedModelOptions;

  constructor(@inject(OPTIONS) options: ModelOptions = {}) {
    this.options = parseOptions(modelOptions, options, 'GemmaFamily');
  }

  build(checkpointConfig?: Record<string, unknown>, { specialTokens, generationConfig }: ModelSettings = {}): AnyGemma {
    const config = resolveAnyConfig(this.options, checkpointConfig);
    return gemmaOf(
      specialTokens ? { ...config, specialTokens } : config,
      generationConfig && { ...generationConfig, ...this.tokens() },
    );
  }

  /** Special tokens in the options: they override the checkpoint's generation_config.json as well. */
  private tokens(): Record<string, unknown> {
    const { eosTokenId, padTokenId, bosTokenId } = this.options;
    return {
      ...(eosTokenId === undefined ? {} : { eos_token_id: eosTokenId }),
      ...(padTokenId === undefined ? {} : { pad_token_id: padTokenId }),
      ...(bosTokenId === undefined ? {} : { bos_token_id: bosTokenId, decoder_start_token_id: bosTokenId }),
    };
  }
}
