/**
 * Graft's own layout of an encoder-decoder, for pairs that no published format describes: each side has the layers of any
 * decoder-only family, and its section of config.json has the keys of that family. docs/families.md describes it.
 */
import { isObject } from '@graft/core/internal';
import { CROSS_ATTENTION_FORMS, type BlockDescription } from '../model/block';
import { ConfigFields, LIMITS, shown } from '../model/config-fields';
import type { AnyGemmaConfig, DecoderOnlyConfig, SideConfig } from '../model/config-types';
import { encoderDecoderRates, NO_DROPOUT, ratesField } from '../model/dropout-rates';
import { PAIR_NAMES, storedInPair, TIED_OUTPUT_NAMES } from '../model/names';
import { inert, read, type PublishedKeys } from '../model/published-defaults';
import { readEncoderFields, writeEncoderFields } from './encoder-config';
import { allFull, type Family } from './family';
import { unusualKeys } from './ignored-keys';
import { checkPair, checkStart } from './pair';
import { oneOrList } from './side-config';

/** Keys of such a config.json besides its two sections. */
export const GRAFT_KEYS = {
  encoder: read(undefined),
  decoder: read(undefined),
  is_encoder_decoder: read(true),
  /** `separate` or `merged`. */
  cross_attention: read('separate'),
  dropout_rate: read(0),
  classifier_dropout_rate: read(0),
  attention_dropout: read(0),
  tie_word_embeddings: read(true),
  vocab_size: inert(undefined),
  /** By default the decoder's, and so are the tokens. */
  initializer_range: read(undefined),
  bos_token_id: read(undefined, 'none'),
  eos_token_id: read(undefined, 'none'),
  pad_token_id: read(undefined, 'none'),
} satisfies PublishedKeys;

/** Keys of a decoder-only config.json that the whole pair's override. */
const OF_THE_WHOLE: readonly string[] = ['architectures', 'dtype', 'tie_word_embeddings'];

/** A side with the range of fresh weights that its section names. */
interface ReadSide {
  readonly side: SideConfig;
  readonly initializerRange: number;
}

