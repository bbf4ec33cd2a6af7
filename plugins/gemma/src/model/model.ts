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
  type GenerationCosts,
  type GenerationDefaults,
  type GenerationShape,
  type Model,
  type ModelOutputs,
  type ModelTransition,
  type OutputHead,
  type Parameters,
  type ParameterSpec,
  type Representation,
  type SideTokens,
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
import { generationCosts } from '../cost/generation';
import { stepMemory, type StepMemory, type StepMemoryOptions } from '../cost/memory';
import { gemmaDecoding } from '../generate/decoding';
import { generationDefaults } from '../generate/generation-defaults';
import { publishedNames } from '../load/declared-tensors';
import { gemmaStorage } from '../load/storage';
import { embedTokens, type EmbeddingSource } from './embedding';
import { linear, softCappedLogits } from './layers';
import type { RowMasks } from './masks';
import { encoderTableOf, outputName, type SideNames } from './names';
import { parameterSpecs } from './parameters';
import { formAfter, progressOf } from './preserving-form';
import {
  behindPadding,
  layersFrom,
  placedBefore,
  type EncodedLayers,
  type PreservedSource,
  type Progress,
} from './preserving';
import { sourcesOfTargets } from './several-targets';
import { decoderAttending, encoderAttending, type Source } from './side-attention';
import { runLayers, wholeSequenceAttention, type LayerSettings } from './stack';

/**
 * A model of one of the families, decoder-only or an encoder-decoder. Pure functions of its parameters; it owns no
 * tensors.
 */
export class GemmaModel implements Model {
  readonly kind: Model['kind'];
  readonly readsSegments = true;
  readonly readsSeveralTargets = true;
  readonly readsPairs = true;
  readonly vocabularySize: number;
  readonly logitBound?: number;
  readonly specialTokens: SpecialTokens;
  readonly encoderTokens?: SideTokens;
  readonly maxPositions: NonNullable<Model['maxPositions']>;
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

  /** How far a pair is on the way from the function-preserving form to its own; undefined: it is in its own. */
  readonly progress?: Progress;
  readonly endTokens: readonly number[];
  /** The checkpoint's settings for generation; a caller's missing settings in `Generator` come from here. */
  readonly generation: GenerationDefaults;

