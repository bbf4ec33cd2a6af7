import { isObject } from '@graft/core/internal';
import { ConfigFields, LIMITS, shown, type Json } from '../model/config-fields';
import type { AnyGemmaConfig, DecoderOnlyConfig, EncoderOnlyConfig } from '../model/config-types';
import { encoderDecoderRates, NO_DROPOUT } from '../model/dropout-rates';
import { PAIR_NAMES, storedInPair, TIED_OUTPUT_NAMES } from '../model/names';
import { defaultLayerTypes, inert, read, type PublishedKeys } from '../model/published-defaults';
import { readEncoderFields, writeEncoderFields } from './encoder-config';
import type { Family } from './family';
import { GEMMA2_STACK_KEYS, readGemma2Side, writeGemma2Side } from './gemma2';
import { unusualKeys } from './ignored-keys';
import { checkPair, checkStart, PAIR_HEAD } from './pair';
import { oneOrList } from './side-config';

/** Keys of a T5Gemma's `encoder` and `decoder` sections. The whole model's config.json overrides some of them. */
export const T5GEMMA_SECTION_KEYS = {
  ...GEMMA2_STACK_KEYS,
  /** For these only the whole model's key has an effect, even if it is missing. */
  tie_word_embeddings: inert(true),
  attention_dropout: inert(0),
  dropout_rate: inert(0),
  is_decoder: inert(false),
  cross_attention_hidden_size: inert(undefined, 'the default'),
} satisfies PublishedKeys;

/**
 * Keys of a T5Gemma's config.json besides the two sections, which have the defaults of their keys if they are missing.
 */
export const T5GEMMA_KEYS = {
  encoder: read(undefined, 'the default'),
  decoder: read(undefined, 'the default'),
  is_encoder_decoder: read(true),
  dropout_rate: read(0),
  classifier_dropout_rate: read(0),
  attention_dropout: read(0),
  tie_word_embeddings: read(true),
  vocab_size: inert(256_000),
  /** By default the decoder's. */
  initializer_range: read(undefined),
  bos_token_id: read(undefined, 'none'),
  eos_token_id: read(undefined, 'none'),
  pad_token_id: read(undefined, 'none'),
} satisfies PublishedKeys;

const ENCODER_ARCHITECTURE = 'T5GemmaEncoderModel';
const LANGUAGE_ARCHITECTURE = 'T5GemmaForConditionalGeneration';

/** The section of a side, as fields. */
function sectionOf({ json, where }: ConfigFields, field: 'encoder' | 'decoder', all: ConfigFields): ConfigFields {
  const value = json[field] ?? {};
  if (isObject(value)) return new ConfigFields(value, T5GEMMA_SECTION_KEYS, `${where}, ${field}`);
  throw all.fail(field, `should be an object with that side's configuration, but is ${shown(value)}`);
}

/** Whether a config.json describes the encoder alone, or a classifier of it. */
function isEncoderAlone(json: Json, fields: ConfigFields): boolean {
  const names: readonly unknown[] = Array.isArray(json.architectures) ? json.architectures : [];
  const two = fields.boolean('is_encoder_decoder');
  if (names.includes(ENCODER_ARCHITECTURE)) return true;
  // The published language model has two sides whatever this key contains.
  return !two && !names.includes(LANGUAGE_ARCHITECTURE);
}

