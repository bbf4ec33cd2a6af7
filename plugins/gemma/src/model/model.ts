/** Shapes as in layers.ts: B batch, T target length, S source length, D hidden width, V vocabulary. */
import {
  AUTO_POLICY,
  DataError,
  GraftError,
  type BatchTensors,
  type CheckpointStorage,
  type Decoding,
  type DropoutRates,
  type ForwardOptions,
  type GenerationDefaults,
  type Model,
  type ModelOutputs,
  type OutputHead,
  type Parameters,
  type ParameterSpec,
  type Representation,
  type SpecialTokens,
} from '@graft/core';
import type { CheckpointReader } from '@graft/checkpoint';
import { tf } from '@graft/engine';
import { familyOf } from '../families';
import { toCheckpointConfig, tokensOf } from './config';
import type { AnyGemmaConfig, EncoderDecoderConfig, GemmaConfig } from './config-types';
import { dropoutOf, splitDropout, type Dropout } from './dropout';
import { NO_DROPOUT } from './dropout-rates';
import { flopsPerStep, type BatchShape } from '../cost/flops';
import { stepMemory, type StepMemory, type StepMemoryOptions } from '../cost/memory';
import { gemmaDecoding } from '../generate/decoding';
import { generationDefaults } from '../generate/generation-defaults';
import { publishedNames } from '../load/declared-tensors';
import { gemmaStorage } from '../load/storage';
import { embedTokens, type EmbeddingSource } from './embedding';
import { linear, softCappedLogits } from './layers';
import { attendingTo, selfAttending } from './attention';
import { crossRule, mergedRules, sideRules } from './attention-mask';
import { crossMask, decoderSpans, encoderSpans, mergedMasks, sideMasks, type RowMasks } from './masks';
import { encoderTableOf, outputName, type SideNames } from './names';
import { parameterSpecs } from './parameters';
import { runLayers, wholeSequenceAttention, type CrossInputs, type SelfAttending } from './stack';

/**
 * A model of one of the families, decoder-only or an encoder-decoder. Pure functions of its parameters; it owns no
 * tensors.
 */
export class GemmaModel implements Model {
  readonly kind: Model['kind'];
  readonly readsSegments = true;
  readonly readsPairs = true;
  readonly vocabularySize: number;
  readonly logitBound?: number;
  readonly specialTokens: SpecialTokens;
  readonly parameters: readonly ParameterSpec[];
  /** Names of the decoder's layers; a decoder-only model is a decoder without cross-attention. */
  readonly decoderNames: SideNames;
  /** Names of the encoder's layers. */
  readonly encoderNames: SideNames;
  /** The table that embeds the decoder's tokens. */
  readonly inputTable: string;
  /** The same, and the one that embeds the encoder's, with the embeddings of special tokens. */
  readonly decoderEmbedding: EmbeddingSource;
  readonly encoderEmbedding: EmbeddingSource;
  /** The table that, transposed, gives the logits: the same one, unless the checkpoint's output is untied. */
  readonly outputTable: string;

  readonly endTokens: readonly number[];
  /** The checkpoint's settings for generation; a caller's missing settings in `Generator` come from here. */
  readonly generation: GenerationDefaults;

  /**
   * `generationConfig`: the checkpoint's generation_config.json, kept for the checkpoints of this model; `where` names
   * it in errors. Throws CheckpointError if it is malformed.
   */
  constructor(
    readonly config: GemmaConfig,
    readonly generationConfig?: Record<string, unknown>,
    where?: string,
  ) {
    this.generation = generationDefaults(config, generationConfig, where);
    this.endTokens = this.generation.eos;
    this.kind = config.kind;
    this.vocabularySize = config.decoder.vocabularySize;
    this.logitBound = config.decoder.finalLogitSoftCap ?? undefined;
    const { specialTokens: policy = AUTO_POLICY } = config;
    this.specialTokens = { ...tokensOf(config.decoder), policy };
    this.parameters = parameterSpecs(config);
    const { names } = familyOf(config);
    this.decoderNames = names.decoder;
    this.encoderNames = names.encoder;
    this.inputTable = names.decoderTable;
    const { endOfImageToken = undefined } = config.kind === 'encoder-decoder' ? config : {};
    const extra = endOfImageToken === undefined ? {} : { extra: { token: endOfImageToken, name: names.endOfImage! } };
    this.decoderEmbedding = { table: this.inputTable, ...extra };
    const tied = config.kind === 'encoder-decoder' && config.tieEncoderEmbedding;
    this.encoderEmbedding = { table: encoderTableOf(names, tied), ...extra };
    this.outputTable = config.untiedOutput ? outputName(config.kind) : this.inputTable;
  }

