import { random, tf, type Engine, type Jitted } from '@graft/engine';
import { uploadBatch } from '../../data/loader';
import type {
  BatchTensors,
  Decoding,
  DecodingCache,
  DecodingState,
  HostFields,
  Model,
  Parameters,
} from '../../interfaces';
import { createRandom, STREAMS, type RandomStream } from '../../random/streams';
import { BeamSearch, type BeamSearchOptions, type ScoredSequences } from './beam-search';
import { CacheBuffer, checkCacheMemory } from './cache-buffer';
import { decodingOf, startDecoding } from './decoding-of';
import { generationOf } from './generation-defaults';
import { newTokensLimit, promptAndSource, promptRows, repeatRows } from './prompts';
import { checkSampling, chooseTokens, completeSampling, draws, isGreedy, type Choice, type Sampling } from './sampling';

/** The prompts and settings of `generate`. */
export interface GenerateOptions {
  /**
   * int32 [B, S]. Encoder-decoder: `input_ids`, `attention_mask` (default: all ones), and optionally
   * `decoder_input_ids` with `decoder_attention_mask` as a prompt (default: the start token).
   * Decoder-only: `input_ids` and `attention_mask` are the prompt, padded on either side.
   */
  readonly fields: HostFields;
  /** Tokens after the prompt, at most. Default: the checkpoint's (`model.generation`), otherwise 20. */
  readonly maxNewTokens?: number;
  /**
   * A row ends with any of these. Default: the checkpoint's (`model.generation`). An empty list: rows never end early.
   */
  readonly eos?: number | readonly number[];
  /** How tokens are chosen. Default: always the most probable one, with the checkpoint's repetition penalty. */
  readonly sampling?: Sampling;
  /** Sequences for each row of the fields, one after the other in the result. Default 1. */
  readonly sequences?: number;
  /** Returns whether a row ends after these new tokens, for example because its stop string is complete. */
  readonly shouldStop?: (newTokens: readonly number[], row: number) => boolean;
  /** Called after every token. Rows that have ended get the pad token. */
  readonly onToken?: (event: TokenEvent) => void;
  /** Aborting it ends the generation with the tokens so far. */
  readonly signal?: AbortSignal;
}

/** One generated token of each row, as it is streamed. */
export interface TokenEvent {
  /** From 0. */
  readonly index: number;
  /** The new token of each row. */
  readonly tokens: Int32Array;
  /** Rows that had ended before this token. */
  readonly ended: readonly boolean[];
}

interface Started {
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
  readonly next: tf.Tensor1D;
}

interface Continued {
  readonly recent: DecodingState;
  readonly next: tf.Tensor1D;
}

/**
 * Generates with one model on one engine. Keeps its compiled functions, one pair per shape, for later calls; `dispose`
 * frees them.
 */
export class Generator {
  private readonly start: Jitted<[Parameters, BatchTensors, BatchTensors | undefined, number, Choice], Started>;
  private readonly step: Jitted<
    [Parameters, tf.Tensor1D, tf.Scalar, DecodingState, DecodingCache, number, Choice],
    Continued
  >;
  private readonly cacheBuffer: CacheBuffer;
  private readonly beams: BeamSearch;
  private readonly decoding: Decoding;

