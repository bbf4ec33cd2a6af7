/**
 * The special tokens around the text that a model reads: a policy for each side, and the only place that applies it.
 */
import { guardModel } from '../components/guarded-model';
import { CheckpointError, ConfigError } from '@graft/engine';
import { explainIssues } from '../config/issues';
import { SpecialTokensSection } from '../config/schema';
import type { Model, ModelFamily, SideRules, SideTokens, SpecialTokenPolicy, TokenizerFacts } from '../interfaces';

/** Graft's own key in a checkpoint's config.json, which other readers ignore. */
export const SPECIAL_TOKENS_KEY = 'special_token_policy';

const AUTO_SIDE: SideRules = { bos: 'auto', eos: 'auto' };

/** The policy if neither a config nor a checkpoint sets one. */
export const AUTO_POLICY: SpecialTokenPolicy = { encoder: AUTO_SIDE, decoder: AUTO_SIDE, teacher: { bos: 'auto' } };

/** How Graft read text before it had a policy: without a start token, except that of an encoder-decoder's decoder. */
export const EARLIER_POLICY: SpecialTokenPolicy = {
  encoder: { bos: false, eos: 'auto' },
  decoder: { bos: false, eos: 'auto' },
  teacher: { bos: false },
};

/** A section merged over the inherited policy: a side's own setting first, then the one for both sides. */
export function mergeSpecialTokens(
  section: SpecialTokensSection = {},
  inherited: SpecialTokenPolicy = AUTO_POLICY,
): SpecialTokenPolicy {
  const side = (name: 'encoder' | 'decoder'): SideRules => ({
    bos: section[name]?.bos ?? section.bos ?? inherited[name].bos,
    eos: section[name]?.eos ?? section.eos ?? inherited[name].eos,
  });
  return {
    encoder: side('encoder'),
    decoder: side('decoder'),
    teacher: { bos: section.teacher?.bos ?? inherited.teacher.bos },
  };
}

/**
 * The policy in a checkpoint's config.json; undefined if it has none. `where` names the file. Throws CheckpointError
 * for one that is malformed.
 */
export function readSpecialTokens(
  config: Readonly<Record<string, unknown>> | undefined,
  where = 'config.json',
): SpecialTokenPolicy | undefined {
  const value = config?.[SPECIAL_TOKENS_KEY];
  if (value === undefined) return undefined;
  const parsed = SpecialTokensSection.safeParse(value);
  if (parsed.success) return mergeSpecialTokens(parsed.data);
  const [{ path, message }] = explainIssues(parsed.error.issues, value, () => []);
  throw new CheckpointError(`${where}: "${[SPECIAL_TOKENS_KEY, ...path].join('.')}": ${message}.`, {
    code: 'checkpoint.special-tokens',
    hint: `Correct it, or remove the key: the model then follows the config's specialTokens, or auto.`,
  });
}

type Tokens = Pick<Model, 'kind' | 'specialTokens' | 'encoderTokens'>;

/** The ids that a side of a model reads. A model with one side has the same for both. */
export function tokensOfSide(
  { vocabularySize, specialTokens, encoderTokens }: Pick<Model, 'vocabularySize' | 'specialTokens' | 'encoderTokens'>,
  side: 'encoder' | 'decoder',
): SideTokens {
  return (side === 'encoder' ? encoderTokens : undefined) ?? { vocabularySize, specialTokens };
}

/** The special tokens that a side of a model reads. */
function specialsOf(
  { specialTokens, encoderTokens }: Tokens,
  side: 'encoder' | 'decoder',
): SideTokens['specialTokens'] {
  return (side === 'encoder' ? encoderTokens?.specialTokens : undefined) ?? specialTokens;
}

/** A model's policy; `auto` throughout for a family without one. */
export function specialTokenPolicy({ specialTokens }: Pick<Model, 'specialTokens'>): SpecialTokenPolicy {
  return specialTokens.policy ?? AUTO_POLICY;
}

/**
 * Whether a side's input begins with the start token. `auto`: decoder-only models read one, encoders none; a decoder behind an
 * encoder always begins with it.
 */
export function readsBos(model: Tokens, side: 'encoder' | 'decoder'): boolean {
  const { encoder, decoder } = specialTokenPolicy(model);
  if (side === 'encoder') return model.kind !== 'decoder-only' && encoder.bos === true;
  if (model.kind === 'encoder-only') return false;
  return model.kind === 'encoder-decoder' || decoder.bos !== false;
}

/**
 * As `SPECIAL_TOKENS_KEY` keeps it: `auto` for a start token is resolved, so that the meaning of the checkpoint never
 * changes.
 */
