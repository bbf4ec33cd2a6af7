/** The model that a config's `model:` section describes, on top of a checkpoint's config.json if there is one. */
import { ConfigError } from '@graft/core';
import { FAMILIES, familyOf, type Family } from '../families';
import { checkPair } from '../families/pair';
import { parseCheckpointConfig, readModelConfig } from './config';
import type {
  AnyGemmaConfig,
  DecoderOnlyConfig,
  EncoderDecoderConfig,
  EncoderOnlyConfig,
  GemmaConfig,
  LayerType,
  SideConfig,
} from './config-types';
import { ratesField } from './dropout-rates';
import type { ResolvedModelOptions, SideOptions } from './model-options';
import { checkPreserving } from './preserving-form';
import { sameRotation, type RotaryPositions } from './rotary';
import { parsePreset, type Preset, type PresetSide } from './sizes';

/** The published configurations' initializer_range. */
const DEFAULT_DEVIATION = 0.02;

function optionError(message: string, hint?: string): ConfigError {
  return new ConfigError(message, { code: 'gemma.model-options', hint });
}

type Vocabulary = Pick<ResolvedModelOptions, 'vocabularySize' | 'padTokenId' | 'bosTokenId' | 'eosTokenId'>;

/** A side's own options about its vocabulary, and those for both sides. `base`: what they override. */
function vocabularyFields(
  given: Vocabulary,
  options: Vocabulary,
  base: Pick<SideConfig, 'vocabularySize' | 'padTokenId' | 'bosTokenId' | 'eosTokenIds'>,
): Pick<SideConfig, 'vocabularySize' | 'padTokenId' | 'bosTokenId' | 'eosTokenIds'> {
  const eosTokenId = given.eosTokenId ?? options.eosTokenId;
  return {
    vocabularySize: given.vocabularySize ?? options.vocabularySize ?? base.vocabularySize,
    padTokenId: given.padTokenId ?? options.padTokenId ?? base.padTokenId,
    bosTokenId: given.bosTokenId ?? options.bosTokenId ?? base.bosTokenId,
    eosTokenIds: eosTokenId === undefined ? base.eosTokenIds : [eosTokenId].flat(),
  };
}

/** A config written in JavaScript may hold a key without a value. */
function withoutUndefined(options: SideOptions): SideOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** What a side's options override. */
interface SideBase {
  /** The model's. */
  readonly family: Family;
  readonly checkpoint: SideConfig | undefined;
  readonly preset: PresetSide | undefined;
}

/** The family of a side's layers: the model's own, or where each side has its own, the one that it names. */
function layersOfSide(name: 'encoder' | 'decoder', { family: asked }: SideOptions, base: SideBase): Family {
  const { family, checkpoint } = base;
  if (!family.sides) {
    if (asked === undefined) return family;
    throw optionError(
      `model.${name}.family is ${asked}, but the layers of a model of the family ${family.id} are all its own.`,
      'Leave it out, or take model.family graft, whose sides have layers of a family each.',
    );
  }
  const own = checkpoint?.family;
  if (own !== undefined && asked !== undefined && asked !== own)
    throw optionError(`model.${name}.family is ${asked}, but the checkpoint's ${name} has layers of ${own}.`);
  const id = asked ?? own;
  if (id !== undefined && family.sides.includes(id)) return familyOf({ family: id });
  const known = family.sides.join(', ');
  throw optionError(
    id === undefined
      ? `model.${name}.family is missing: a model of the family ${family.id} has sides with layers of ${known}.`
      : `model.${name}.family is ${id}, but the sides of a model of the family ${family.id} have layers of ${known}.`,
  );
}

/** The side of an empty config.json. */
function defaultSide({ read, modelTypes: [type], id, defaults }: Family): SideConfig {
  const config = read({ json: { model_type: type, ...defaults }, options: {}, where: id });
  return config.kind === 'encoder-only' ? config.encoder : config.decoder;
}

