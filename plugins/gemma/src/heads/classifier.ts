/**
 * The published families' classifiers: a linear head over the states of the encoder, or of the decoder. A pair's decoder
 * reads the source once more, shifted right after the start token, and its head has a bias; a decoder-only model reads a
 * text as it is, and its head has none. Shapes: B texts, T tokens, D width of a state, C classes.
 */
import {
  freshHead,
  CheckpointError,
  DataError,
  maskedCrossEntropy,
  tokensOfSide,
  type BatchTensors,
  type CheckpointStorage,
  type Classifier,
  type ForwardOptions,
  type ModelKind,
  type Parameters,
  type ParameterSpec,
  type RandomStream,
  type SpecialTokens,
} from '@graft/core';
import { random, tf } from '@graft/engine';
import type { CheckpointReader } from '@graft/checkpoint';
import { familyOf, familyOfType } from '../families';
import type { ClassifierFormat } from '../families/family';
import { t5gemma } from '../families/t5gemma';
import type { AnyGemmaConfig, GemmaConfig } from '../model/config-types';
import { drop, dropoutOf, splitDropout } from '../model/dropout';
import { linear } from '../model/layers';
import { GemmaModel } from '../model/model';

/** `sequence`: a class for each text; `token`: one for each token. */
export type ClassifierTask = 'sequence' | 'token';

/** The architecture of a classifier, from its checkpoint's config. */
export interface ClassifierConfig {
  readonly model: GemmaConfig;
  readonly task: ClassifierTask;
  /** The side whose states the head reads: with `encoder`, the checkpoint has no decoder; a decoder-only model's are the decoder's. */
  readonly reads: 'encoder' | 'decoder';
  /** Names of the classes, in the order of the logits. */
  readonly labels: readonly string[];
}

/** A classifier as pure functions of its parameters; it owns no tensors. */
export class GemmaClassifier implements Classifier {
  readonly model: GemmaModel;
  /** Every parameter, the head's last. */
  readonly parameters: readonly ParameterSpec[];

  constructor(readonly config: ClassifierConfig) {
    this.model = new GemmaModel(config.model);
    const { representation, outputTable, inputTable } = this.model;
    const needed = new Set(representation.parameters);
    const { decoder } = config.model;
    const encoder = config.model.kind === 'encoder-decoder' ? config.model.encoder : decoder;
    if (config.reads === 'decoder' && encoder.vocabularySize !== decoder.vocabularySize) {
      throw new CheckpointError(
        `A classifier on the decoder shows one text to both sides, but the encoder's vocabulary has ${encoder.vocabularySize} tokens, the decoder's ${decoder.vocabularySize}.`,
        {
          code: 'gemma.classifier-vocabulary',
          exitCode: 2,
          hint: 'Classify by the encoder (is_encoder_decoder: false).',
        },
      );
    }
    const width = config.reads === 'encoder' ? encoder.hidden : decoder.hidden;
    const classes = config.labels.length;
    const { head } = this.format;
    // In a family whose models are one stack, an idle decoder's parameters have the names of the encoder's.
    const named = new Map<string, ParameterSpec>();
    for (const spec of this.model.parameters) if (!named.has(spec.name)) named.set(spec.name, spec);
    this.parameters = [
      ...[...named.values()].filter(({ name }) =>
        // A classifier generates no text: an untied output does not belong to it.
        config.reads === 'encoder' ? needed.has(name) : outputTable === inputTable || name !== outputTable,
      ),
      { name: head.weight, shape: [classes, width], part: 'head', initial: 'normal' },
      ...(head.bias === undefined
        ? []
        : [{ name: head.bias, shape: [classes], part: 'head', initial: 'zeros' } as const]),
    ];
  }

  /** A classifier on the encoder is an encoder alone. */
  get kind(): ModelKind {
    return this.config.reads === 'encoder' ? 'encoder-only' : this.model.kind;
  }

  /** Of the ids that it reads. */
  get vocabularySize(): number {
    return tokensOfSide(this.model, 'encoder').vocabularySize;
  }

  get task(): ClassifierTask {
    return this.config.task;
  }

  get labels(): readonly string[] {
    return this.config.labels;
  }

  get specialTokens(): SpecialTokens {
    const { policy } = this.model.specialTokens;
    return { ...tokensOfSide(this.model, 'encoder').specialTokens, policy };
  }

  storage(checkpoint: CheckpointReader): Promise<CheckpointStorage> {
    return this.model.storage(checkpoint);
  }

  private get format(): ClassifierFormat {
    return formatOf(this.config.model);
  }

  /** A fresh head, with the model's initializer range. The caller owns the tensors. */
  freshHead(stream: RandomStream): Parameters {
    const { labels, model } = this.config;
    const { head } = this.format;
    const { shape } = this.parameters.find(({ name }) => name === head.weight)!;
    const { initializerRange } = model;
    if (head.bias !== undefined)
      return freshHead({ classes: labels.length, width: shape[1], initializerRange }, stream);
    // Published heads without a bias start like any other matrix.
    return { [head.weight]: random.normal(random.key(stream.key()), [...shape], 0, initializerRange) };
  }

