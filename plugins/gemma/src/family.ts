import type { CheckpointReader } from '@graft/checkpoint';
import {
  inject,
  injectable,
  OPTIONS,
  parseOptions,
  type FamilyAdaptRequest,
  type FamilyAdaptResult,
  type FamilyExportRequest,
  type ModelFamily,
  type ModelSettings,
} from '@graft/core';
import { join } from 'node:path';
import { adaptFor, exportFor } from './adapt/family-adapt';
import { classifierOf } from './heads/classifier-folder';
import type { GemmaClassifier } from './heads/classifier';
import { GEMMA_MODEL_TYPES, readModelConfig } from './model/config';
import type { AnyGemmaConfig } from './model/config-types';
import { gemmaOf, type AnyGemma } from './model/encoder-model';
import { TENSOR_SPLITS } from './model/tensor-splits';
import { modelOptions, type ModelOptions, type ResolvedModelOptions } from './model/model-options';
import { resolveAnyConfig } from './model/resolve-options';

/** Builds Gemma models: decoder-only Gemma 2, the encoder-decoder made of it, or that one's encoder alone. */
@injectable()
export class GemmaFamily implements ModelFamily {
  readonly modelTypes = GEMMA_MODEL_TYPES;
  readonly tensorSplits = TENSOR_SPLITS;
  private readonly options: ResolvedModelOptions;

  constructor(@inject(OPTIONS) options: ModelOptions = {}) {
    this.options = parseOptions(modelOptions, options, 'GemmaFamily');
  }

  build(checkpointConfig?: Record<string, unknown>, settings: ModelSettings = {}): AnyGemma {
    const { specialTokens, generationConfig, generationFrom } = settings;
    const config = this.configOf(checkpointConfig, settings);
    return gemmaOf(
      specialTokens ? { ...config, specialTokens } : config,
      generationConfig && { ...generationConfig, ...this.tokens() },
      generationFrom,
    );
  }

  classifier(
    checkpoint: CheckpointReader,
    { specialTokens }: Pick<ModelSettings, 'specialTokens'> = {},
  ): Promise<GemmaClassifier> {
    const { encoderWindow, encoderAttention } = this.options;
    return classifierOf(checkpoint, { encoderWindow, encoderAttention, specialTokens });
  }

  adapt(request: FamilyAdaptRequest): Promise<FamilyAdaptResult> {
    return adaptFor(request);
  }

  exportEncoder(request: FamilyExportRequest): Promise<FamilyAdaptResult> {
    return exportFor(request);
  }

  private configOf(json: Record<string, unknown> | undefined, { folder }: ModelSettings): AnyGemmaConfig {
    const { encoderWindow, encoderAttention, ...others } = this.options;
    const changed = Object.values(others).some((value) => value !== undefined);
    if (json === undefined || folder === undefined || changed) return resolveAnyConfig(this.options, json);
    // A folder's own model, whose config.json errors can name.
    return readModelConfig(json, { encoderWindow, encoderAttention }, join(folder, 'config.json'));
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