  get checkpointConfig(): Record<string, unknown> {
    return toCheckpointConfig(this.config);
  }

  flopsPerStep(shapes: { batch: number; sourceLength: number; targetLength: number }): number {
    return flopsPerStep(this.config, shapes);
  }

  get dropout(): Partial<DropoutRates> {
    const { dropout = NO_DROPOUT } = this.config;
    return this.config.kind === 'decoder-only' ? { attentionDropout: dropout.attentionDropout } : dropout;
  }

  stepMemory(shapes: BatchShape, options: StepMemoryOptions = {}): StepMemory {
    return stepMemory(this.config, shapes, options);
  }

  forward(parameters: Parameters, fields: BatchTensors, options: ForwardOptions = {}): ModelOutputs {
    const { rows, ids, encoderStates } = this.finalRows(parameters, fields, options);
    const [batch, length] = ids.shape as [number, number];
    const logits = tf.reshape(this.logits(parameters, rows), [batch, length, this.vocabularySize]) as tf.Tensor3D;
    return encoderStates ? { logits, encoderStates } : { logits };
  }

  /**
   * The decoder's states [B, T, D] after the final norm, before they become logits. Fields as in `forward`. Traceable.
   */
  decoderStates(parameters: Parameters, fields: BatchTensors, options: ForwardOptions = {}): tf.Tensor3D {
    const { rows, ids } = this.finalRows(parameters, fields, options);
    return statesOf(rows, ids, this.config.decoder.hidden);
  }

  /** The decoder's final rows [B*T, D], their ids [B, T], and the encoder's states. */
  private finalRows(
    parameters: Parameters,
    fields: BatchTensors,
    options: ForwardOptions,
  ): { rows: tf.Tensor; ids: tf.Tensor; encoderStates?: tf.Tensor3D } {
    if (this.config.kind === 'decoder-only') {
      const ids = idsOf(fields, 'input_ids');
      const embedded = embedTokens(parameters, this.config.decoder, this.decoderEmbedding, flat(ids));
      const [, dropout] = this.dropoutOfSides(ids, options);
      return { rows: this.decodeRows(parameters, embedded, ids.shape, sourceMasks(fields), { dropout }), ids };
    }
    const { encoder, tieEncoderEmbedding } = this.config;
    const [sourceIds, targetIds] = [idsOf(fields, 'input_ids'), idsOf(fields, 'decoder_input_ids')];
    const [ofEncoder, ofDecoder] = this.dropoutOfSides(sourceIds, options);
    let source: tf.Tensor;
    let target: tf.Tensor;
    if (tieEncoderEmbedding) {
      // One embedding lookup for both sides: its gradient is one pass over the table instead of two.
      const ids = tf.concat([flat(sourceIds), flat(targetIds)]);
      const both = embedTokens(parameters, encoder, this.encoderEmbedding, ids);
      [source, target] = tf.split(both, [sourceIds.size, targetIds.size], 0);
    } else {
      source = embedTokens(parameters, encoder, this.encoderEmbedding, flat(sourceIds));
      target = embedTokens(parameters, this.config.decoder, this.decoderEmbedding, flat(targetIds));
    }
    const states = this.encodeRows(parameters, this.config, source, sourceIds.shape, sourceMasks(fields), ofEncoder); // [B*S, E]
    const targetMasks = { attention: fields.decoder_attention_mask, segments: fields.decoder_segment_ids };
    const cross = { states, masks: sourceMasks(fields), length: sourceIds.shape[1]! };
    return {
      rows: this.decodeRows(parameters, target, targetIds.shape, targetMasks, { cross, dropout: ofDecoder }),
      ids: targetIds,
      encoderStates: statesOf(states, sourceIds, encoder.hidden),
    };
  }