  /**
   * `generationConfig`: the checkpoint's generation_config.json, kept for the checkpoints of this model; `where` names
   * it in errors. `progress`: as a compiled step is given it; default: what the config says. Throws CheckpointError if the
   * file is malformed.
   */
  constructor(
    readonly config: GemmaConfig,
    readonly generationConfig?: Record<string, unknown>,
    where?: string,
    progress?: Progress,
  ) {
    this.progress = progress ?? (config.kind === 'encoder-decoder' ? progressOf(config) : undefined);
    this.generation = generationDefaults(config, generationConfig, where);
    this.endTokens = this.generation.eos;
    this.kind = config.kind;
    this.vocabularySize = config.decoder.vocabularySize;
    this.maxPositions = {
      ...(config.kind === 'encoder-decoder' ? { encoder: config.encoder.maxPositions } : {}),
      decoder: config.decoder.maxPositions,
    };
    this.logitBound = config.decoder.finalLogitSoftCap ?? undefined;
    const { specialTokens: policy = AUTO_POLICY } = config;
    this.specialTokens = { ...tokensOf(config.decoder), policy };
    if (config.kind === 'encoder-decoder' && !config.tieEncoderEmbedding)
      this.encoderTokens = {
        vocabularySize: config.encoder.vocabularySize,
        specialTokens: tokensOf(config.encoder),
      };
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

  /** Of a pair that training turns from the function-preserving form into its own. */
  get transition(): ModelTransition | undefined {
    const { config, generationConfig, generation } = this;
    const { functionPreserving: form, ...own } = config as EncoderDecoderConfig;
    if (form?.steps === undefined) return undefined;
    const { done, steps } = form;
    return {
      steps: steps - done,
      at: (more) => {
        if (typeof more !== 'number') {
          const progress = tf.div(tf.add(more, done), steps) as tf.Scalar;
          return new GemmaModel(config, generationConfig, generation.from, progress);
        }
        const after = formAfter(form, more);
        return new GemmaModel(
          { ...own, ...(after && { functionPreserving: after }) },
          generationConfig,
          generation.from,
        );
      },
    };
  }

  flopsPerStep(shapes: BatchShape): number {
    return flopsPerStep(this.config, shapes);
  }

  generationCosts(shape: GenerationShape, options: { parameterBytes: number }): GenerationCosts {
    return generationCosts(this.config, shape, options);
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
    const forTargets = sourcesOfTargets(sourceIds, targetIds, options.sourceRows);
    const [ofEncoder, ofSources] = this.dropoutOfSides(sourceIds, options);
    const ofDecoder = forTargets.dropout(ofSources);
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
    const inputs: tf.Tensor[] = [];
    const onLayer = (rows: tf.Tensor): unknown => inputs.push(rows);
    const masks = sourceMasks(fields);
    const settings = { dropout: ofEncoder, ...(this.progress !== undefined && { onLayer }) };
    const states = this.encodeRows(parameters, this.config, source, sourceIds.shape, masks, settings); // [B*S, E]
    const targetMasks = { attention: fields.decoder_attention_mask, segments: fields.decoder_segment_ids };
    // From here on, each target has a source of its own.
    const read = forTargets.fields(fields);
    const cross = {
      states: forTargets.rows(states),
      masks: sourceMasks(read),
      length: sourceIds.shape[1]!,
      ...this.preserved(parameters, inputs.map(forTargets.rows), read.input_ids, read),
    };
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
    const states = this.encodeRows(parameters, this.config, embedded, ids.shape, sourceMasks(fields), { dropout });
    return statesOf(states, ids, encoder.hidden);
  }

  /** The same, and in the function-preserving forms what the decoder reads of the encoder's layers. Traceable. */
  encodeLayers(parameters: Parameters, fields: BatchTensors): EncodedLayers {
    if (this.progress === undefined || this.config.kind !== 'encoder-decoder')
      return { states: this.encode(parameters, fields) };
    const { encoder } = this.config;
    const ids = idsOf(fields, 'input_ids');
    const inputs: tf.Tensor[] = [];
    const embedded = embedTokens(parameters, encoder, this.encoderEmbedding, flat(ids));
    const onLayer = (rows: tf.Tensor): unknown => inputs.push(rows);
    const states = this.encodeRows(parameters, this.config, embedded, ids.shape, sourceMasks(fields), { onLayer });
    const { layers, distances } = layersFrom(parameters, [encoder, this.encoderNames], inputs, ids, fields);
    return { states: statesOf(states, ids, encoder.hidden), layers, distances };
  }

  /** What the decoder reads of the encoder's layers; nothing for a pair in its own form. */
  private preserved(
    parameters: Parameters,
    inputs: readonly tf.Tensor[],
    ids: tf.Tensor,
    fields: BatchTensors,
  ): { readonly preserved?: PreservedSource } {
    const { progress, config } = this;
    if (progress === undefined) return {};
    const { encoder } = config as EncoderDecoderConfig;
    const side = [encoder, this.encoderNames] as const;
    const { layers, distances: all } = layersFrom(parameters, side, inputs, ids, fields);
    const distances = behindPadding(all, fields.decoder_attention_mask);
    const targets = fields.decoder_input_ids.shape[1]!;
    return { preserved: { ofLayers: placedBefore(encoder, layers, distances, targets), distances, progress } };
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
    config: EncoderDecoderConfig,
    embedded: tf.Tensor,
    [batch, length]: readonly number[],
    rowMasks: RowMasks,
    { dropout, onLayer }: Pick<LayerSettings, 'dropout' | 'onLayer'>,
  ): tf.Tensor {
    const { encoder } = config;
    const attending = encoderAttending(config, this.progress, [batch, length], rowMasks, dropout);
    return runLayers(
      parameters,
      encoder,
      this.encoderNames,
      embedded,
      wholeSequenceAttention(encoder, batch, length, attending),
      { rematerialize: this.config.rematerialize, dropout, onLayer },
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
    const { cross, attending } = decoderAttending(this.config, [batch, length], rowMasks, source, dropout);
    const attention = wholeSequenceAttention(decoder, batch, length, attending, cross);
    return runLayers(parameters, decoder, this.decoderNames, embedded, attention, { rematerialize, dropout });
  }
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
