/** Shapes: B batch, L teacher length, N positions that are asked for, C of them at a time, D width, V vocabulary, K kept. */
import {
  BatchLoader,
  buildModel,
  createComponentFactory,
  createRandom,
  describeSpecialTokens,
  STREAMS,
  UsageError,
  type Dataset,
  type ExperimentConfig,
  type HostFields,
  type JsonValue,
  type LoadedExperiment,
  type Logger,
  type Model,
  type Objective,
  type Parameters,
  silentLogger,
  specialTokenPolicy,
  storedSpecialTokens,
} from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { createHash } from 'node:crypto';
import { bytesPerPosition, TeacherCacheWriter } from './cache-writer';
import {
  checkTeacher,
  loadTeacherModel,
  readByTeacher,
  teacherBos,
  withoutTeachers,
  type DistillationOptions,
} from './distillation';
import { paddingMask, padRows, roundUp } from './padding';
import { keyOf, sequencesOf, type Sequence } from './sequences';
import { checkCacheFolder, teacherFingerprint, type StoredSequence } from './teacher-cache';

export interface CacheTeacherOptions {
  /** Folder of the teacher's checkpoint. Default: the config's `distillation.teacher`. */
  readonly teacher?: string;
  /** Folder of the cache, which is added to where there is one. Default: the config's `distillation.cache`. */
  readonly folder?: string;
  /** Tokens kept of each distribution. Default 64. */
  readonly topK?: number;
  /** Steps of the run whose sequences are cached. Default: all of them. */
  readonly steps?: number;
  /** How log-probabilities are stored. Default F16. */
  readonly dtype?: 'F16' | 'F32';
  /** Sequences that the teacher reads at a time. Default: the run's batch size over its micro-batches. */
  readonly batchSize?: number;
  /** A file of the cache is written when there is that much for it. Default 256 MiB. */
  readonly shardBytes?: number;
  /** Aborting it writes what there is and stops. */
  readonly signal?: AbortSignal;
  readonly engine?: Engine;
  readonly logger?: Logger;
  readonly onStep?: (step: number, steps: number, sequences: number) => void;
}

export interface CacheTeacherResult {
  readonly status: 'finished' | 'interrupted';
  readonly folder: string;
  /** Steps of the run that the cache serves. */
  readonly steps: number;
  /** In the cache; those that the teacher read now. */
  readonly sequences: number;
  readonly added: number;
  readonly positions: number;
  readonly bytesPerPosition: number;
}

const DEFAULT_TOP_K = 64;
const DEFAULT_SHARD_BYTES = 2 ** 28;
/** Rows of logits that are in memory together: of 256,000 tokens they take half a gigabyte. */
const CHUNK = 512;

/**
 * Lets a teacher read what a run will learn from, step by step, and keeps the most probable tokens of each distribution on
 * disk: for a teacher that is too big to be held beside the student. Sequences that are there already are not read again.
 */