/** The layout for sides of these decoder-only families. */
export function graftOf(families: readonly Family[]): Family {
  const types = families.flatMap(({ modelTypes }) => modelTypes);
  const familyOfType = (type: unknown): Family | undefined =>
    families.find(({ modelTypes }) => (modelTypes as readonly unknown[]).includes(type));

  function familyOfSection(fields: ConfigFields, name: 'encoder' | 'decoder'): Family {
    const section = fields.json[name];
    if (!isObject(section))
      throw fields.fail(name, `should be an object with that side's configuration, but is ${shown(section)}`);
    const found = familyOfType(section.model_type);
    if (found) return found;
    const known = types.map((type) => `"${type}"`).join(', ');
    throw fields.fail(`${name}.model_type`, `should be one of ${known}, but is ${shown(section.model_type)}`);
  }

  function readSideOf(
    fields: ConfigFields,
    name: 'encoder' | 'decoder',
    crossAttention: BlockDescription['crossAttention'],
  ): ReadSide {
    const family = familyOfSection(fields, name);
    const where = `${fields.where}, ${name}`;
    const config = family.read({ json: fields.json[name] as Record<string, unknown>, options: {}, where });
    if (config.kind !== 'decoder-only')
      throw fields.fail(name, `describes a model that is ${config.kind}; its layers should be those of a decoder`);
    const { decoder, initializerRange } = config;
    const block = { ...decoder.block, crossAttention };
    return { side: { ...decoder, family: family.id, block }, initializerRange };
  }

  const sectionOf = (side: SideConfig, { initializerRange, dropout = NO_DROPOUT }: AnyGemmaConfig): object => {
    const { family: id = '', ...own } = side;
    const alone: DecoderOnlyConfig = {
      kind: 'decoder-only',
      family: id,
      decoder: own,
      initializerRange,
      ...ratesField({ ...NO_DROPOUT, attentionDropout: dropout.attentionDropout }),
    };
    const written = families.find((family) => family.id === id)!.write(alone, 'float32');
    return Object.fromEntries(Object.entries(written).filter(([key]) => !OF_THE_WHOLE.includes(key)));
  };

  return {
    id: 'graft',
    title: 'Graft',
    modelTypes: ['graft'],
    kinds: ['encoder-decoder', 'encoder-only'],
    sides: families.map(({ id }) => id),
    ownVocabularies: true,
    names: PAIR_NAMES,
    // All that a causal layer sees in its past, an encoder sees on both sides.
    encoderWindow: 'strict',
    layerTypes: allFull,
    redundant: TIED_OUTPUT_NAMES,
    storedNames: storedInPair,
    read({ json, options, where }) {
      const fields = new ConfigFields(json, GRAFT_KEYS, where);
      fields.refuseForeign();
      const { cross_attention: form = 'separate' } = json;
      const known = CROSS_ATTENTION_FORMS.find((own) => own === form);
      if (!known) throw fields.fail('cross_attention', `should be "separate" or "merged", but is ${shown(form)}`);
      const { side: encoder, initializerRange } = readSideOf(fields, 'encoder', known);
      const rangeOf = (silent: number): number => fields.positive('initializer_range', LIMITS.deviation, silent);
      const shared = {
        family: 'graft',
        ...readEncoderFields(fields, options, 'strict'),
        ...encoderDecoderRates(fields),
      };
      if (!fields.boolean('is_encoder_decoder'))
        return { kind: 'encoder-only', encoder, ...shared, initializerRange: rangeOf(initializerRange) };
      const { side: own, initializerRange: range } = readSideOf(fields, 'decoder', known);
      checkStart(fields, own);
      const tieEncoderEmbedding = options.tieEncoderEmbedding ?? json.tie_encoder_embedding === true;
      checkPair(encoder, own, { tieEncoderEmbedding, ownVocabularies: true }, where);
      return {
        kind: 'encoder-decoder',
        encoder,
        // Generation uses the whole model's end tokens, by default the decoder's.
        decoder: 'eos_token_id' in json ? { ...own, eosTokenIds: fields.tokens('eos_token_id') } : own,
        ...shared,
        initializerRange: rangeOf(range),
        tieEncoderEmbedding,
        ...(fields.boolean('tie_word_embeddings') ? {} : { untiedOutput: true }),
      };
    },
    write(any, dtype) {
      const config = any as Exclude<AnyGemmaConfig, DecoderOnlyConfig>;
      const { encoder, initializerRange, dropout: rates = NO_DROPOUT } = config;
      const isPair = config.kind === 'encoder-decoder';
      const whole = isPair ? config.decoder : encoder;
      return {
        architectures: [isPair ? 'GraftForConditionalGeneration' : 'GraftEncoderModel'],
        model_type: 'graft',
        attention_dropout: rates.attentionDropout,
        bos_token_id: whole.bosTokenId,
        classifier_dropout_rate: rates.classifierDropout,
        cross_attention: whole.block.crossAttention,
        ...(isPair && { decoder: sectionOf(config.decoder, config) }),
        dropout_rate: rates.dropout,
        dtype,
        encoder: sectionOf(encoder, config),
        eos_token_id: oneOrList(whole.eosTokenIds),
        initializer_range: initializerRange,
        is_encoder_decoder: isPair,
        pad_token_id: whole.padTokenId,
        tie_word_embeddings: !isPair || config.untiedOutput !== true,
        vocab_size: whole.vocabularySize,
        ...writeEncoderFields(config),
        ...(isPair && config.tieEncoderEmbedding ? { tie_encoder_embedding: true } : {}),
      };
    },
    ignoredKeys(json) {
      const sections = (['encoder', 'decoder'] as const).flatMap((name) => {
        const section = json[name];
        if (!isObject(section)) return [];
        return (
          familyOfType(section.model_type)
            ?.ignoredKeys(section)
            .map((key) => `${name}.${key}`) ?? []
        );
      });
      return [...unusualKeys(json, GRAFT_KEYS), ...sections];
    },
  };
}