  /** Throws GraftError for a model that does not generate. */
  constructor(
    engine: Engine,
    private readonly model: Model,
  ) {
    const decoding = decodingOf(model);
    this.decoding = decoding;
    /** The tokens after final rows [B, D]. */
    const choose = (parameters: Parameters, states: tf.Tensor, choice: Choice): tf.Tensor1D =>
      // Greedy decoding saves a pass over the logits.
      chooseTokens(
        isGreedy(choice) && decoding.ranking
          ? decoding.ranking(parameters, states)
          : decoding.logits(parameters, states),
        choice,
      );
    this.cacheBuffer = new CacheBuffer(engine, decoding.folding);
    this.beams = new BeamSearch(engine, model);
    this.start = engine.jit(
      (
        parameters: Parameters,
        prompt: BatchTensors,
        source: BatchTensors | undefined,
        capacity: number,
        choice: Choice,
      ): Started => {
        const { states, fixed, cache } = startDecoding(decoding, parameters, prompt, source, capacity);
        return { fixed, cache, next: choose(parameters, states, choice) };
      },
      { name: 'startDecoding', largePages: true },
    );
    this.step = engine.jit(
      (
        parameters: Parameters,
        tokens: tf.Tensor1D,
        position: tf.Scalar,
        fixed: DecodingState,
        cache: DecodingCache,
        capacity: number,
        choice: Choice,
      ): Continued => {
        const continued = decoding.step(parameters, { tokens, position, fixed, cache, capacity });
        return { recent: continued.recent, next: choose(parameters, continued.states, choice) };
      },
      // The small matrix products of one token do not benefit from compilation: each call would cost more than it
      // saves.
      { name: 'decodeToken', shortCalls: true },
    );
  }

  /**
   * Returns one row for each example (and for each of its `sequences`), all as wide as the longest: the prompt (the
   * start token, or the given one, without its padding), the new tokens including eos, then the pad token.
   */
  async generate(parameters: Parameters, options: GenerateOptions): Promise<Int32Array[]> {
    const { pad } = generationOf(this.model);
    let rows: readonly (readonly number[])[] = [];
    for await (const event of this.decode(parameters, options)) {
      rows = event.rows;
      options.onToken?.(event);
    }
    const width = Math.max(...rows.map((row) => row.length));
    return rows.map((row) => Int32Array.from({ length: width }, (_, i) => row[i] ?? pad));
  }

  /** Yields the tokens as they are generated. Leaving the iteration early frees its memory. */
  async *stream(parameters: Parameters, options: GenerateOptions): AsyncGenerator<TokenEvent, undefined, undefined> {
    for await (const { index, tokens, ended } of this.decode(parameters, options)) yield { index, tokens, ended };
    return undefined;
  }

  /** Beam search; see BeamRow. Returns the best sequence of each example, with its score. */
  search(parameters: Parameters, options: BeamSearchOptions): Promise<ScoredSequences> {
    return this.beams.search(parameters, options);
  }

  private async *decode(
    parameters: Parameters,
    options: GenerateOptions,
  ): AsyncGenerator<TokenEvent & { readonly rows: readonly (readonly number[])[] }, undefined, undefined> {
    const { model, decoding } = this;
    const generation = generationOf(model);
    const { signal, shouldStop } = options;
    checkSampling(options.sampling ?? {});
    const sampling = completeSampling(options.sampling ?? {}, generation);
    const eos = new Set(options.eos === undefined ? generation.eos : [options.eos].flat());
    const { prompt, source } = promptAndSource(model, repeatRows(options.fields, options.sequences ?? 1));
    const { pad } = generation;
    const rows = promptRows(prompt);
    const promptLengths = rows.map((row) => row.length);
    const ended = rows.map(() => false);
    const length = prompt.ids.shape[1];
    const maxNewTokens = newTokensLimit(options.maxNewTokens, generation, length);
    const take = (next: Int32Array, index: number): TokenEvent & { rows: number[][] } => {
      const before = [...ended];
      const tokens = next.map((token, row) => (ended[row] ? pad : token));
      tokens.forEach((token, row) => {
        if (ended[row]) return;
        rows[row].push(token);
        ended[row] = eos.has(token) || (shouldStop?.(rows[row].slice(promptLengths[row]), row) ?? false);
      });
      return { index, tokens, ended: before, rows };
    };
    const chooser = new Chooser(sampling, model.vocabularySize);
    checkCacheMemory(decoding, rows.length, length + maxNewTokens - 1);
    const inputs = { prompt: uploadBatch({ ...prompt }), source: source && uploadBatch(source) };
    const capacity = length + maxNewTokens - 1;
    let fixed: DecodingState = {};
    let cache: DecodingCache = { long: {}, recent: {} };
    let next: tf.Tensor1D | undefined;
    let ahead: Promise<tf.Tensor1D> | undefined;
    /**
     * Processes the token with that index, after the prompt's `length` tokens; the next one may still be in progress.
     */
    const feed = async (index: number, tokens: tf.Tensor1D): Promise<tf.Tensor1D> => {
      const at = length + index;
      const position = tf.scalar(at, 'int32');
      const continued = await chooser.with(rows, index + 1, (choice) =>
        this.step.enqueue(parameters, tokens, position, fixed, cache, capacity, choice),
      );
      tf.dispose([position, cache.recent] as tf.TensorContainer);
      cache = { long: cache.long, recent: continued.recent };
      if (at + 1 < capacity) cache = await this.cacheBuffer.advance(cache, at);
      return continued.next;
    };
    try {
      const started = await chooser.with(rows, 0, (choice) =>
        this.start.async(parameters, inputs.prompt, inputs.source, capacity, choice),
      );
      ({ fixed, cache, next } = started);
      for (let index = 0; ; index++) {
        const last = index + 1 === maxNewTokens || signal?.aborted === true;
        // Enqueues the next token before this one has been read, so that the engine does not wait for the read. The
        // work is wasted only if this token is the last.
        if (!last && !chooser.readsRows) ahead = quietly(feed(index, next));
        const event = take((await next.data()) as Int32Array, index);
        if (!last && chooser.readsRows) ahead = quietly(feed(index, next));
        next.dispose();
        next = undefined;
        yield event;
        if (!ahead || !ended.includes(false) || signal?.aborted) break;
        next = await ahead;
        ahead = undefined;
      }
    } finally {
      const unread = await ahead?.catch(() => undefined);
      tf.dispose([inputs, fixed, cache, next, unread] as tf.TensorContainer);
    }
    return undefined;
  }