export async function cacheTeacher(
  { config, registry }: LoadedExperiment,
  options: CacheTeacherOptions = {},
): Promise<CacheTeacherResult> {
  const { spec, teachers } = withoutTeachers(config.objective);
  const { variant, distillation } = oneOf(teachers);
  const teacher = options.teacher ?? distillation.teacher;
  const folder = options.folder ?? distillation.cache;
  if (teacher === undefined) throw unnamed('teacher', '--teacher FOLDER', 'teacher');
  if (folder === undefined) throw unnamed('cache', '--out FOLDER', 'cache');
  await checkCacheFolder(folder);
  const logger = options.logger ?? silentLogger();
  const engine = options.engine ?? (await openEngine({ ...config.engine, precision: config.train.precision }));
  logger.info(`Engine: ${engine.description}`);
  const random = createRandom(config.seed);
  const unread = { name: config.name, id: '', folder, config: config as unknown as JsonValue };
  const first = createComponentFactory(registry, { engine, random, logger, run: unread });
  const owned: { dispose?(): void }[] = [];
  const own = <T extends { dispose?(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    // The student is never filled: its shapes and special tokens are all that batches depend on.
    const initializer = await first.create('initializer', config.initializer);
    const student = buildModel(await first.create('model', config.model), await initializer.checkpointConfig(), {
      section: config.specialTokens,
    });
    const run = { ...unread, specialTokens: specialTokenPolicy(student) };
    const components = createComponentFactory(registry, { engine, random, logger, run });
    const objective = own(await components.create('objective', spec));
    const dataset = own(await components.create('dataset', config.dataset));
    const loaded = await loadTeacherModel(teacher, components, config.model, random);
    owned.push({ dispose: () => tf.dispose(loaded.parameters) });
    checkTeacher(loaded.model, student);
    const bos = teacherBos(loaded.model, student);
    logger.info(`${describeSpecialTokens(student)}; the teacher reads ${bos === undefined ? 'no BOS' : `BOS ${bos}`}`);
    const topK = Math.min(options.topK ?? DEFAULT_TOP_K, student.vocabularySize);
    const writer = await TeacherCacheWriter.open(
      folder,
      {
        teacher: { fingerprint: await teacherFingerprint(teacher), path: teacher },
        vocabulary: student.vocabularySize,
        topK,
        temperature: distillation.temperature,
        bos: bos !== undefined,
        dtype: options.dtype ?? 'F16',
      },
      options.shardBytes ?? DEFAULT_SHARD_BYTES,
    );
    const asked = own(
      new TopKTeacher(engine, loaded.model, loaded.parameters, {
        topK,
        bos,
        temperature: distillation.temperature,
        rows: options.batchSize ?? Math.ceil(config.train.batchSize / config.train.microBatches),
        precision: config.train.precision,
      }),
    );
    return await fill({ config, objective, dataset, student, variant, writer, asked, random, folder, options });
  } finally {
    for (const resource of owned.reverse()) resource.dispose?.();
  }
}

interface Filling {
  readonly config: ExperimentConfig;
  readonly objective: Objective;
  readonly dataset: Dataset;
  readonly student: Model;
  /** The variant of the objective that has the teacher. */
  readonly variant: string | undefined;
  readonly writer: TeacherCacheWriter;
  readonly asked: TopKTeacher;
  readonly random: ReturnType<typeof createRandom>;
  readonly folder: string;
  readonly options: CacheTeacherOptions;
}

async function fill(filling: Filling): Promise<CacheTeacherResult> {
  const { config, objective, dataset, student, writer, asked, random, options } = filling;
  const steps = Math.min(options.steps ?? config.train.steps, config.train.steps);
  const identity = configIdentity(config, student);
  const before = writer.progressOf(identity);
  if (before) await dataset.restore(before.data);
  const began = writer.sequences;
  const variantAt = (done: number): string | undefined =>
    objective.variantAt?.(done, random.fork(STREAMS.dropout).fork('variant'));
  let step = before?.step ?? 0;
  let position = dataset.position();
  const { batchSize } = config.train;
  const loader = new BatchLoader(dataset, objective, student, batchSize, random.fork(STREAMS.data), step, {
    variantAt,
  });
  try {
    while (step < steps && !options.signal?.aborted) {
      const batch = await loader.next();
      if (step + 1 < steps) loader.prefetch();
      if (variantAt(step) === filling.variant) await addMissing(batch.fields, student, writer, asked);
      step++;
      position = batch.position;
      await writer.stepDone(identity, step, position);
      options.onStep?.(step, steps, writer.sequences);
    }
  } finally {
    await loader.close().catch(() => undefined);
    // Whatever went wrong, what the teacher said is kept.
    if (step > (before?.step ?? 0)) await writer.flush(identity, step, position);
  }
  return {
    status: step < steps ? 'interrupted' : 'finished',
    folder: filling.folder,
    steps: step,
    sequences: writer.sequences,
    added: writer.sequences - began,
    positions: writer.positions,
    bytesPerPosition: bytesPerPosition(asked.kept(options.dtype ?? 'F16')),
  };
}

async function addMissing(
  fields: HostFields,
  student: Model,
  writer: TeacherCacheWriter,
  asked: TopKTeacher,
): Promise<void> {
  const missing = new Map<string, Sequence>();
  for (const sequence of sequencesOf(fields, student)) {
    const key = keyOf(sequence);
    if (sequence.target.length > 0 && !writer.has(key)) missing.set(key, sequence);
  }
  const answers = await asked.read([...missing.values()]);
  [...missing.keys()].forEach((key, i) => writer.add(key, answers[i]));
}

interface TopKTeacherSettings {
  readonly topK: number;
  /** In front of every sequence; undefined: none. */
  readonly bos: number | undefined;
  readonly temperature: number;
  /** Sequences at a time. */
  readonly rows: number;
  readonly precision: ExperimentConfig['train']['precision'];
}

/** Asks a teacher for the most probable tokens of its distributions. The parameters stay the caller's. */
class TopKTeacher {
  private readonly states;
  private readonly best;

  constructor(
    engine: Engine,
    private readonly model: Model,
    private readonly parameters: Parameters,
    private readonly settings: TopKTeacherSettings,
  ) {
    const { head } = model;
    const { topK, temperature, precision } = settings;
    this.states = engine.jit(
      (own: Parameters, batch: { input_ids: tf.Tensor; attention_mask: tf.Tensor }, at: tf.Tensor): tf.Tensor2D => {
        const rows =
          head?.rows(own, batch) ??
          model.forward(own, batch).logits.reshape([batch.input_ids.size, model.vocabularySize]); // [B L, D or V]
        return tf.gather(rows as tf.Tensor2D, at as tf.Tensor1D); // [N, D or V]
      },
      { name: 'teacherStates', precision },
    );
    this.best = engine.jit(
      (own: Parameters, rows: tf.Tensor2D) => {
        const logits = tf.mul<tf.Tensor2D>(head ? head.logits(own, rows) : rows, 1 / temperature); // [C, V]
        const peak = tf.max(logits, 1, true); // [C, 1]
        const { values, indices } = tf.topk(logits, topK); // [C, K]
        const e = tf.exp(tf.sub(logits, peak)); // [C, V]
        const row = tf.range(0, rows.shape[0], 1, 'int32').expandDims(1).tile([1, topK]).reshape([-1]);
        const places = tf.stack([row, indices.toInt().reshape([-1])], 1) as tf.Tensor2D; // [C K, 2]
        // Summed by itself, for the same reason as in `topKDivergence`.
        const tail = tf.sum(tf.tensorScatterUpdate(e, places, tf.zeros([rows.shape[0] * topK])), 1); // [C]
        const top = tf.exp(tf.sub(values, peak)); // [C, K]
        const logTotal = tf.log(tf.add(tail, tf.sum(top, 1))); // [C]
        return {
          tokens: indices.toInt(),
          logProbabilities: tf.sub(tf.sub(values, peak), logTotal.expandDims(1)),
          logRest: tf.sub(tf.log(tf.maximum(tail, 1e-37)), logTotal),
        };
      },
      { name: 'teacherTopK', precision },
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
    // Always as many rows, and few lengths: a new shape is compiled anew.
    const length = roundUp(Math.max(...inputs.map((input) => input.length)), PAD_TO);
    while (inputs.length < rows) inputs.push(Int32Array.of(this.model.specialTokens.pad));
    const asked = sequences.flatMap(({ target }, row) =>
      Array.from(target, (_, j) => row * length + readings[row].first + j),
    );
    const count = roundUp(asked.length, PAD_TO);
    const at = new Int32Array(count);
    at.set(asked);
    const ids = padRows(inputs, length, this.model.specialTokens.pad);
    const mask = paddingMask(inputs, length);
    const batch = {
      input_ids: tf.tensor2d(ids.values, [rows, length], 'int32'),
      attention_mask: tf.tensor2d(mask.values, [rows, length], 'int32'),
    };
    const places = tf.tensor1d(at, 'int32');
    let states: tf.Tensor2D | undefined;
    try {
      states = await this.states.async(this.parameters, batch, places);
      return split(await this.bestOf(states, asked.length), sequences, this.settings.topK);
    } finally {
      tf.dispose([places, batch, ...(states ? [states] : [])] as unknown as tf.TensorContainer);
    }
  }

  /** Of the first `wanted` states. */
  private async bestOf(states: tf.Tensor2D, wanted: number): Promise<Omit<StoredSequence, 'positions'>> {
    const { topK } = this.settings;
    const tokens = new Int32Array(wanted * topK);
    const logProbabilities = new Float32Array(wanted * topK);
    const logRest = new Float32Array(wanted);
    const [count, width] = states.shape;
    const size = Math.min(CHUNK, count);
    for (let from = 0; from < wanted; from += size) {
      // The last chunk begins earlier: a shorter one would be compiled anew.
      const start = Math.min(from, count - size);
      const skipped = from - start;
      const chunk = tf.slice(states, [start, 0], [size, width]);
      const best = await this.best.async(this.parameters, chunk);
      chunk.dispose();
      try {
        const here = Math.min(size - skipped, wanted - from);
        const part = async (tensor: tf.Tensor, each: number): Promise<Float32Array | Int32Array> =>
          ((await tensor.data()) as Float32Array | Int32Array).subarray(skipped * each, (skipped + here) * each);
        tokens.set(await part(best.tokens, topK), from * topK);
        logProbabilities.set(await part(best.logProbabilities, topK), from * topK);
        logRest.set(await part(best.logRest, 1), from);
      } finally {
        tf.dispose(best);
      }
    }
    return { tokens, logProbabilities, logRest };
  }

  dispose(): void {
    this.states.dispose();
    this.best.dispose();
  }
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

/** What decides which sequences a step has. */
function configIdentity(
  { seed, model, objective, dataset, train: { batchSize } }: ExperimentConfig,
  student: Model,
): string {
  const tokens = storedSpecialTokens(student);
  const content = JSON.stringify([seed, model, withoutTeachers(objective).spec, dataset, batchSize, tokens]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

type Found = { readonly variant?: string; readonly distillation: DistillationOptions };

function oneOf(teachers: readonly Found[]): Found {
  if (teachers.length === 1) return teachers[0];
  const what =
    teachers.length === 0
      ? 'has no distillation'
      : `has several (${teachers.map(({ variant }) => variant).join(', ')})`;
  throw new UsageError(`The objective of this config ${what}; a cache is of one.`, {
    code: 'distillation.which',
    hint: 'Give objective `prefix-lm` a `distillation: { cache: FOLDER }`.',
  });
}

function unnamed(what: string, option: string, key: string): UsageError {
  return new UsageError(`Neither the config nor the command names a ${what}.`, {
    code: 'distillation.unnamed',
    hint: `Give ${option}, or set objective.distillation.${key}.`,
  });
}
