import { isObject } from '@graft/core/internal';
import { ConfigFields, LIMITS, shown, type Json } from '../model/config-fields';
import type { BlockDescription } from '../model/block';
import type { EncoderDecoderConfig, VisionConfig } from '../model/config-types';
import { encoderDecoderRates, NO_DROPOUT } from '../model/dropout-rates';
import { DECODER_EMBEDDING, DECODER_NAMES, ENCODER_EMBEDDING, ENCODER_NAMES, TIED_OUTPUT_NAMES } from '../model/names';
import { fixed, inert, read, type PublishedKeys } from '../model/published-defaults';
import { readEncoderFields, writeEncoderFields } from './encoder-config';
import type { Family } from './family';
import { everyNth, GEMMA3_BLOCK, GEMMA3_STACK_KEYS, readGemma3Side, writeGemma3Side } from './gemma3';
import { unusualKeys } from './ignored-keys';
import { checkPair, checkStart, PAIR_HEAD } from './pair';
import { oneOrList } from './side-config';

/** Keys of the sections `encoder.text_config` and `decoder`. The whole model's config.json overrides some of them. */
export const T5GEMMA2_SECTION_KEYS = {
  ...GEMMA3_STACK_KEYS,
  tie_word_embeddings: inert(true),
  /** The rates at the top level overwrite them (quirk 39). */
  attention_dropout: inert(0, 'the default'),
  dropout_rate: inert(0, 'the default'),
} satisfies PublishedKeys;

/** Keys of the section `encoder`, besides those that concern images. */
export const T5GEMMA2_ENCODER_KEYS = {
  text_config: read(undefined, 'the default'),
  eoi_token_index: read(undefined),
  initializer_range: inert(0.02),
  tie_word_embeddings: inert(true),
} satisfies PublishedKeys;

/** Keys of a T5Gemma 2's config.json besides its two sections. */
export const T5GEMMA2_KEYS = {
  encoder: read(undefined, 'the default'),
  decoder: read(undefined, 'the default'),
  is_encoder_decoder: fixed(true),
  dropout_rate: read(0),
  classifier_dropout_rate: read(0),
  attention_dropout: read(0),
  tie_word_embeddings: fixed(true),
  vocab_size: inert(262_208),
  initializer_range: read(0.02),
  eoi_token_index: read(256_000),
  bos_token_id: read(undefined, 'none'),
  eos_token_id: read(undefined, 'none'),
  pad_token_id: read(undefined, 'none'),
} satisfies PublishedKeys;

/** Gemma 3's block, whose decoder reads the source in the same softmax as its own tokens (quirk 9). */
export const T5GEMMA2_BLOCK: BlockDescription = { ...GEMMA3_BLOCK, crossAttention: 'merged' };

/** Keys that concern images, in the section `encoder` and next to it. */
const VISION_KEYS = {
  encoder: ['vision_config', 'mm_tokens_per_image', 'boi_token_index', 'image_token_index'],
  whole: ['image_token_index'],
} as const;

function objectAt(fields: ConfigFields, name: string, value: unknown = {}): Json {
  if (isObject(value)) return value;
  throw fields.fail(name, `should be an object, but is ${shown(value)}`);
}

/** What a config.json contains on images; undefined if that is nothing. */
function visionOf(json: Json, encoder: Json): VisionConfig | undefined {
  const picked = (section: Json, keys: readonly string[]): Record<string, unknown> =>
    Object.fromEntries(keys.filter((key) => key in section).map((key) => [key, section[key]]));
  const vision = { encoder: picked(encoder, VISION_KEYS.encoder), whole: picked(json, VISION_KEYS.whole) };
  return Object.values(vision).some((fields) => Object.keys(fields).length > 0) ? vision : undefined;
}

/**
 * Released files have no `text_model`, those of some versions do (quirk 13), and so do the modules since the released
 * files were written.
 */
const withTextModel = (name: string): string[] => [
  name.replace(/^model\.encoder\./, 'model.encoder.text_model.'),
  name,
];

