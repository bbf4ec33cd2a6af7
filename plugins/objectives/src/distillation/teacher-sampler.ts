/** Shapes: B batch, L teacher length, N positions that are asked for, C of them at a time, D width, V vocabulary, K kept. */
import type { ExperimentConfig, Model, Parameters, RandomStream } from '@graft/core';
import { random, tf, type Engine } from '@graft/engine';
import { readByTeacher, SAMPLES_STREAM } from './distillation';
import { paddingMask, padRows, roundUp } from '../batch/padding';
import { keyOf, type Sequence } from '../batch/sequences';
import type { StoredSequence } from './cache-format';
import type { TeacherCacheIndex } from './cache-index';
import { teacherHead } from './teacher-head';
import { BLOCK_LABELS, noiseOf, sampleTokens } from './teacher-samples';

/** Rows of logits that are in memory together: of 256,000 tokens they take half a gigabyte. */
const CHUNK = 512;

export interface TeacherSamplerSettings {
  /** Tokens that are kept of each distribution. */
  readonly topK: number;
  readonly selection: TeacherCacheIndex['selection'];
  /** Of the config's seed: what is drawn for a sequence depends on it and on the sequence alone. */
  readonly random: RandomStream;
  /** In front of every sequence; undefined: none. */
  readonly bos: number | undefined;
  readonly temperature: number;
  /** Sequences at a time. */
  readonly rows: number;
  readonly precision: ExperimentConfig['train']['precision'];
}

/** Asks a teacher for tokens of its distributions: the most probable ones, or drawn ones. The parameters stay the caller's. */
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
        // Summed by itself, for the same reason as in `topKDivergence`.
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

  /** One answer for each sequence. */
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
    // Always as many rows, and few lengths: a new shape is compiled again.
    const length = roundUp(Math.max(...inputs.map((input) => input.length)), PAD_TO);
    while (inputs.length < rows) inputs.push(Int32Array.of(this.model.specialTokens.pad));
    const asked = sequences.flatMap(({ target }, row) =>
      Array.from(target, (_, j) => row * length + readings[row].first + j),
    );
    // The last block that is drawn may reach beyond what is asked for.
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

  /** Of the first `wanted` of `count` states, which belong to these sequences: what is computed together. */
  private pieces(sequences: readonly Sequence[], wanted: number, count: number): Piece[] {
    if (this.settings.selection === 'top') {
      const size = Math.min(CHUNK, count);
      return Array.from({ length: Math.ceil(wanted / size) }, (_, i) => {
        const from = i * size;
        // The last piece begins earlier: a shorter one would be compiled again.
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

/** Where nothing is drawn. */
const NO_KEY: readonly [number, number] = [0, 0];

/** States start..start+size-1, of which those from `from` on are wanted, `kept` of them. */
interface Piece {
  readonly start: number;
  readonly size: number;
  readonly from: number;
  readonly kept: number;
  /** Of samples: the first label in its sequence, and the sequence's key. */
  readonly first: number;
  readonly key?: readonly [number, number];
}

/** Lengths and numbers of positions are rounded up to multiples of it. */
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
