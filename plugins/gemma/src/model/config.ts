import { CheckpointError, type SpecialTokens } from '@graft/core';
import {
  isObject,
  mergeSpecialTokens,
  readSpecialTokens,
  SPECIAL_TOKENS_KEY,
  storedSpecialTokens,
} from '@graft/core/internal';
import { familyOf, familyOfType, MODEL_TYPES } from '../families';
import type {
  AnyGemmaConfig,
  EncoderDecoderConfig,
  EncoderOnlyConfig,
  FunctionPreserving,
  GemmaConfig,
  GemmaOptions,
  SideConfig,
} from './config-types';
import { shown, type Json } from './config-fields';
import { checkPreserving } from './preserving-form';

/** The encoder of an encoder-decoder, as a config of its own. */
export function encoderOf({
  family,
  encoder,
  encoderWindow,
  encoderAttention,
  initializerRange,
  rematerialize,
  attention,
  specialTokens,
  dropout,
  functionPreserving: form,
}: EncoderDecoderConfig): EncoderOnlyConfig {
  const isFirstForm = form !== undefined && (form.steps === undefined || form.done === 0);
  if (form && !isFirstForm) {
    throw new CheckpointError(
      `The encoder is between two forms, after ${form.done} of ${form.steps} steps, and no encoder alone has such a form.`,
      {
        code: 'gemma.between-forms',
        exitCode: 2,
        hint: 'Take a checkpoint from before the first of these steps, or from after the last.',
      },
    );
  }
  const alone: EncoderOnlyConfig = {
    kind: 'encoder-only',
    family,
    encoder,
    ...(isFirstForm
      ? { encoderWindow: 'strict', encoderAttention: 'causal' }
      : { encoderWindow, ...(encoderAttention ? { encoderAttention } : {}) }),
    initializerRange,
    ...(rematerialize ? { rematerialize } : {}),
    ...(attention ? { attention } : {}),
    ...(specialTokens ? { specialTokens } : {}),
    ...(dropout ? { dropout } : {}),
  };
  return familyOf(alone).encoderAlone?.(alone) ?? alone;
}

/**
 * An encoder-decoder with this encoder, whose decoder is never run: code for its encoder also works for an encoder
 * alone.
 */
export function withIdleDecoder({ encoder, ...rest }: EncoderOnlyConfig): EncoderDecoderConfig {
  return { ...rest, kind: 'encoder-decoder', encoder, decoder: encoder, tieEncoderEmbedding: false };
}

/** The values of `model_type` that this plugin reads. */
export const GEMMA_MODEL_TYPES: readonly string[] = MODEL_TYPES;

/**
 * Reads a Hugging Face config.json of any of the families, in the form of version 4 or 5 (quirk 11). Missing keys have
 * the published defaults. Throws CheckpointError naming `where`, the field, and what was expected.
 */
export function readModelConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): AnyGemmaConfig {
  const declared = readSpecialTokens(json, where);
  const asked = options.specialTokens;
  const policy = declared || asked ? { specialTokens: mergeSpecialTokens(asked, declared) } : {};
  const family = familyOfType(json.model_type);
  if (!family) {
    const known = MODEL_TYPES.map((type) => `"${type}"`);
    throw new CheckpointError(
      `${where}: "model_type" should be ${known.slice(0, -1).join(', ')} or ${known.at(-1)}, but is ${shown(json.model_type)}.`,
      { code: 'gemma.config' },
    );
  }
  return { ...readPreserving(family.read({ json, options, where }), json, where), ...policy };
}

/** Like `readModelConfig`, for a model that generates text: throws CheckpointError for an encoder alone. */
export function parseCheckpointConfig(json: Json, options: GemmaOptions = {}, where = 'config.json'): GemmaConfig {
  const config = readModelConfig(json, options, where);
  if (config.kind !== 'encoder-only') return config;
  throw new CheckpointError(`${where} describes an encoder alone, which has no decoder and makes no words.`, {
    code: 'gemma.encoder-only',
    exitCode: 2,
    hint: 'Embedding, classification and SuperGLUE take it; name an encoder-decoder or a decoder-only checkpoint here.',
  });
}

/** A model's special tokens. Without a pad token an end token pads, as in the published implementation's generation. */
export function tokensOf({ padTokenId, bosTokenId, eosTokenIds }: SideConfig): Omit<SpecialTokens, 'policy'> {
  return { pad: padTokenId ?? eosTokenIds[0] ?? 0, start: bosTokenId, eos: eosTokenIds };
}

/** Graft's own key; other readers ignore it, and compute the pair's own form. */
const PRESERVING_KEY = 'function_preserving';

/** The form of a pair that begins as its decoder-only source. */
function readPreserving(config: AnyGemmaConfig, { [PRESERVING_KEY]: given }: Json, where: string): AnyGemmaConfig {
  if (given === undefined || given === null) return config;
  const { done, steps } = isObject(given) ? (given as Json) : {};
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isCount(done) || !(steps === undefined || (isCount(steps) && (steps as number) > (done as number)))) {
    throw new CheckpointError(
      `${where}: "${PRESERVING_KEY}" should be { done } or { done, steps } with steps above done, but is ${shown(given)}.`,
      { code: 'gemma.config' },
    );
  }
  if (config.kind !== 'encoder-decoder') {
    throw new CheckpointError(
      `${where}: "${PRESERVING_KEY}" is a form of an encoder-decoder, but the model is ${config.kind}.`,
      { code: 'gemma.config' },
    );
  }
  const form: FunctionPreserving = { done: done as number, ...(steps !== undefined && { steps: steps as number }) };
  checkPreserving(config, where);
  return { ...config, functionPreserving: form };
}

function preservingField(config: AnyGemmaConfig): Record<string, unknown> {
  const form = config.kind === 'encoder-decoder' ? config.functionPreserving : undefined;
  return form ? { [PRESERVING_KEY]: form } : {};
}

/** Graft's own key; other readers ignore it. */
function policyField(config: AnyGemmaConfig): Record<string, unknown> {
  const { kind, specialTokens: policy } = config;
  if (!policy) return {};
  const side = config.kind === 'encoder-only' ? config.encoder : config.decoder;
  return { [SPECIAL_TOKENS_KEY]: storedSpecialTokens({ kind, specialTokens: { ...tokensOf(side), policy } }) };
}

/**
 * The config.json that versions 4 and 5 of the published implementation read. `dtype`: of the stored tensors, e.g.
 * `float32`.
 */
export function toCheckpointConfig(config: AnyGemmaConfig, dtype = 'float32'): Record<string, unknown> {
  return { ...familyOf(config).write(config, dtype), ...preservingField(config), ...policyField(config) };
}

/** Keys of a config.json of these families that change nothing (`encoder.hidden_act`): they show users what has no effect. */
export function ignoredKeys(json: Json): readonly string[] {
  return familyOfType(json.model_type)?.ignoredKeys(json) ?? [];
}
