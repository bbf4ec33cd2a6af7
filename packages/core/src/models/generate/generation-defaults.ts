/**
 * A checkpoint's own settings for generation: generation_config.json, or old keys of config.json if that is missing.
 */
import { CONFIG_FILE, GENERATION_CONFIG_FILE, type CheckpointReader } from '@graft/checkpoint';
import { CheckpointError } from '@graft/engine';
import { shortened, shownJson } from '@graft/errors';
import { join } from 'node:path';
import type { GenerationDefaults, Model, SpecialTokens } from '../../interfaces';

/** Largest number of beams that a file may request: each costs as much as a sequence. A caller may request more. */
const MOST_BEAMS = 128;
/**
 * Largest number of tokens that a file may request: memory for them is reserved in advance. Published models read at
 * most 131,072.
 */
const MOST_TOKENS = 2 ** 17;
/** Largest number of unsupported settings that a sentence names. */
const MOST_IGNORED_NAMED = 40;

/** New tokens if neither caller nor checkpoint sets their number. */
export const DEFAULT_NEW_TOKENS = 20;

/** Largest vocabulary that a file may declare, and largest number of its end tokens. */
const MOST_VOCABULARY = 2 ** 28;
const MOST_END_TOKENS = 1024;

const SHOWN_CHARACTERS = 80;
const shown = (value: unknown): string => shownJson(value, 'missing', SHOWN_CHARACTERS);

type Json = Readonly<Record<string, unknown>>;

/** Facts about a model that generation needs in addition to its settings. */
export interface TokenFacts {
  readonly vocabularySize: number;
  readonly specialTokens: Omit<SpecialTokens, 'policy'>;
}

/** Typed settings of the file; null means unset, as in the published implementation. */
class Settings {
  constructor(
    private readonly json: Json,
    private readonly where: string,
  ) {}

  fail(key: string, expected: string): CheckpointError {
    return new CheckpointError(`${this.where}: "${key}" should be ${expected}, but is ${shown(this.json[key])}.`, {
      code: 'generation.config',
      hint: 'Correct it, or remove the key.',
    });
  }

  number(key: string, expected: string, fits: (value: number) => boolean): number | undefined {
    const value = this.json[key] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value) || !fits(value)) throw this.fail(key, expected);
    return value;
  }

  integer(key: string, least: number, most: number): number | undefined {
    return this.number(
      key,
      `an integer from ${least} to ${most}`,
      (value) => Number.isSafeInteger(value) && value >= least && value <= most,
    );
  }

  flag(key: string): boolean {
    const value = this.json[key] ?? false;
    if (typeof value !== 'boolean') throw this.fail(key, 'true or false');
    return value;
  }

  token(key: string, vocabulary: number): number | undefined {
    return this.number(key, `a token id below ${vocabulary}, the size of the vocabulary`, isToken(vocabulary));
  }

  tokens(key: string, vocabulary: number): readonly number[] {
    const value = this.json[key] ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > MOST_END_TOKENS) throw this.fail(key, `a list of at most ${MOST_END_TOKENS} token ids`);
    if (!list.every((id) => typeof id === 'number' && isToken(vocabulary)(id)))
      throw this.fail(key, `a token id below ${vocabulary}, the size of the vocabulary, or a list of them`);
    return list as readonly number[];
  }
}

const isToken =
  (vocabulary: number) =>
  (id: number): boolean =>
    Number.isSafeInteger(id) && id >= 0 && id < vocabulary;

const HEEDED: readonly string[] = [
  'eos_token_id',
  'pad_token_id',
  'bos_token_id',
  'decoder_start_token_id',
  'do_sample',
  'temperature',
  'top_k',
  'top_p',
  'repetition_penalty',
  'num_beams',
  'length_penalty',
  'max_new_tokens',
  'max_length',
];

/** Keys about the file's writer, the result of a call, or the storage of a cache: none of them changes a token. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  '_from_model_config',
  'transformers_version',
  'cache_config',
  'cache_implementation',
  'compile_config',
  'disable_compile',
  'low_memory',
  'output_attentions',
  'output_hidden_states',
  'output_logits',
  'output_scores',
  'return_dict_in_generate',
  'return_legacy_cache',
  'use_cache',
]);

/** Values with which a setting has no effect; null, false and empty values never have one. */
const NEUTRAL: Readonly<Record<string, number>> = {
  diversity_penalty: 0,
  encoder_no_repeat_ngram_size: 0,
  encoder_repetition_penalty: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  guidance_scale: 1,
  min_length: 0,
  min_new_tokens: 0,
  min_p: 0,
  no_repeat_ngram_size: 0,
  num_beam_groups: 1,
  num_return_sequences: 1,
  top_h: 0,
  typical_p: 1,
};