  /**
   * Logits [B, C], or [B, T, C] of a token classifier, for `input_ids` and `attention_mask` (default: all ones), int32
   * [B, T]. The token of a text that counts is found from the ids, not the mask (quirk 10). Training drops numbers of
   * all states that the head might read, in addition to the model's dropout. Traceable. Throws DataError for several
   * texts if the model has no pad token.
   */
  logits(parameters: Parameters, fields: BatchTensors, options: ForwardOptions = {}): tf.Tensor {
    const { input_ids: ids } = fields;
    const [batch, length] = ids.shape as [number, number];
    const [ofModel, ofHead] = splitDropout(dropoutOf(this.model.dropout, options, batch), 2);
    const all = this.states(parameters, fields, { ...options, randomKey: ofModel?.key });
    const states = drop(all, ofHead, 'classifierDropout');
    const width = all.shape[2];
    const { weight, bias } = this.format.head;
    const scored = (rows: tf.Tensor): tf.Tensor =>
      linear(rows, parameters[weight], bias === undefined ? undefined : parameters[bias]);
    const rows = tf.reshape(states, [batch * length, width]);
    if (this.config.task === 'token') return tf.reshape(scored(rows), [batch, length, this.config.labels.length]);
    const first = tf.mul(tf.range(0, batch, 1, 'int32'), length);
    return scored(tf.gather(rows, tf.add(first, this.pooledPositions(ids)).toInt() as tf.Tensor1D)); // [B, C]
  }

  /**
   * Mean cross-entropy in nats of labels int32 [B], or [B, T] of a token classifier; -100 is ignored. Traceable; the
   * caller ensures that at least one label counts.
   */
  loss(logits: tf.Tensor, labels: tf.Tensor): tf.Scalar {
    return maskedCrossEntropy(logits, labels).loss;
  }

  /** [B, T, D] */
  private states(parameters: Parameters, fields: BatchTensors, options: ForwardOptions): tf.Tensor3D {
    if (this.config.reads === 'encoder') return this.model.encode(parameters, fields, options);
    const { secondReading } = this.format;
    if (this.model.kind === 'decoder-only' || !secondReading)
      return this.model.decoderStates(parameters, fields, options);
    const { pad, start } = this.model.specialTokens;
    const { input_ids: ids } = fields;
    const [batch, length] = ids.shape as [number, number];
    const begin = tf.fill([batch, 1], start, 'int32');
    const shifted = length > 1 ? tf.concat([begin, tf.slice(ids, [0, 0], [batch, length - 1])], 1) : begin;
    const mask: BatchTensors = secondReading.masksPadding
      ? { decoder_attention_mask: tf.notEqual(shifted, pad).toInt() }
      : {};
    const both = { ...fields, decoder_input_ids: shifted, ...mask };
    return this.model.decoderStates(parameters, both, options);
  }

  /**
   * [B], integers: the rightmost id that is not pad; one further if the decoder reads it shifted, but not past the end.
   * T5Gemma 2 looks for it in what the decoder reads: the same place, unless padding is within the text. Without a pad
   * token a text ends where its row does.
   */
  private pooledPositions(ids: tf.Tensor): tf.Tensor {
    const [batch, length] = ids.shape as [number, number];
    if (this.config.model.decoder.padTokenId === null) {
      if (batch === 1) return tf.fill([1], length - 1, 'int32');
      throw new DataError(
        `This classifier has no pad token, so the end of a text cannot be found in a batch of ${batch} texts.`,
        {
          code: 'gemma.classifier-pad',
          exitCode: 2,
          hint: 'Classify one text at a time (--batch-size 1), or set "pad_token_id" in its config.json.',
        },
      );
    }
    const shifts = this.kind === 'encoder-decoder';
    const cut = shifts && this.format.secondReading?.pools === 'decoder-input';
    // What the decoder reads ends one token earlier.
    const seen = cut && length > 1 ? tf.slice(ids, [0, 0], [-1, length - 1]) : ids;
    const { pad } = this.specialTokens;
    const count = seen.shape[1]!;
    const marked = tf.mul(tf.notEqual(seen, pad).toInt(), tf.range(cut ? 1 : 0, count + (cut ? 1 : 0), 1, 'int32'));
    const last = tf.max(marked, 1);
    if (cut) return length > 1 ? last : tf.zerosLike(last);
    return shifts ? tf.minimum(tf.add(last, 1), length - 1) : last;
  }
}

/** Families without classifiers of their own: as the first that had them. */
const T5GEMMA_FORMAT: ClassifierFormat = t5gemma.classifier!;

/** The format of a model's classifiers. */
export const formatOf = (model: Pick<AnyGemmaConfig, 'family'>): ClassifierFormat =>
  familyOf(model).classifier ?? T5GEMMA_FORMAT;

/** The same, for a `model_type` of config.json. */
export const formatOfType = (type: unknown): ClassifierFormat => familyOfType(type)?.classifier ?? T5GEMMA_FORMAT;