  /** Encoder states [B, S, E] after the final norm, from `input_ids` and `attention_mask`. Traceable. */
  encode(parameters: Parameters, fields: BatchTensors, options: ForwardOptions = {}): tf.Tensor3D {
    if (this.config.kind !== 'encoder-decoder')
      throw new DataError('A decoder-only model has no encoder.', { code: 'gemma.no-encoder' });
    const { encoder } = this.config;
    const ids = idsOf(fields, 'input_ids');
    const embedded = embedTokens(parameters, encoder, this.encoderEmbedding, flat(ids));
    const [dropout] = this.dropoutOfSides(ids, options);
    const states = this.encodeRows(parameters, this.config, embedded, ids.shape, sourceMasks(fields), dropout);
    return statesOf(states, ids, encoder.hidden);
  }

  /** The output layer by itself, for losses that do not store all logits at once. */
  get head(): OutputHead {
    return {
      parameters: [this.outputTable],
      rows: (parameters, fields, options = {}) => this.finalRows(parameters, fields, options).rows as tf.Tensor2D,
      logits: (parameters, rows) => this.logits(parameters, rows),
    };
  }

  /** The states that a task head reads: the encoder's, or those of a decoder-only model. */
  get representation(): Representation {
    const { config } = this;
    if (config.kind === 'decoder-only') {
      return {
        width: config.decoder.hidden,
        initializerRange: config.initializerRange,
        parameters: this.parameters.map(({ name }) => name),
        states: (parameters, fields, options) => this.decoderStates(parameters, fields, options),
      };
    }
    const { table, extra } = this.encoderEmbedding;
    const depends = ({ name, part }: ParameterSpec): boolean =>
      part === 'encoder' || name === table || name === extra?.name;
    return {
      width: config.encoder.hidden,
      initializerRange: config.initializerRange,
      parameters: this.parameters.filter(depends).map(({ name }) => name),
      states: (parameters, fields, options) => this.encode(parameters, fields, options),
    };
  }

  readonly decoding: Decoding = gemmaDecoding(this);

  publishedNames(parameter: string): readonly string[] {
    return publishedNames(parameter, this.config);
  }

  storage(checkpoint: CheckpointReader): Promise<CheckpointStorage> {
    const { config } = this;
    return gemmaStorage(checkpoint, config);
  }

  /** Final decoder states [N, D] to logits [N, V], soft-capped. */
  logits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D {
    return softCappedLogits(states, parameters[this.outputTable], this.config.decoder.finalLogitSoftCap) as tf.Tensor2D;
  }

  /** Like `logits`, without the soft cap, which changes neither their order nor their signs. */
  uncappedLogits(parameters: Parameters, states: tf.Tensor): tf.Tensor2D {
    return linear(states, parameters[this.outputTable]) as tf.Tensor2D;
  }

  /** The dropout of encoder and decoder for a batch with those ids [B, ..]. */
  private dropoutOfSides(ids: tf.Tensor, options: ForwardOptions): (Dropout | undefined)[] {
    const { dropout, attentionDropout } = this.dropout;
    const own = { ...(dropout !== undefined && { dropout }), attentionDropout };
    return splitDropout(dropoutOf(own, options, ids.shape[0]!), 2);
  }

  private encodeRows(
    parameters: Parameters,
    { encoder, encoderWindow, encoderAttention }: EncoderDecoderConfig,
    embedded: tf.Tensor,
    [batch, length]: readonly number[],
    rowMasks: RowMasks,
    dropout?: Dropout,
  ): tf.Tensor {
    const spans = encoderSpans(length, encoder.slidingWindow, encoderWindow, encoderAttention);
    const attending = selfAttending(
      encoder,
      { batch, queries: length, keys: length },
      { wanted: this.config.attention, dropout },
      { additive: () => sideMasks(spans, length, rowMasks), rule: () => sideRules(spans, rowMasks) },
    );
    return runLayers(
      parameters,
      encoder,
      this.encoderNames,
      embedded,
      wholeSequenceAttention(encoder, batch, length, attending),
      { rematerialize: this.config.rematerialize, dropout },
    );
  }