/** T5Gemma 2, text: one embedding table, and a decoder with merged attention. */
export const t5gemma2: Family = {
  id: 't5gemma2',
  title: 'T5Gemma 2',
  modelTypes: ['t5gemma2'],
  kinds: ['encoder-decoder'],
  names: {
    encoder: ENCODER_NAMES,
    decoder: DECODER_NAMES,
    // One table for encoder, decoder and output; it is stored with the encoder.
    encoderTable: ENCODER_EMBEDDING,
    decoderTable: ENCODER_EMBEDDING,
    endOfImage: 'model.encoder.embed_tokens.eoi_embedding',
  },
  encoderWindow: 'halved',
  classifier: {
    architectures: { sequence: 'T5Gemma2ForSequenceClassification', token: 'T5Gemma2ForTokenClassification' },
    head: PAIR_HEAD,
    ofEncoder: false,
    // Quirks 14 and 18 of the second set.
    secondReading: { masksPadding: false, pools: 'decoder-input' },
  },
  oneTable: true,
  // A bidirectional Gemma 3, which has no word for an even window: there it is Graft's own key that says it (quirk 24).
  encoderAlone(alone) {
    const { encoder, encoderWindow } = alone;
    const isSymmetric = encoderWindow === 'halved' && encoder.slidingWindow % 2 === 1;
    return {
      ...alone,
      family: 'gemma3',
      encoder: { ...encoder, block: GEMMA3_BLOCK },
      encoderWindow: isSymmetric ? 'symmetric' : encoderWindow,
    };
  },
  layerTypes: (layers) => everyNth(layers),
  redundant: [...TIED_OUTPUT_NAMES, DECODER_EMBEDDING, 'model.decoder.embed_tokens.eoi_embedding'],
  publishedNames: withTextModel,
  storedNames: withTextModel,
  carries: (tensor) => /^model\.encoder\.(vision_tower|multi_modal_projector)\./.test(tensor),
  read({ json, options, where }) {
    const fields = new ConfigFields(json, T5GEMMA2_KEYS, where);
    fields.refuseForeign();
    const encoderJson = objectAt(fields, 'encoder', json.encoder ?? {});
    const encoderFields = new ConfigFields(encoderJson, T5GEMMA2_ENCODER_KEYS, `${where}, encoder`);
    const text = objectAt(encoderFields, 'text_config', encoderJson.text_config ?? {});
    const section = (given: Json, name: string): ConfigFields =>
      new ConfigFields(given, T5GEMMA2_SECTION_KEYS, `${where}, ${name}`);
    const encoder = readGemma3Side(section(text, 'encoder.text_config'), T5GEMMA2_BLOCK);
    const own = readGemma3Side(section(objectAt(fields, 'decoder', json.decoder ?? {}), 'decoder'), T5GEMMA2_BLOCK);
    checkStart(fields, own);
    checkPair(encoder, own, { tieEncoderEmbedding: true }, where);
    const endOfImage = encoderJson.eoi_token_index === undefined ? fields : encoderFields;
    const vision = visionOf(json, encoderJson);
    return {
      kind: 'encoder-decoder',
      family: 't5gemma2',
      encoder,
      // Generation uses the whole model's end tokens, by default the decoder's.
      decoder: 'eos_token_id' in json ? { ...own, eosTokenIds: fields.tokens('eos_token_id') } : own,
      ...readEncoderFields(fields, options, 'halved'),
      tieEncoderEmbedding: true,
      endOfImageToken: endOfImage.integer('eoi_token_index', LIMITS.vocabularySize, { least: 0 }),
      ...(vision && { vision }),
      initializerRange: fields.positive('initializer_range', LIMITS.deviation),
      ...encoderDecoderRates(fields),
    };
  },
  write(any, dtype) {
    const config = any as EncoderDecoderConfig;
    const { encoder, decoder, initializerRange, dropout: rates = NO_DROPOUT, endOfImageToken, vision } = config;
    return {
      architectures: ['T5Gemma2ForConditionalGeneration'],
      model_type: 't5gemma2',
      attention_dropout: rates.attentionDropout,
      bos_token_id: decoder.bosTokenId,
      classifier_dropout_rate: rates.classifierDropout,
      decoder: {
        ...writeGemma3Side(decoder, config),
        dropout_rate: rates.dropout,
        model_type: 't5gemma2_decoder',
      },
      dropout_rate: rates.dropout,
      dtype,
      encoder: {
        ...vision?.encoder,
        eoi_token_index: endOfImageToken,
        initializer_range: initializerRange,
        model_type: 't5gemma2_encoder',
        text_config: {
          ...writeGemma3Side(encoder, config),
          dropout_rate: rates.dropout,
          model_type: 't5gemma2_text',
        },
        tie_word_embeddings: true,
      },
      eoi_token_index: endOfImageToken,
      eos_token_id: oneOrList(decoder.eosTokenIds),
      ...vision?.whole,
      initializer_range: initializerRange,
      is_encoder_decoder: true,
      pad_token_id: decoder.padTokenId,
      tie_word_embeddings: true,
      vocab_size: decoder.vocabularySize,
      ...writeEncoderFields(config, 'halved'),
    };
  },
  ignoredKeys(json) {
    const encoder = isObject(json.encoder) ? json.encoder : {};
    const sections = [
      [encoder.text_config, 'encoder.text_config.'],
      [json.decoder, 'decoder.'],
    ] as const;
    return [
      ...unusualKeys(json, { ...T5GEMMA2_KEYS, image_token_index: inert(undefined) }),
      ...Object.keys(encoder)
        .filter((key) => !(VISION_KEYS.encoder as readonly string[]).includes(key))
        .flatMap((key) => unusualKeys({ [key]: 0 }, T5GEMMA2_ENCODER_KEYS, 'encoder.')),
      ...sections.flatMap(([section, prefix]) =>
        isObject(section) ? unusualKeys(section, T5GEMMA2_SECTION_KEYS, prefix) : [],
      ),
    ];
  },
};
