/** Shapes: B examples, N = B * beams rows, V vocabulary. */
import { DataError, tf, type Engine, type Jitted } from '@graft/engine';
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
import { BeamRow, candidateCount, type Candidate } from './beam';
import { CacheBuffer, checkCacheMemory } from './cache-buffer';
import { decodingOf, startDecoding } from './decoding-of';
import { generationOf } from './generation-defaults';
import { newTokensLimit, promptAndSource, promptRows } from './prompts';

/** The prompts and settings of `Generator.search`. */
export interface BeamSearchOptions {
  /** See `GenerateOptions`. */
  readonly fields: HostFields;
  /** Tokens after the prompt, at most. Default: the checkpoint's (`model.generation`), otherwise 20. */
  readonly maxNewTokens?: number;
  /** A sequence ends with any of these. Default: the checkpoint's (`model.generation`). */
  readonly eos?: number | readonly number[];
  /** Aborting it ends the search with the sequences so far. */
  readonly signal?: AbortSignal;
  /** Number of beams, from 1 to the vocabulary's size. Default: the checkpoint's. */
  readonly beams?: number;
  /**
   * The score of a finished sequence is its log-probability divided by its length to this power. Default: the
   * checkpoint's, otherwise 1.
   */
  readonly lengthPenalty?: number;
}

/** What beam search returns, row by row. */
export interface ScoredSequences {
  /**
   * The prompt, the new tokens, then pad tokens (the first eos if pad is token 0, as in the published implementation).
   */
  readonly sequences: Int32Array[];
  /**
   * Log-probability of the new tokens, including the end, divided by their number to the power of the length penalty.
   */
  readonly scores: Float64Array;
}

/** The best continuations of each example, best first: [B, C], where C is `candidateCount`. */
interface Best {
  readonly sums: tf.Tensor2D;
  /** beam * V + token. */
  readonly indices: tf.Tensor2D;
}

interface Started extends Best {
  /** Already repeated: one row per beam. */
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
}

interface StepInputs {
  readonly parameters: Parameters;
  /** int32 [N]: the token that extends each beam. */
  readonly tokens: tf.Tensor1D;
  /** int32 [N]: the row that each beam continues. */
  readonly rows: tf.Tensor1D;
  /** float32 [N]: their log-probabilities. */
  readonly sums: tf.Tensor1D;
  readonly position: tf.Scalar;
  readonly fixed: DecodingState;
  readonly cache: DecodingCache;
}

/** The log-probability of an empty beam: none of its continuations is a candidate. */
const IMPOSSIBLE = -Infinity;

/** A cache whose rows follow the beams. */
const gatherCache = ({ long, recent }: DecodingCache, rows: tf.Tensor1D): DecodingCache => ({
  long: gatherRows(long, rows),
  recent: gatherRows(recent, rows),
});

const gatherRows = <T extends Readonly<Record<string, tf.Tensor>>>(tensors: T, rows: tf.Tensor1D): T =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tf.gather(tensor, rows)])) as unknown as T;

/** The `count` best continuations of beams whose log-probabilities so far are `sums` [B * perExample]. */
function bestOf(logits: tf.Tensor2D, sums: tf.Tensor1D | undefined, count: number, perExample: number): Best {
  const [rows, vocabulary] = logits.shape;
  const all = sums ? tf.add(tf.logSoftmax(logits), tf.expandDims(sums, 1)) : tf.logSoftmax(logits);
  const { values, indices } = tf.topk(tf.reshape(all, [rows / perExample, perExample * vocabulary]), count);
  return { sums: values as tf.Tensor2D, indices: indices.toInt() as tf.Tensor2D };
}

/** Beam search with a key/value cache whose rows follow the beams; compiled once per shape. */
export class BeamSearch {
  private readonly start: Jitted<[Parameters, BatchTensors, BatchTensors | undefined, number, number, number], Started>;
  private readonly step: Jitted<[StepInputs, number, number, number], Best & { readonly cache: DecodingCache }>;
  private readonly cacheBuffer: CacheBuffer;
  private readonly decoding: Decoding;

  /** Throws GraftError for a model that does not generate. */
  constructor(
    engine: Engine,
    private readonly model: Model,
  ) {
    const decoding = decodingOf(model);
    this.decoding = decoding;
    this.cacheBuffer = new CacheBuffer(engine, decoding.folding);
    this.start = engine.jit(
      (
        parameters: Parameters,
        prompt: BatchTensors,
        source: BatchTensors | undefined,
        capacity: number,
        beams: number,
        candidates: number,
      ): Started => {
        const { states, fixed, cache } = startDecoding(decoding, parameters, prompt, source, capacity);
        const batch = states.shape[0];
        const rows = tf.tensor1d(
          Int32Array.from({ length: batch * beams }, (_, row) => Math.floor(row / beams)),
          'int32',
        );
        const best = bestOf(decoding.logits(parameters, states), undefined, candidates, 1);
        return { ...best, fixed: gatherRows(fixed, rows), cache: gatherCache(cache, rows) };
      },
      { name: 'startBeams' },
    );
    this.step = engine.jit(
      (
        { parameters, tokens, rows, sums, position, fixed, cache }: StepInputs,
        capacity: number,
        beams: number,
        candidates: number,
      ) => {
        const own = gatherCache(cache, rows);
        const continued = decoding.step(parameters, { tokens, position, fixed, cache: own, capacity });
        const logits = decoding.logits(parameters, continued.states);
        return { ...bestOf(logits, sums, candidates, beams), cache: { long: own.long, recent: continued.recent } };
      },
      { name: 'decodeBeams', shortCalls: true },
    );
  }