function isNeutral(key: string, value: unknown): boolean {
  if (value === null || value === false || WITHOUT_EFFECT.has(key) || HEEDED.includes(key)) return true;
  if (typeof value === 'object') return Object.keys(value as object).length === 0;
  return Object.hasOwn(NEUTRAL, key) && NEUTRAL[key] === value;
}

/**
 * The settings in `json` (a generation_config.json), which replaces config.json completely: if it does not contain an
 * end token, there is none. Without `json`, config.json's token ids. Throws CheckpointError naming `where`, the key and
 * the expected value.
 */
export function generationDefaults(
  { vocabularySize, specialTokens }: TokenFacts,
  json?: Json,
  where: string = GENERATION_CONFIG_FILE,
): GenerationDefaults {
  const { eos, pad, start } = specialTokens;
  if (!json) return { eos, pad, start, sample: false, ignored: [] };
  const settings = new Settings(json, where);
  const positive = (value: number): boolean => value > 0;
  const bos = settings.token('bos_token_id', vocabularySize);
  return {
    from: where,
    eos: settings.tokens('eos_token_id', vocabularySize),
    pad: settings.token('pad_token_id', vocabularySize) ?? pad,
    start: settings.token('decoder_start_token_id', vocabularySize) ?? bos ?? start,
    sample: settings.flag('do_sample'),
    temperature: settings.number('temperature', 'a number of at least 0', (value) => value >= 0),
    topK: settings.integer('top_k', 0, MOST_VOCABULARY),
    topP: settings.number('top_p', 'a number above 0 and at most 1', (value) => value > 0 && value <= 1),
    repetitionPenalty: settings.number('repetition_penalty', 'a number above 0', positive),
    beams: settings.integer('num_beams', 1, MOST_BEAMS),
    lengthPenalty: settings.number('length_penalty', 'a number', () => true),
    maxNewTokens: settings.integer('max_new_tokens', 1, MOST_TOKENS),
    maxLength: settings.integer('max_length', 1, MOST_TOKENS),
    ignored: ignoredSettings(json),
  };
}

function ignoredSettings(json: Json): string[] {
  const all = Object.entries(json).filter(([key, value]) => !isNeutral(key, value));
  const named = all.slice(0, MOST_IGNORED_NAMED).map(([key, value]) => shortened(`${key} ${shown(value)}`, 120));
  return all.length > named.length ? [...named, `${all.length - named.length} more`] : named;
}

/**
 * Settings of generation that older writers put into config.json. They apply if there is not a generation_config.json.
 */
const OLD_KEYS: readonly string[] = [
  ...HEEDED.filter((key) => !key.endsWith('_token_id')),
  ...Object.keys(NEUTRAL).filter((key) => key !== 'top_h' && key !== 'guidance_scale'),
];

/**
 * A checkpoint's generation_config.json; if it is missing, the old keys for generation in config.json with that file's
 * token ids; undefined if both are missing. `where`: the file's path, for errors.
 */
export async function readGenerationConfig(
  reader: CheckpointReader,
  { pad, start, eos }: TokenFacts['specialTokens'],
): Promise<{ readonly json: Record<string, unknown>; readonly where: string } | undefined> {
  const json = await reader.generationConfig();
  if (json) return { json, where: join(reader.path, GENERATION_CONFIG_FILE) };
  const config = await reader.config();
  const old = OLD_KEYS.filter((key) => config[key] !== undefined && config[key] !== null);
  if (old.length === 0) return undefined;
  return {
    json: {
      bos_token_id: start,
      eos_token_id: eos,
      pad_token_id: pad,
      ...Object.fromEntries(old.map((key) => [key, config[key]])),
    },
    where: join(reader.path, CONFIG_FILE),
  };
}

/** The generation settings of a model: its own, or those of its generation_config.json. */
export function generationOf(
  model: Pick<Model, 'generation' | 'generationConfig' | 'vocabularySize' | 'specialTokens'>,
): GenerationDefaults {
  return model.generation ?? generationDefaults(model, model.generationConfig);
}