/** The positions of a side whose options name a base or a scaling. */
function resolveRotary(
  { ropeTheta, slidingRopeTheta, ropeScaling }: SideOptions,
  { full_attention: full, sliding_attention: sliding }: SideConfig['rotary'],
): SideConfig['rotary'] {
  const scaled = ({ theta, scaling }: RotaryPositions, asked: SideOptions['ropeScaling']): RotaryPositions => {
    const used = asked === undefined ? scaling : (asked ?? undefined);
    return { theta, ...(used && { scaling: used }) };
  };
  const alike = sameRotation(full, sliding);
  const ofSliding = slidingRopeTheta ?? (alike ? ropeTheta : undefined) ?? sliding.theta;
  return {
    full_attention: scaled({ ...full, theta: ropeTheta ?? full.theta }, ropeScaling),
    sliding_attention: scaled({ ...sliding, theta: ofSliding }, alike ? ropeScaling : undefined),
  };
}

/** One side, from its options first, then the checkpoint's config, then the preset, then the family. */
function resolveSide(
  name: 'encoder' | 'decoder',
  given: SideOptions,
  options: ResolvedModelOptions,
  sideBase: SideBase,
): SideConfig {
  const { checkpoint, preset } = sideBase;
  const family = layersOfSide(name, given, sideBase);
  const base: SideConfig = checkpoint ?? { ...defaultSide(family), ...preset };
  const size = { ...checkpoint, ...preset, ...withoutUndefined(given) };
  const needed = (field: 'layers' | 'hidden' | 'feedForward' | 'heads'): number => {
    const value = size[field];
    if (value === undefined) {
      throw optionError(
        `The model's size is not known: model.${name}.${field} is missing.`,
        'Name a preset (model.preset: s), give the sizes of one side, or take an initializer that loads a checkpoint.',
      );
    }
    return value;
  };
  const [layers, hidden, feedForward, heads] = [
    needed('layers'),
    needed('hidden'),
    needed('feedForward'),
    needed('heads'),
  ];
  const keyValueHeads = size.keyValueHeads ?? heads;
  if (heads % keyValueHeads !== 0) {
    throw optionError(`model.${name}: keyValueHeads ${keyValueHeads} does not divide heads ${heads}.`);
  }
  const headDim = size.headDim ?? hidden / heads;
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw optionError(
      `model.${name}: headDim is not given, and hidden / heads = ${hidden} / ${heads} is not an even integer.`,
    );
  }
  // A layer list of another length belongs to the checkpoint's depth, not to the requested one.
  const inherited: readonly LayerType[] | undefined =
    checkpoint?.layerTypes.length === layers ? checkpoint.layerTypes : undefined;
  const layerTypes = given.layerTypes ?? inherited ?? family.layerTypes(layers);
  if (layerTypes.length !== layers)
    throw optionError(`model.${name}: layerTypes lists ${layerTypes.length} layers, but layers is ${layers}.`);
  const ids = vocabularyFields(given, options, base);
  for (const option of ['padTokenId', 'bosTokenId'] as const) {
    const own = given[option] === undefined ? '' : `${name}.`;
    const id = ids[option];
    if (id !== null && id >= ids.vocabularySize)
      throw optionError(`model.${own}${option} is ${id}, but the vocabulary has ${ids.vocabularySize} tokens.`);
  }
  const pick = <K extends keyof SideOptions & keyof SideConfig>(field: K): SideConfig[K] =>
    (given[field] as SideConfig[K] | undefined) ?? base[field];
  const cap = (field: 'attentionSoftCap' | 'finalLogitSoftCap'): number | null =>
    given[field] === undefined ? base[field] : given[field];
  return {
    layers,
    hidden,
    feedForward,
    heads,
    keyValueHeads,
    headDim,
    ...ids,
    layerTypes,
    ...(sideBase.family.sides && { family: family.id }),
    block: base.block,
    rmsNormEpsilon: pick('rmsNormEpsilon'),
    rotary: resolveRotary(given, base.rotary),
    maxPositions: pick('maxPositions'),
    slidingWindow: pick('slidingWindow'),
    attentionSoftCap: cap('attentionSoftCap'),
    finalLogitSoftCap: cap('finalLogitSoftCap'),
    queryPreAttentionScalar:
      given.queryPreAttentionScalar ??
      checkpoint?.queryPreAttentionScalar ??
      preset?.queryPreAttentionScalar ??
      headDim,
  };
}