export function storedSpecialTokens(model: Tokens): SpecialTokensSection {
  const { encoder, decoder, teacher } = specialTokenPolicy(model);
  const source = { encoder: { bos: readsBos(model, 'encoder'), eos: encoder.eos } };
  if (model.kind === 'encoder-only') return source;
  const sides =
    model.kind === 'decoder-only'
      ? { decoder: { bos: readsBos(model, 'decoder'), eos: decoder.eos } }
      : { ...source, decoder: { eos: decoder.eos } };
  return { ...sides, ...(teacher.bos === 'auto' ? {} : { teacher }) };
}

/** A model's config.json with its policy, also for a family that does not write it. */
export function checkpointConfigOf(model: Model): Record<string, unknown> {
  return { [SPECIAL_TOKENS_KEY]: storedSpecialTokens(model), ...model.checkpointConfig };
}

/**
 * Tokens of a text as the model reads them: for a decoder-only model a prompt, for any other a source. A start or end
 * token is never doubled: a text that has its own gets no other.
 *
 *     decoder-only, start 2   [5, 6] -> [2, 5, 6]      [2, 5] -> [2, 5]
 *     encoder-decoder         [5, 6] -> [5, 6]
 */
export function modelInput(model: Tokens, tokens: ArrayLike<number>): Int32Array {
  const { bos, eos } = around(model);
  const before = bos === undefined || tokens[0] === bos ? [] : [bos];
  const behind = eos === undefined || tokens[tokens.length - 1] === eos ? [] : [eos];
  const input = new Int32Array(before.length + tokens.length + behind.length);
  input.set(before);
  input.set(tokens, before.length);
  input.set(behind, before.length + tokens.length);
  return input;
}

/** The text of a result of `modelInput`, for a reader with its own policy. */
export function withoutModelInput(model: Tokens, input: Int32Array): Int32Array {
  const { bos, eos } = around(model);
  const from = bos !== undefined && input[0] === bos ? 1 : 0;
  const to = eos !== undefined && input.length > from && input[input.length - 1] === eos ? -1 : undefined;
  return input.subarray(from, to);
}

/** Maximum number of tokens that `modelInput` adds. */
export function modelInputSurplus(model: Tokens): number {
  const { bos, eos } = around(model);
  return Number(bos !== undefined) + Number(eos !== undefined);
}

function around(model: Tokens): { readonly bos?: number; readonly eos?: number } {
  const { start, eos } = specialsOf(model, model.kind === 'decoder-only' ? 'decoder' : 'encoder');
  if (model.kind === 'decoder-only') return readsBos(model, 'decoder') ? { bos: start } : {};
  return {
    ...(readsBos(model, 'encoder') ? { bos: start } : {}),
    ...(specialTokenPolicy(model).encoder.eos === true ? { eos: eos[0] } : {}),
  };
}

/**
 * A sentence on special tokens with different ids in tokenizer and model, of which the model's are used; undefined if
 * they agree, or if nothing is known. A model may have more end tokens than its tokenizer. `encoder`: the tokenizer of
 * what the encoder reads, if it is another one.
 */
export function tokenizerClash(
  tokenizer: Partial<TokenizerFacts> | undefined,
  model: Tokens,
  encoder?: Partial<TokenizerFacts>,
): string | undefined {
  const own = clashesOf(tokenizer, model.specialTokens);
  const isTwo = encoder !== undefined && model.kind === 'encoder-decoder';
  // An encoder has other ids only if it has its own vocabulary: one sentence is enough for two equal sides.
  const encoders = isTwo || model.encoderTokens ? clashesOf(encoder ?? tokenizer, specialsOf(model, 'encoder')) : own;
  if (encoders.join() === own.join() && !isTwo) return own.length === 0 ? undefined : clashSentence(own, "the model's");
  const sentences = [
    ...(own.length === 0 ? [] : [clashSentence(own, "the decoder's")]),
    ...(encoders.length === 0 ? [] : [clashSentence(encoders, "the encoder's")]),
  ];
  return sentences.length === 0 ? undefined : sentences.join(' ');
}

function clashesOf(
  { padId, bosId, eosId }: Partial<TokenizerFacts> = {},
  { pad, start, eos }: SideTokens['specialTokens'],
): string[] {
  return [
    ...((bosId ?? start) === start ? [] : [`BOS ${bosId}, not ${start}`]),
    ...(eosId === undefined || eos.includes(eosId) ? [] : [`EOS ${eosId}, not ${eos.join(' or ')}`]),
    ...((padId ?? pad) === pad ? [] : [`pad ${padId}, not ${pad}`]),
  ];
}

function clashSentence(clashes: readonly string[], whose: string): string {
  const remedy =
    whose === "the model's"
      ? "Take the model's own tokenizer, or set model.bosTokenId, model.eosTokenId and model.padTokenId."
      : `Take ${whose} own tokenizer.`;
  return `The tokenizer's special tokens are not ${whose}, which count: ${clashes.join('; ')}. ${remedy}`;
}