  private decodeRows(
    parameters: Parameters,
    embedded: tf.Tensor,
    [batch, length]: readonly number[],
    rowMasks: RowMasks,
    { cross: source, dropout }: { readonly cross?: Source; readonly dropout?: Dropout },
  ): tf.Tensor {
    const { decoder, rematerialize } = this.config;
    const { cross, attending } = this.decoderAttention([batch, length], rowMasks, source, dropout);
    const attention = wholeSequenceAttention(decoder, batch, length, attending, cross);
    return runLayers(parameters, decoder, this.decoderNames, embedded, attention, { rematerialize, dropout });
  }

  /** How the decoder's layers attend to its own tokens and to a source. */
  private decoderAttention(
    [batch, length]: readonly [number, number],
    rowMasks: RowMasks,
    source: Source | undefined,
    dropout: Dropout | undefined,
  ): { readonly cross?: CrossInputs; readonly attending: SelfAttending } {
    const { decoder, attention: wanted } = this.config;
    const spans = decoderSpans(length, decoder.slidingWindow);
    const own = {
      additive: () => sideMasks(spans, length, rowMasks),
      rule: () => sideRules(spans, rowMasks),
    };
    const self = { batch, queries: length, keys: length };
    if (!source) return { attending: selfAttending(decoder, self, { wanted, dropout }, own) };
    const { states, masks, length: keys } = source;
    const ofSource = {
      additive: () => crossMask(masks, rowMasks),
      rule: () => crossRule(masks, rowMasks),
    };
    if (decoder.block.crossAttention === 'merged') {
      const choice = { wanted, dropout, merged: true };
      const attending = selfAttending(decoder, { ...self, keys: length + keys }, choice, {
        additive: () => mergedMasks(own.additive(), length, { mask: ofSource.additive(), length: keys }),
        rule: () => mergedRules(own.rule(), ofSource.rule(), keys),
      });
      return { attending, cross: { states } };
    }
    const attending = attendingTo(decoder, { ...self, keys }, { wanted, dropout }, ofSource);
    return { cross: { states, attending }, attending: selfAttending(decoder, self, { wanted, dropout }, own) };
  }
}

/** What a decoder attends to besides its own tokens. */
interface Source {
  /** Rows [B*S, E]. */
  readonly states: tf.Tensor;
  readonly masks: RowMasks;
  /** S */
  readonly length: number;
}

/** For the encoder's side, or a decoder-only model. */
const sourceMasks = (fields: BatchTensors): RowMasks => ({
  attention: fields.attention_mask,
  segments: fields.segment_ids,
});

const flat = (ids: tf.Tensor): tf.Tensor1D => tf.reshape(ids, [-1]) as tf.Tensor1D;

/** Rows [N, D] as [B, T, D], for ids [B, T]. */
const statesOf = (rows: tf.Tensor, { shape: [batch, length] }: tf.Tensor, hidden: number): tf.Tensor3D =>
  tf.reshape(rows, [batch, length!, hidden]);

function idsOf(fields: BatchTensors, name: string): tf.Tensor {
  const tensor = fields[name];
  if (!tensor) {
    throw new DataError(
      `The model needs the batch field "${name}"; it was given ${Object.keys(fields).join(', ') || 'none'}.`,
      {
        code: 'gemma.field',
      },
    );
  }
  return tensor;
}

/** The model as a Gemma, for code that works only on Gemmas. `who` begins the error's sentence. */
export function asGemma(model: Model, who: string, kind?: Model['kind']): GemmaModel {
  // By shape, not by class: a plugin may come from another copy of this package.
  const config = (model as Partial<GemmaModel>).config as AnyGemmaConfig | undefined;
  if (config?.kind === 'encoder-only' && kind === undefined) {
    throw new GraftError(`${who} works on models that make words, but this one is an encoder alone.`, {
      code: 'gemma.encoder-only',
      exitCode: 2,
    });
  }
  const side = config?.kind === 'encoder-only' ? config.encoder : config?.decoder;
  if (typeof side?.queryPreAttentionScalar !== 'number') {
    throw new GraftError(`${who} works on the model family "gemma" alone.`, {
      code: 'gemma.other-family',
      exitCode: 2,
    });
  }
  if (kind !== undefined && model.kind !== kind) {
    throw new GraftError(`${who} makes ${kind} models, but the config asks for one that is ${model.kind}.`, {
      code: 'gemma.kind',
      exitCode: 2,
    });
  }
  return model as GemmaModel;
}
