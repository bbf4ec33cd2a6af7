import { CheckpointError } from '@graft/core';
import { shownJson } from '@graft/core/internal';
import { REFUSED_KEYS, type PublishedKey } from './published-defaults';
import type { LayerType } from './config-types';

export type Json = Readonly<Record<string, unknown>>;

const SHOWN_CHARACTERS = 80;

/** A value of a config.json in an error, shortened. */
export function shown(value: unknown): string {
  return shownJson(value, 'missing', SHOWN_CHARACTERS);
}

/**
 * Largest numbers accepted in a config. No model comes near them; without limits, a file could request lists of any
 * length.
 */
export const LIMITS = {
  layers: 4096,
  heads: 65_536,
  headDim: 65_536,
  /** Of the residual stream and of the feed-forward. */
  width: 2 ** 24,
  vocabularySize: 2 ** 28,
  /** Positions are int32. */
  positions: 2 ** 31 - 1,
  /** End tokens; published files have three at most. */
  endTokens: 1024,
  /** Of `rms_norm_eps`: a larger one would erase a state. */
  epsilon: 1,
  /** Of `initializer_range`, a standard deviation. */
  deviation: 1000,
  /** Of `query_pre_attn_scalar`, which is about a head's width. */
  attentionScalar: 2 ** 24,
  /** Of soft caps and of rotary positions' base: larger ones make no difference in float32. */
  number: 1e12,
} as const;

/**
 * Typed fields of one section of a config.json, with the meaning of missing keys and null; errors name the section and
 * the field.
 */
export class ConfigFields {
  constructor(
    readonly json: Json,
    private readonly keys: Readonly<Record<string, PublishedKey>>,
    readonly where: string,
  ) {}

  fail(field: string, problem: string): CheckpointError {
    return new CheckpointError(`${this.where}: "${field}" ${problem}.`, { code: 'gemma.config' });
  }

  /** `fallback`: the meaning of silence, if it follows from other keys. */
  integer(field: string, most: number, { least = 1, fallback }: { least?: number; fallback?: number } = {}): number {
    const given = this.value(field);
    const value = given === undefined ? fallback : given;
    if (!Number.isSafeInteger(value) || (value as number) < least) {
      throw this.fail(field, `should be an integer of at least ${least}, but is ${shown(value)}`);
    }
    if ((value as number) > most) throw this.fail(field, `is ${shown(value)}; Graft takes at most ${most}`);
    return value as number;
  }

  /** `fallback`: the meaning of a missing key if it follows from other keys. */
  positive(field: string, most: number, fallback?: number): number {
    return this.checkPositive(field, this.value(field) ?? fallback, most);
  }

  checkPositive(field: string, value: unknown, most: number): number {
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
      throw this.fail(field, `should be a positive number, but is ${shown(value)}`);
    if (value > most) throw this.fail(field, `is ${shown(value)}; Graft takes at most ${most}`);
    return value;
  }

  /** A fraction of numbers that training drops, in [0, 1). */
  rate(field: string): number {
    const value = this.value(field);
    if (typeof value !== 'number' || !(value >= 0 && value < 1))
      throw this.fail(field, `should be a rate in [0, 1), but is ${shown(value)}`);
    return value;
  }

  boolean(field: string): boolean {
    const value = this.value(field);
    if (typeof value !== 'boolean') throw this.fail(field, `should be true or false, but is ${shown(value)}`);
    return value;
  }

  /** null switches a soft cap off. */
  cap(field: string): number | null {
    return this.value(field) === null ? null : this.positive(field, LIMITS.number);
  }

  /** null: the model has no such token. */
  token(field: string, vocabularySize: number, fallback?: number | null): number | null {
    const value = this.value(field) ?? fallback ?? null;
    if (value === null) return null;
    return this.checkToken(field, value, vocabularySize, 'should be a token id');
  }

  startToken(field: string, vocabularySize: number): number {
    const value = this.value(field);
    if (value === null) throw this.fail(field, 'is null, but the model needs a token that starts a sequence');
    return this.checkToken(field, value, vocabularySize, 'should be a token id');
  }

  /** One or several; null: none. A token beyond the vocabulary never occurs, which is not an error. */
  tokens(field: string): readonly number[] {
    const value = this.value(field);
    if (value === null) return [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    const expected = 'should be a token id or a list of them';
    if (list.length === 0) throw this.fail(field, `${expected}, but is ${shown(value)}`);
    if (list.length > LIMITS.endTokens)
      throw this.fail(field, `lists ${list.length} tokens; Graft takes at most ${LIMITS.endTokens}`);
    return list.map((id) => this.checkToken(field, id, Infinity, expected, value));
  }

  private checkToken(field: string, id: unknown, vocabularySize: number, expected: string, all = id): number {
    if (!Number.isSafeInteger(id) || (id as number) < 0) throw this.fail(field, `${expected}, but is ${shown(all)}`);
    if ((id as number) >= vocabularySize)
      throw this.fail(field, `is ${shown(all)}, but "vocab_size" is ${vocabularySize}`);
    return id as number;
  }

  /** `fallback`: the meaning of silence, which follows from the number of layers. */
  layerTypes(layers: number, fallback: readonly LayerType[]): readonly LayerType[] {
    const value = this.json.layer_types ?? fallback;
    if (!Array.isArray(value) || value.length !== layers) {
      throw this.fail(
        'layer_types',
        `should list ${layers} layers, one for each of "num_hidden_layers", but is ${shown(value)}`,
      );
    }
    const strange: unknown = value.find((type) => type !== 'sliding_attention' && type !== 'full_attention');
    if (strange !== undefined)
      throw this.fail('layer_types', `knows "sliding_attention" and "full_attention", not ${shown(strange)}`);
    return value as LayerType[];
  }

  /** Refuses settings with which the published model computes something else than this one. */
  refuseForeign(): void {
    for (const [field, { use, default: supported, nullMeans }] of Object.entries(this.keys)) {
      const value = this.json[field];
      if (use !== 'fixed' || value === undefined || value === supported || (value === null && nullMeans)) continue;
      throw this.fail(field, `is ${shown(value)}; Graft's models have ${shown(supported)} alone`);
    }
    for (const [field, problem] of Object.entries(REFUSED_KEYS)) {
      const value = this.json[field];
      if (value !== undefined && value !== null) throw this.fail(field, problem);
    }
    // Masks of the published implementation are then bidirectional, whatever the model.
    if (this.json.is_causal === false) throw this.fail('is_causal', "is false; Graft's decoders look back alone");
  }

  /** The value, or the meaning of a missing key or null; undefined if that follows from other keys. */
  private value(field: string): unknown {
    const { default: silence, nullMeans } = this.keys[field];
    const value = this.json[field];
    return value === undefined || (value === null && nullMeans === 'the default') ? silence : value;
  }
}
