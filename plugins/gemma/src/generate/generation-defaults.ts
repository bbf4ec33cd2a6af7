/** The generation settings of a Gemma checkpoint; see core's functions of the same names. */
import { type CheckpointReader } from '@graft/checkpoint';
import {
  generationDefaults as defaultsOf,
  readGenerationConfig as readConfig,
  type GenerationDefaults,
} from '@graft/core';
import { tokensOf } from '../model/config';
import type { GemmaConfig } from '../model/config-types';

type Json = Readonly<Record<string, unknown>>;

/** Throws CheckpointError naming `where`, the key, and what was expected. */
export function generationDefaults({ decoder }: GemmaConfig, json?: Json, where?: string): GenerationDefaults {
  return defaultsOf({ vocabularySize: decoder.vocabularySize, specialTokens: tokensOf(decoder) }, json, where);
}

/** The file's settings, or config.json's old keys; undefined if there is neither. */
export function readGenerationConfig(
  reader: CheckpointReader,
  { decoder }: GemmaConfig,
): ReturnType<typeof readConfig> {
  return readConfig(reader, tokensOf(decoder));
}

/**
 * The generation_config.json of an encoder-decoder made of a decoder-only model: end tokens and settings are kept. It
 * names the start token, which an encoder-decoder needs, and drops the cache implementation, which belongs to the other
 * kind.
 */
export function adaptedGenerationConfig({ decoder }: GemmaConfig, json: Json): Record<string, unknown> {
  const { cache_implementation: _cache, cache_config: _settings, ...kept } = json;
  return {
    ...kept,
    bos_token_id: json.bos_token_id ?? decoder.bosTokenId,
    pad_token_id: json.pad_token_id ?? tokensOf(decoder).pad,
  };
}