  dispose(): void {
    this.start.dispose();
    this.step.dispose();
    this.cacheBuffer.dispose();
    this.beams.dispose();
  }
}

/** Prepares the inputs, other than the logits, for choosing the next token. */
class Chooser {
  private readonly stream: RandomStream;

  constructor(
    private readonly sampling: Sampling,
    private readonly vocabularySize: number,
  ) {
    this.stream = createRandom(sampling.seed ?? 0).fork(STREAMS.sampling);
  }

  /** Whether the choice depends on the tokens in the rows. */
  get readsRows(): boolean {
    const { repetitionPenalty } = this.sampling;
    return repetitionPenalty !== undefined && repetitionPenalty !== 1;
  }

  private keyAt(index: number, firstRow: number | undefined): tf.Tensor {
    const key = this.stream.fork(index).key();
    return firstRow === undefined ? random.key(key) : tf.tidy(() => random.atRow(random.key(key), firstRow));
  }

  async with<T>(rows: readonly (readonly number[])[], index: number, use: (choice: Choice) => Promise<T>): Promise<T> {
    const { sampling, vocabularySize } = this;
    const { seed: _, firstRow, ...own } = sampling;
    const choice: Choice = {
      sampling: own,
      seen: this.readsRows ? seenTokens(rows, vocabularySize) : undefined,
      key: draws(own) ? this.keyAt(index, firstRow) : undefined,
    };
    try {
      return await use(choice);
    } finally {
      choice.seen?.dispose();
      choice.key?.dispose();
    }
  }
}

/** float32 [B, V], 1 for tokens in a row. */
function seenTokens(rows: readonly (readonly number[])[], vocabularySize: number): tf.Tensor2D {
  const seen = new Float32Array(rows.length * vocabularySize);
  rows.forEach((row, i) => row.forEach((token) => (seen[i * vocabularySize + token] = 1)));
  return tf.tensor2d(seen, [rows.length, vocabularySize]);
}

/** Greedy decoding with a key/value cache. See Generator, which serves repeated calls without compiling again. */
export async function generate(
  engine: Engine,
  model: Model,
  parameters: Parameters,
  options: GenerateOptions,
): Promise<Int32Array[]> {
  const generator = new Generator(engine, model);
  try {
    return await generator.generate(parameters, options);
  } finally {
    generator.dispose();
  }
}

/** The promise is awaited one round later: until then, its failure must not count as an unhandled rejection. */
function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