/** What a config names: the kind, the family, and the preset's sizes. */
function chosen(
  options: ResolvedModelOptions,
  checkpoint: AnyGemmaConfig | undefined,
): { readonly kind: AnyGemmaConfig['kind']; readonly family: Family; readonly preset: Preset | undefined } {
  const preset = options.preset === undefined ? undefined : parsePreset(options.preset);
  const asked = options.family ?? preset?.family;
  if (checkpoint && asked !== undefined && asked !== checkpoint.family)
    throw optionError(`The model should be of the family ${asked}, but the checkpoint's is ${checkpoint.family}.`);
  const named = asked ?? checkpoint?.family;
  const kind =
    options.kind ??
    checkpoint?.kind ??
    (named === undefined ? 'encoder-decoder' : familyOf({ family: named }).kinds[0]);
  const family = familyOf({ family: named ?? (kind === 'decoder-only' ? 'gemma2' : 't5gemma') });
  if (checkpoint && checkpoint.kind !== kind) {
    throw optionError(
      `model.kind is ${kind}, but the checkpoint holds a model that is ${checkpoint.kind}.`,
      kind === 'encoder-only' && checkpoint.kind === 'encoder-decoder'
        ? '`graft export --encoder` writes its encoder alone.'
        : undefined,
    );
  }
  if (!family.kinds.includes(kind)) {
    const others = FAMILIES.filter(({ kinds }) => kinds.includes(kind)).map(({ id }) => id);
    throw optionError(
      `model.kind is ${kind}, but models of the family ${family.id} are ${family.kinds.join(' or ')}.`,
      `Families of ${kind} models: ${others.join(', ')}.`,
    );
  }
  return { kind, family, preset };
}

/**
 * The model of a config's `model:` section, on top of the checkpoint's config.json if the initializer provides one;
 * options override it field by field. Throws ConfigError for sizes that are missing or impossible.
 */
export function resolveModelConfig(
  options: ResolvedModelOptions,
  checkpointConfig?: Record<string, unknown>,
): GemmaConfig {
  const checkpoint = checkpointConfig && parseCheckpointConfig(checkpointConfig, options);
  if (options.kind === 'encoder-only') throw optionError('model.kind is encoder-only: such a model makes no words.');
  const { kind, family, preset } = chosen(options, checkpoint);
  const tied = options.tieOutput ?? checkpoint?.untiedOutput !== true;
  const output = {
    ...fieldsOfEveryKind(options, checkpoint),
    ...(tied ? {} : { untiedOutput: true }),
  };
  if (kind === 'decoder-only') {
    refuseEncoderDecoderOptions(options);
    if (preset?.pair)
      throw optionError(`model.preset ${options.preset} names two sides, but the model is decoder-only.`);
    const base = { family, checkpoint: checkpoint?.decoder, preset: preset?.decoder };
    const decoder = resolveSide('decoder', options.decoder ?? {}, options, base);
    return { kind, family: family.id, decoder, ...output } satisfies DecoderOnlyConfig;
  }
  const both = checkpoint as EncoderDecoderConfig | undefined;
  const lone = checkpoint === undefined && preset === undefined;
  const encoderOptions = options.encoder ?? (lone ? options.decoder : undefined) ?? {};
  const decoderOptions = options.decoder ?? (lone ? options.encoder : undefined) ?? {};
  const encoder = resolveSide('encoder', encoderOptions, options, {
    family,
    checkpoint: both?.encoder,
    preset: preset?.encoder,
  });
  const decoder = resolveSide('decoder', decoderOptions, options, {
    family,
    checkpoint: both?.decoder,
    preset: preset?.decoder,
  });
  const tieEncoderEmbedding = options.tieEncoderEmbedding ?? both?.tieEncoderEmbedding ?? family.oneTable ?? false;
  if (family.oneTable && (!tieEncoderEmbedding || !tied)) {
    const option = tied ? 'tieEncoderEmbedding' : 'tieOutput';
    throw optionError(`model.${option} is false, but models of the family ${family.id} have one embedding table.`);
  }
  const { ownVocabularies } = family;
  checkPair(encoder, decoder, { tieEncoderEmbedding, ownVocabularies }, 'The model');
  const encoderWindow = options.encoderWindow ?? both?.encoderWindow ?? family.encoderWindow!;
  const causal = (options.encoderAttention ?? both?.encoderAttention) === 'causal';
  const pair: EncoderDecoderConfig = {
    kind: 'encoder-decoder',
    family: family.id,
    encoder,
    decoder,
    encoderWindow,
    ...(causal ? { encoderAttention: 'causal' } : {}),
    tieEncoderEmbedding,
    ...pairFields(family, both),
    ...output,
  };
  if (pair.functionPreserving) checkPreserving(pair, 'The model');
  return pair;
}