  /** The best sequence of each example. Throws DataError for options out of range. */
  async search(parameters: Parameters, options: BeamSearchOptions): Promise<ScoredSequences> {
    const { model, decoding } = this;
    const { signal } = options;
    const generation = generationOf(model);
    const beams = options.beams ?? generation.beams ?? 1;
    const lengthPenalty = options.lengthPenalty ?? generation.lengthPenalty ?? 1;
    if (!Number.isSafeInteger(beams) || beams < 1 || beams > model.vocabularySize) {
      throw new DataError(
        `beams should be an integer from 1 to the size of the vocabulary (${model.vocabularySize}), but is ${beams}.`,
        { code: 'generation.beams', exitCode: 2 },
      );
    }
    if (!Number.isFinite(lengthPenalty)) {
      throw new DataError(`lengthPenalty should be a finite number, but is ${lengthPenalty}.`, {
        code: 'generation.length-penalty',
        exitCode: 2,
      });
    }
    const eos = new Set(options.eos === undefined ? generation.eos : [options.eos].flat());
    const { prompt, source } = promptAndSource(model, options.fields);
    const length = prompt.ids.shape[1];
    const maxNewTokens = newTokensLimit(options.maxNewTokens, generation, length);
    checkCacheMemory(decoding, beams * prompt.ids.shape[0], length + maxNewTokens - 1);
    const prompts = promptRows(prompt);
    const examples = prompts.map(() => new BeamRow({ beams, lengthPenalty, eos }));
    const inputs = { prompt: uploadBatch({ ...prompt }), source: source && uploadBatch(source) };
    const candidates = (running: number): number => candidateCount(beams, eos, running * model.vocabularySize);
    let fixed: DecodingState = {};
    const capacity = length + maxNewTokens - 1;
    let cache: DecodingCache = { long: {}, recent: {} };
    try {
      const started = await this.start.async(parameters, inputs.prompt, inputs.source, capacity, beams, candidates(1));
      ({ fixed, cache } = started);
      let chosen = await this.advance(examples, started, beams);
      for (let index = 1; index < maxNewTokens && examples.some(({ done }) => !done) && !signal?.aborted; index++) {
        const at = length + index - 1;
        const step: StepInputs = {
          parameters,
          tokens: tf.tensor1d(chosen.tokens, 'int32'),
          rows: tf.tensor1d(chosen.rows, 'int32'),
          sums: tf.tensor1d(chosen.sums),
          position: tf.scalar(at, 'int32'),
          fixed,
          cache,
        };
        const best = await this.step.async(step, capacity, beams, candidates(beams));
        tf.dispose([step.tokens, step.rows, step.sums, step.position, cache] as tf.TensorContainer);
        cache = at + 1 < capacity ? await this.cacheBuffer.advance(best.cache, at) : best.cache;
        chosen = await this.advance(examples, best, beams);
      }
    } finally {
      tf.dispose([inputs, fixed, cache] as tf.TensorContainer);
    }
    const { pad } = generation;
    return collect(prompts, examples, pad === 0 ? ([...eos][0] ?? pad) : pad);
  }

  dispose(): void {
    this.start.dispose();
    this.step.dispose();
    this.cacheBuffer.dispose();
  }

  /** Reads the candidates and lets each example choose among its own. Finished examples do not change. */
  private async advance(examples: readonly BeamRow[], { sums, indices }: Best, beams: number): Promise<Chosen> {
    const [allSums, allIndices] = await Promise.all([sums.data(), indices.data()]);
    const perExample = sums.shape[1];
    tf.dispose([sums, indices]);
    const { vocabularySize } = this.model;
    const count = examples.length * beams;
    const chosen: Chosen = {
      tokens: new Int32Array(count),
      rows: new Int32Array(count),
      sums: new Float32Array(count),
    };
    for (const [i, example] of examples.entries()) {
      const candidates = Array.from({ length: perExample }, (_, rank): Candidate => {
        const index = allIndices[perExample * i + rank];
        const token = index % vocabularySize;
        return { beam: (index - token) / vocabularySize, token, sum: allSums[perExample * i + rank] };
      }).filter(({ sum }) => sum > IMPOSSIBLE);
      const next = example.done ? [] : example.advance(candidates);
      for (let beam = 0; beam < beams; beam++) {
        const row = i * beams + beam;
        // Finished examples and empty beams still need rows.
        chosen.tokens[row] = next[beam]?.token ?? this.model.specialTokens.pad;
        chosen.rows[row] = i * beams + (next[beam]?.beam ?? beam);
        chosen.sums[row] = next[beam]?.sum ?? IMPOSSIBLE;
      }
    }
    return chosen;
  }
}

/** The continuation of each of N rows. */
interface Chosen {
  readonly tokens: Int32Array;
  readonly rows: Int32Array;
  readonly sums: Float32Array;
}

function collect(prompts: readonly number[][], examples: readonly BeamRow[], filler: number): ScoredSequences {
  const best = examples.map((example) => example.best());
  const rows = best.map(({ tokens }, i) => [...prompts[i], ...tokens]);
  const width = Math.max(...rows.map((row) => row.length));
  return {
    sequences: rows.map((row) => Int32Array.from({ length: width }, (_, i) => row[i] ?? filler)),
    scores: Float64Array.from(best, ({ score }) => score),
  };
}