/**
 * Whether a data set appends an end token to a side's text: the policy decides, otherwise the data set's own option.
 */
export function appendsEos(
  policy: SpecialTokenPolicy | undefined,
  side: 'encoder' | 'decoder',
  otherwise: boolean,
): boolean {
  const { eos } = (policy ?? AUTO_POLICY)[side];
  return eos === 'auto' ? otherwise : eos;
}

/** One line for the log. */
export function describeSpecialTokens(model: Tokens): string {
  const { pad, start, eos } = model.specialTokens;
  const ofEncoder = specialsOf(model, 'encoder');
  const { encoder, decoder, teacher } = specialTokenPolicy(model);
  const begins = (side: 'encoder' | 'decoder', of = ''): string =>
    readsBos(model, side) ? `BOS ${specialsOf(model, side).start} in front${of}` : 'no BOS';
  const ends = ({ eos: rule }: SideRules, id = eos[0]): string =>
    rule === 'auto' ? '' : rule ? `, EOS ${id} behind` : ', no EOS';
  const read =
    model.kind === 'decoder-only'
      ? `${begins('decoder', ' of every sequence')}${ends(decoder)}`
      : `encoder reads ${begins('encoder')}${ends(encoder, ofEncoder.eos[0])}${model.kind === 'encoder-only' ? '' : `, decoder starts with ${start}${ends(decoder)}`}`;
  const taught = teacher.bos === 'auto' ? '' : `; teacher reads ${teacher.bos ? 'BOS in front' : 'no BOS'}`;
  const pads = ofEncoder.pad === pad ? `pad ${pad}` : `pad ${pad}, in the encoder ${ofEncoder.pad}`;
  return `Special tokens: ${read}${taught}; ${eos.length > 0 ? `end ${eos.join(' or ')}` : 'no end'}, ${pads}`;
}

/** What decides about special tokens when a model is built. */
export interface BuildSettings {
  /** The config's section; it overrides what the checkpoint says, field by field. */
  readonly section?: SpecialTokensSection;
  /** The policy of a checkpoint that has none. Default: `auto`. */
  readonly silent?: SpecialTokenPolicy;
  /** The checkpoint's generation_config.json. */
  readonly generationConfig?: Record<string, unknown>;
  /** See `ModelSettings`. */
  readonly folder?: string;
  readonly generationFrom?: string;
}

/**
 * The model that a family builds, with the policy of the config and the checkpoint. Throws ConfigError if the section
 * does not apply to the model.
 */
export function buildModel(
  family: ModelFamily,
  checkpointConfig: Record<string, unknown> | undefined,
  { section = {}, silent, ...settings }: BuildSettings = {},
): Model {
  const policy = mergeSpecialTokens(
    section,
    readSpecialTokens(checkpointConfig, settings.folder && `${settings.folder}/config.json`) ?? silent,
  );
  const model = family.build(checkpointConfig, { specialTokens: policy, ...settings });
  const fail = (message: string, hint: string): ConfigError =>
    new ConfigError(message, { code: 'config.special-tokens', hint });
  if (model.kind === 'decoder-only' && section.encoder !== undefined)
    throw fail(
      'specialTokens.encoder is given, but the model is decoder-only and has no encoder.',
      'Say it of specialTokens.decoder.',
    );
  if (model.kind === 'encoder-only' && section.decoder !== undefined)
    throw fail(
      'specialTokens.decoder is given, but the model is encoder-only and has no decoder.',
      'Say it of specialTokens.encoder.',
    );
  if (model.kind === 'encoder-decoder' && section.decoder?.bos === false)
    throw fail(
      "specialTokens.decoder.bos is false, but an encoder-decoder's decoder always begins with its start token.",
      'Leave it out; model.bosTokenId names another start token.',
    );
  const ending = (['encoder', 'decoder'] as const).find(
    (side) => policy[side].eos === true && specialsOf(model, side).eos.length === 0,
  );
  if (ending !== undefined)
    throw fail(
      `specialTokens.${ending}.eos is true, but the model${model.encoderTokens ? `'s ${ending}` : ''} has no end token.`,
      'Leave it out, or name an end token for the model (model.eosTokenId).',
    );
  const wanted = JSON.stringify(policy) !== JSON.stringify(AUTO_POLICY);
  if (model.specialTokens.policy === undefined && wanted && Object.keys(section).length > 0)
    throw fail(
      'specialTokens is given, but this model family does not take it: its models read as `auto` says.',
      'Leave specialTokens out; a family takes it by keeping `settings.specialTokens` as `specialTokens.policy` of its model.',
    );
  return guardModel(model, family);
}