/** T5Gemma, whose sides are made of Gemma 2's layers, or its encoder alone. */
export const t5gemma: Family = {
  id: 't5gemma',
  title: 'T5Gemma',
  modelTypes: ['t5gemma'],
  kinds: ['encoder-decoder', 'encoder-only'],
  names: PAIR_NAMES,
  encoderWindow: 'strict',
  classifier: {
    architectures: { sequence: 'T5GemmaForSequenceClassification', token: 'T5GemmaForTokenClassification' },
    head: PAIR_HEAD,
    ofEncoder: true,
    // Quirks 4 and 10.
    secondReading: { masksPadding: true, pools: 'source' },
  },
  layerTypes: defaultLayerTypes,
  redundant: TIED_OUTPUT_NAMES,
  publishedNames: (name, kind) => (kind === 'encoder-only' ? [name.replace(/^model\./, ''), name] : [name]),
  storedNames: storedInPair,
  read({ json, options, where }) {
    const fields = new ConfigFields(json, T5GEMMA_KEYS, where);
    fields.refuseForeign();
    const decoderFields = sectionOf(fields, 'decoder', fields);
    const encoder = readGemma2Side(sectionOf(fields, 'encoder', fields));
    const shared = {
      family: 't5gemma',
      ...readEncoderFields(fields, options, 'strict'),
      initializerRange: fields.positive(
        'initializer_range',
        LIMITS.deviation,
        decoderFields.positive('initializer_range', LIMITS.deviation),
      ),
      ...encoderDecoderRates(fields),
    };
    // The decoder's section, which the published implementation writes anyway, has no meaning then (quirk 21).
    if (isEncoderAlone(json, fields)) return { kind: 'encoder-only', encoder, ...shared };
    const own = readGemma2Side(decoderFields);
    // Generation uses the whole model's end tokens, by default the decoder's.
    const decoder = 'eos_token_id' in json ? { ...own, eosTokenIds: fields.tokens('eos_token_id') } : own;
    checkStart(fields, own);
    const tieEncoderEmbedding = options.tieEncoderEmbedding ?? json.tie_encoder_embedding === true;
    checkPair(encoder, decoder, { tieEncoderEmbedding }, where);
    return {
      kind: 'encoder-decoder',
      encoder,
      decoder,
      ...shared,
      tieEncoderEmbedding,
      // In an encoder-decoder, only the whole model's key for ties has an effect, not those of its sides.
      ...(fields.boolean('tie_word_embeddings') ? {} : { untiedOutput: true }),
    };
  },
  write(any, dtype) {
    const config = any as Exclude<AnyGemmaConfig, DecoderOnlyConfig>;
    const { encoder, initializerRange, dropout: rates = NO_DROPOUT } = config;
    const side = { model_type: 't5_gemma_module', dropout_rate: rates.dropout };
    // An encoder alone has no decoder section: what others write there has no meaning.
    const whole = config.kind === 'encoder-decoder' ? config.decoder : encoder;
    return {
      architectures: [config.kind === 'encoder-decoder' ? LANGUAGE_ARCHITECTURE : ENCODER_ARCHITECTURE],
      model_type: 't5gemma',
      attention_dropout: rates.attentionDropout,
      bos_token_id: whole.bosTokenId,
      classifier_dropout_rate: rates.classifierDropout,
      ...(config.kind === 'encoder-decoder' && {
        decoder: {
          ...writeGemma2Side(config.decoder, config),
          ...side,
          is_decoder: true,
          cross_attention_hidden_size: encoder.hidden,
        },
      }),
      dropout_rate: rates.dropout,
      dtype,
      encoder: { ...writeGemma2Side(encoder, config), ...side, is_decoder: false },
      eos_token_id: oneOrList(whole.eosTokenIds),
      initializer_range: initializerRange,
      is_encoder_decoder: config.kind === 'encoder-decoder',
      pad_token_id: whole.padTokenId,
      tie_word_embeddings: config.kind === 'encoder-only' || config.untiedOutput !== true,
      vocab_size: whole.vocabularySize,
      ...writeEncoderFields(config as EncoderOnlyConfig),
      ...(config.kind === 'encoder-decoder' && config.tieEncoderEmbedding ? { tie_encoder_embedding: true } : {}),
    };
  },
  ignoredKeys(json) {
    const sections = (['encoder', 'decoder'] as const).flatMap((side) => {
      const section = json[side];
      return isObject(section) ? unusualKeys(section, T5GEMMA_SECTION_KEYS, `${side}.`) : [];
    });
    return [...unusualKeys(json, T5GEMMA_KEYS), ...sections];
  },
};
