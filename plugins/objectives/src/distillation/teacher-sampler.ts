/**
 * Shapes: B batch, L teacher length, N requested positions, C positions of a chunk, D width, V vocabulary, K stored
 * tokens.
 */
import type { ExperimentConfig, Model, Parameters, RandomStream } from '@graft/core';
import { random, tf, type Engine } from '@graft/engine';
import { readByTeacher, SAMPLES_STREAM } from './distillation';
import { paddingMask, padRows, roundUp } from '../batch/padding';
import { keyOf, type Sequence } from '../batch/sequences';
import type { StoredSequence } from './cache-format';
import type { TeacherCacheIndex } from './cache-index';
import { teacherHead } from './teacher-head';
import { BLOCK_LABELS, noiseOf, sampleTokens } from './teacher-samples';

/** Number of rows whose logits are in memory together: with 256,000 tokens they take half a gigabyte. */
const CHUNK = 512;

export interface TeacherSamplerSettings {
  /** Number of tokens stored per distribution. */
  readonly topK: number;
  readonly selection: TeacherCacheIndex['selection'];
  /** Forked from the config's seed: the draws for a sequence depend only on it and the sequence. */
  readonly random: RandomStream;
  /** The start token before every sequence; undefined: none. */
  readonly bos: number | undefined;
  readonly temperature: number;
  /** Number of sequences per forward pass. */
  readonly rows: number;
  readonly precision: ExperimentConfig['train']['precision'];
}

/**
 * Runs a teacher and extracts tokens of its distributions: the most probable ones, or a sample. The caller keeps
 * ownership of the parameters.
 */
export class TeacherSampler {
  private readonly states;
  private readonly tokens;

  constructor(
    engine: Engine,
    private readonly model: Model,
    private readonly parameters: Parameters,
    private readonly settings: TeacherSamplerSettings,
  ) {
    const head = teacherHead(model);
    const { topK, selection, temperature, precision } = settings;
    this.states = engine.jit(
      (own: Parameters, batch: { input_ids: tf.Tensor; attention_mask: tf.Tensor }, at: tf.Tensor): tf.Tensor2D => {
        return tf.gather(head.rows(own, batch), at as tf.Tensor1D); // [N, D or V]
      },
      { name: 'teacherStates', precision },
    );
    this.tokens = engine.jit(
      (own: Parameters, rows: tf.Tensor2D, key: tf.Tensor1D, first: tf.Scalar) => {
        const logits = tf.mul<tf.Tensor2D>(head.logits(own, rows), 1 / temperature); // [C, V]
        const peak = tf.max(logits, 1, true); // [C, 1]
        const tokens = (
          selection === 'top'
            ? tf.topk(logits, topK).indices.toInt()
            : sampleTokens(logits, noiseOf(key, first, logits.shape), topK).tokens
        ) as tf.Tensor2D; // [C, K]
        const e = tf.exp(tf.sub(logits, peak)); // [C, V]
        const row = tf.range(0, rows.shape[0], 1, 'int32').expandDims(1).tile([1, topK]).reshape([-1]);
        const indices = tf.stack([row, tokens.reshape([-1])], 1) as tf.Tensor2D; // [C K, 2]
        const values = tf.gatherND(logits, indices).reshape([rows.shape[0], topK]); // [C, K]
        // Summed separately, for the same reason as in `topKDivergence`.
        const tail = tf.sum(tf.tensorScatterUpdate(e, indices, tf.zeros([rows.shape[0] * topK])), 1); // [C]
        const top = tf.exp(tf.sub(values, peak)); // [C, K]
        const logTotal = tf.log(tf.add(tail, tf.sum(top, 1))); // [C]
        return {
          tokens,
          logProbabilities: tf.sub(tf.sub(values, peak), logTotal.expandDims(1)),
          logRest: tf.sub(tf.log(tf.maximum(tail, 1e-37)), logTotal),
        };
      },
      { name: 'teacherTokens', precision },
    );
  }

  kept(dtype: 'F16' | 'F32'): { topK: number; dtype: 'F16' | 'F32' } {
    return { topK: this.settings.topK, dtype };
  }

  /** Returns the predictions for each sequence. */
  async read(sequences: readonly Sequence[]): Promise<StoredSequence[]> {
    const answers: StoredSequence[] = [];
    for (let from = 0; from < sequences.length; from += this.settings.rows)
      answers.push(...(await this.readSome(sequences.slice(from, from + this.settings.rows))));
    return answers;
  }