/** What a pair has besides its two sides: special embeddings, and what is carried. */
function pairFields(
  family: Family,
  checkpoint: EncoderDecoderConfig | undefined,
): Pick<EncoderDecoderConfig, 'endOfImageToken' | 'vision' | 'functionPreserving'> {
  if (family.sides && !checkpoint) return {};
  const base =
    checkpoint ??
    (family.read({
      json: { model_type: family.modelTypes[0] },
      options: {},
      where: family.id,
    }) as EncoderDecoderConfig);
  const { endOfImageToken, vision, functionPreserving } = base;
  return {
    ...(endOfImageToken !== undefined && { endOfImageToken }),
    ...(vision && { vision }),
    ...(functionPreserving && { functionPreserving }),
  };
}

/** Like `resolveModelConfig`, and also for encoders alone. */
export function resolveAnyConfig(
  options: ResolvedModelOptions,
  checkpointConfig?: Record<string, unknown>,
): AnyGemmaConfig {
  const checkpoint = checkpointConfig && readModelConfig(checkpointConfig, options);
  const kind = options.kind ?? checkpoint?.kind;
  if (kind !== 'encoder-only') return resolveModelConfig(options, checkpointConfig);
  const { family, preset } = chosen({ ...options, kind }, checkpoint);
  for (const field of ['decoder', 'tieEncoderEmbedding', 'tieOutput'] as const) {
    if (options[field] !== undefined && options[field] !== false)
      throw optionError(`model.${field} is given, but the model is encoder-only and has no decoder.`);
  }
  if (preset?.pair) throw optionError(`model.preset ${options.preset} names two sides, but the model is encoder-only.`);
  const own = checkpoint as EncoderOnlyConfig | undefined;
  const causal = (options.encoderAttention ?? own?.encoderAttention) === 'causal';
  return {
    kind,
    family: family.id,
    encoder: resolveSide('encoder', options.encoder ?? {}, options, {
      family,
      checkpoint: own?.encoder,
      preset: preset?.encoder,
    }),
    encoderWindow: options.encoderWindow ?? own?.encoderWindow ?? family.encoderWindow!,
    ...(causal ? { encoderAttention: 'causal' } : {}),
    ...fieldsOfEveryKind(options, checkpoint),
  };
}

/** What models of every kind have. */
function fieldsOfEveryKind(
  options: ResolvedModelOptions,
  checkpoint: AnyGemmaConfig | undefined,
): Pick<AnyGemmaConfig, 'initializerRange' | 'rematerialize' | 'attention' | 'specialTokens' | 'dropout'> {
  return {
    initializerRange: checkpoint?.initializerRange ?? DEFAULT_DEVIATION,
    ...(options.rematerialize === 'block' ? { rematerialize: true } : {}),
    ...(options.attention ? { attention: options.attention } : {}),
    ...(checkpoint?.specialTokens ? { specialTokens: checkpoint.specialTokens } : {}),
    ...resolveRates(options, checkpoint),
  };
}

function resolveRates(
  options: ResolvedModelOptions,
  checkpoint: Pick<AnyGemmaConfig, 'dropout'> | undefined,
): Pick<AnyGemmaConfig, 'dropout'> {
  return ratesField({
    dropout: options.dropout ?? checkpoint?.dropout?.dropout ?? 0,
    attentionDropout: options.attentionDropout ?? checkpoint?.dropout?.attentionDropout ?? 0,
    classifierDropout: options.classifierDropout ?? checkpoint?.dropout?.classifierDropout ?? 0,
  });
}

function refuseEncoderDecoderOptions(options: ResolvedModelOptions): void {
  for (const field of ['encoder', 'encoderWindow', 'encoderAttention', 'tieEncoderEmbedding'] as const) {
    if (options[field] !== undefined && options[field] !== false) {
      throw optionError(`model.${field} is given, but the model is decoder-only and has no encoder.`);
    }
  }
  for (const field of ['dropout', 'classifierDropout'] as const) {
    if ((options[field] ?? 0) > 0) {
      throw optionError(
        `model.${field} is ${options[field]}, but a decoder-only model drops probabilities of attention alone.`,
        'Set model.attentionDropout, or leave it out.',
      );
    }
  }
}