  private async readSome(sequences: readonly Sequence[]): Promise<StoredSequence[]> {
    const { rows } = this.settings;
    const readings = sequences.map((sequence) => readByTeacher(sequence, this.settings.bos));
    const inputs = readings.map(({ input }) => input);
    // Always the same number of rows and few lengths, because every new shape is compiled.
    const length = roundUp(Math.max(...inputs.map((input) => input.length)), PAD_TO);
    while (inputs.length < rows) inputs.push(Int32Array.of(this.model.specialTokens.pad));
    const asked = sequences.flatMap(({ target }, row) =>
      Array.from(target, (_, j) => row * length + readings[row].first + j),
    );
    // The last block of samples may extend beyond the requested positions.
    const beyond = this.settings.selection === 'sample' ? BLOCK_LABELS : 0;
    const count = roundUp(asked.length + beyond, PAD_TO);
    const at = new Int32Array(count);
    at.set(asked);
    const ids = padRows(inputs, length, this.model.specialTokens.pad);
    const mask = paddingMask(inputs, length);
    const batch = {
      input_ids: tf.tensor2d(ids.values, [rows, length], 'int32'),
      attention_mask: tf.tensor2d(mask.values, [rows, length], 'int32'),
    };
    const indices = tf.tensor1d(at, 'int32');
    let states: tf.Tensor2D | undefined;
    try {
      states = await this.states.async(this.parameters, batch, indices);
      return split(await this.keep(states, this.pieces(sequences, asked.length, count)), sequences, this.settings.topK);
    } finally {
      tf.dispose([indices, batch, ...(states ? [states] : [])] as unknown as tf.TensorContainer);
    }
  }

  /**
   * Splits the first `wanted` of `count` states, which belong to these sequences, into pieces that are computed
   * together.
   */
  private pieces(sequences: readonly Sequence[], wanted: number, count: number): Piece[] {
    if (this.settings.selection === 'top') {
      const size = Math.min(CHUNK, count);
      return Array.from({ length: Math.ceil(wanted / size) }, (_, i) => {
        const from = i * size;
        // The last piece starts earlier, because a shorter one would need another compilation.
        return { start: Math.min(from, count - size), size, from, kept: Math.min(size, wanted - from), first: 0 };
      });
    }
    const samples = this.settings.random.fork(SAMPLES_STREAM);
    let at = 0;
    return sequences.flatMap((sequence) => {
      const { length } = sequence.target;
      const begin = at;
      at += length;
      const key = samples.fork(Buffer.from(keyOf(sequence), 'latin1').toString('hex')).key();
      return Array.from({ length: Math.ceil(length / BLOCK_LABELS) }, (_, block) => {
        const first = block * BLOCK_LABELS;
        const from = begin + first;
        return { start: from, size: BLOCK_LABELS, from, kept: Math.min(BLOCK_LABELS, length - first), first, key };
      });
    });
  }

  private async keep(states: tf.Tensor2D, pieces: readonly Piece[]): Promise<Omit<StoredSequence, 'positions'>> {
    const { topK } = this.settings;
    const wanted = pieces.reduce((sum, { kept }) => sum + kept, 0);
    const tokens = new Int32Array(wanted * topK);
    const logProbabilities = new Float32Array(wanted * topK);
    const logRest = new Float32Array(wanted);
    for (const { start, size, from, kept, first, key = NO_KEY } of pieces) {
      const inputs = [
        tf.slice(states, [start, 0], [size, -1]) as tf.Tensor2D,
        random.key(key),
        tf.scalar(first, 'int32'),
      ] as const;
      const predictions = await this.tokens.async(this.parameters, ...inputs);
      tf.dispose([...inputs]);
      try {
        const skipped = from - start;
        const part = async (tensor: tf.Tensor, each: number): Promise<Float32Array | Int32Array> =>
          ((await tensor.data()) as Float32Array | Int32Array).subarray(skipped * each, (skipped + kept) * each);
        tokens.set(await part(predictions.tokens, topK), from * topK);
        logProbabilities.set(await part(predictions.logProbabilities, topK), from * topK);
        logRest.set(await part(predictions.logRest, 1), from);
      } finally {
        tf.dispose(predictions);
      }
    }
    return { tokens, logProbabilities, logRest };
  }

  dispose(): void {
    this.states.dispose();
    this.tokens.dispose();
  }
}

/** The key if nothing is drawn. */
const NO_KEY: readonly [number, number] = [0, 0];

/** States start..start+size-1, of which `kept` are used, starting at `from`. */
interface Piece {
  readonly start: number;
  readonly size: number;
  readonly from: number;
  readonly kept: number;
  /** For samples: the index of the first label in its sequence, and the sequence's key. */
  readonly first: number;
  readonly key?: readonly [number, number];
}

/** Lengths and numbers of positions are rounded up to multiples of this. */
const PAD_TO = 32;

function split(all: Omit<StoredSequence, 'positions'>, sequences: readonly Sequence[], topK: number): StoredSequence[] {
  let at = 0;
  return sequences.map(({ target: { length: positions } }) => {
    const [from, to] = [at, (at += positions)];
    return {
      positions,
      tokens: all.tokens.slice(from * topK, to * topK),
      logProbabilities: all.logProbabilities.slice(from * topK, to * topK),
      logRest: all.logRest.slice(from, to),
    };
  });
}
