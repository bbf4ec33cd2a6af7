import {
  buildModel,
  checkSides,
  createComponentFactory,
  createRandom,
  UsageError,
  type ComponentFactory,
  type Dataset,
  type TrainingConfig,
  type HostFields,
  type LoadedExperiment,
  type Logger,
  type Model,
  type Objective,
  type RunInfo,
  silentLogger,
  specialTokenPolicy,
  withTrainingSteps,
} from '@graft/core';
import {
  configFacts,
  BatchLoader,
  describeSpecialTokens,
  findRecord,
  findTokenizerFolders,
  STREAMS,
  storedSpecialTokens,
  watchCalls,
} from '@graft/core/internal';
import { openEngine, tf, type Engine } from '@graft/engine';
import { createHash } from 'node:crypto';
import { TeacherSampler } from './teacher-sampler';
import { bytesPerPosition, TeacherCacheWriter } from './cache-writer';
import {
  checkTeacher,
  distillationSettings,
  loadTeacherModel,
  teacherBos,
  type ResolvedDistillationOptions,
} from './distillation';
import { inDecoderIds } from '../batch/side-sequences';
import { keyOf, sequencesInBatch, type Sequence } from '../batch/sequences';
import { checkCacheFolder, teacherFingerprint } from './cache-format';
import type { TeacherCacheIndex } from './cache-index';
import { readsVariant, teachersOf, withoutTeachers, type ObjectiveTeacher } from './taught-objective';

/** Options of `cacheTeacher`. */
export interface CacheTeacherOptions {
  /** Folder of the teacher's checkpoint. Default: the config's `distillation.teacher`. */
  readonly teacher?: string;
  /** Folder of the cache; an existing cache is extended. Default: the config's `distillation.cache`. */
  readonly folder?: string;
  /** Number of most probable tokens stored per distribution, for the losses `blend` and `gemma2`. Default 64. */
  readonly topK?: number;
  /** Number of tokens drawn per distribution, for the loss `gemma3`. Default: the config's `distillation.samples`. */
  readonly samples?: number;
  /** Steps of the run whose sequences are cached. Default: all of them. */
  readonly steps?: number;
  /** Type in which log-probabilities are stored. Default F16. */
  readonly dtype?: 'F16' | 'F32';
  /**
   * Number of sequences that the teacher reads at a time. Default: the run's batch size divided by its micro-batches.
   */
  readonly batchSize?: number;
  /** The cache writes a shard as soon as it has collected this many bytes. Default 256 MiB. */
  readonly shardBytes?: number;
  /** Aborting it stops after the current step and writes the predictions collected so far. */
  readonly signal?: AbortSignal;
  readonly engine?: Engine;
  readonly logger?: Logger;
  readonly onStep?: (step: number, steps: number, sequences: number) => void;
}

/** How caching a teacher ended. */
export interface CacheTeacherResult {
  readonly status: 'finished' | 'interrupted';
  readonly folder: string;
  /** Steps of the run whose sequences the cache contains. */
  readonly steps: number;
  /** Sequences in the cache; `added` counts those that the teacher read in this call. */
  readonly sequences: number;
  readonly added: number;
  readonly positions: number;
  readonly bytesPerPosition: number;
}

const DEFAULT_TOP_K = 64;
const DEFAULT_SHARD_BYTES = 2 ** 28;

/**
 * Runs a teacher over the sequences of a run, step by step, and stores the most probable tokens of each distribution
 * (or a sample) on disk, for a teacher too big to fit into memory next to the student. Skips sequences that the cache
 * already contains.
 */
export async function cacheTeacher(
  loaded: LoadedExperiment,
  options: CacheTeacherOptions = {},
): Promise<CacheTeacherResult> {
  // First, because it is the cheapest check.
  if (options.folder !== undefined) await checkCacheFolder(options.folder);
  const logger = options.logger ?? silentLogger();
  const { config, registry, stepsNote } = await withTrainingSteps(loaded, { engine: options.engine, logger });
  if (stepsNote !== undefined) logger.info(stepsNote);
  const engine = options.engine ?? (await openEngine({ ...config.engine, precision: config.train.precision }));
  logger.info(`Engine: ${engine.description}`);
  const random = createRandom(config.seed);
  const unread = { name: config.name, id: '', folder: options.folder ?? '', ...configFacts(config) };
  const componentsOf = (run: RunInfo): ComponentFactory =>
    createComponentFactory(registry, { engine, random, logger, run });
  const stopWatching = watchCalls(config.train.loader.warnAfterSeconds, (sentence) => logger.warn(sentence));
  const closers: (() => Promise<void>)[] = [];
  const owned: { dispose?(): void }[] = [];
  const own = <T extends { dispose?(): void }>(resource: T): T => {
    owned.push(resource);
    return resource;
  };
  try {
    // The student gets no parameters: batches depend only on its shapes and special tokens.
    const first = componentsOf(unread);
    const initializer = await first.create('initializer', config.initializer);
    const student = buildModel(await first.create('model', config.model), await initializer.checkpointConfig(), {
      section: config.specialTokens,
    });
    const recorded = await findRecord(config, registry);
    const tokenizerFolders = await findTokenizerFolders(config, registry);
    const run = { ...unread, recorded, tokenizerFolders, specialTokens: specialTokenPolicy(student) };
    const objective = own(await componentsOf(run).forBatches().create('objective', config.objective));
    const plan = await planOf(objective, options);
    const { teacher, folder, distillation, selection } = plan;
    const components = componentsOf({ ...run, folder });
    const dataset = own(await components.create('dataset', config.dataset));
    checkSides(dataset, student);
    const loaded = await loadTeacherModel(teacher, components, config.model.use, random);
    owned.push({ dispose: () => tf.dispose(loaded.parameters) });
    checkTeacher(loaded.model, student);
    const bos = teacherBos(loaded.model, student);
    logger.info(`${describeSpecialTokens(student)}; the teacher reads ${bos === undefined ? 'no BOS' : `BOS ${bos}`}`);
    const topK = Math.min(plan.tokens, student.vocabularySize);
    const writer = await TeacherCacheWriter.open(
      folder,
      {
        teacher: { fingerprint: await teacherFingerprint(teacher), path: teacher },
        vocabulary: student.vocabularySize,
        topK,
        selection,
        temperature: distillation.temperature,
        bos: bos !== undefined,
        dtype: options.dtype ?? 'F16',
      },
      options.shardBytes ?? DEFAULT_SHARD_BYTES,
      (sentence) => logger.info(sentence),
    );
    closers.push(() => writer.close());
    const sampler = own(
      new TeacherSampler(engine, loaded.model, loaded.parameters, {
        topK,
        selection,
        random,
        bos,
        temperature: distillation.temperature,
        rows: options.batchSize ?? Math.ceil(config.train.batchSize / config.train.microBatches),
        precision: config.train.precision,
      }),
    );
    return await fill({ config, objective, dataset, student, plan, writer, sampler, random, options });
  } finally {
    stopWatching();
    for (const close of closers) await close();
    for (const resource of owned.reverse()) resource.dispose?.();
  }
}

interface CacheBuild {
  readonly config: TrainingConfig;
  readonly objective: Objective;
  readonly dataset: Dataset;
  readonly student: Model;
  readonly plan: CachePlan;
  readonly writer: TeacherCacheWriter;
  readonly sampler: TeacherSampler;
  readonly random: ReturnType<typeof createRandom>;
  readonly options: CacheTeacherOptions;
}

async function fill(build: CacheBuild): Promise<CacheTeacherResult> {
  const { config, objective, dataset, student, writer, sampler, random, options } = build;
  const steps = Math.min(options.steps ?? config.train.steps, config.train.steps);
  const identity = configIdentity(config, student, teachersOf(objective));
  const before = writer.progressOf(identity);
  if (before) await dataset.restore(before.data);
  const began = writer.sequences;
  const variantAt = (done: number): string | undefined =>
    objective.variantAt?.(done, random.fork(STREAMS.dropout).fork('variant'));
  let step = before?.step ?? 0;
  let position = dataset.position();
  const { batchSize } = config.train;
  // The teacher reads the decoder's ids, also of what the student's encoder reads by a tokenizer of its own.
  const read = dataset.tokenizers ? inDecoderIds(student) : student;
  const loader = new BatchLoader({
    dataset,
    objective,
    model: read,
    batchSize,
    random: random.fork(STREAMS.data),
    step,
    variantAt,
  });
  try {
    while (step < steps && !options.signal?.aborted) {
      const batch = await loader.nextUnless(options.signal);
      if (!batch) break;
      if (step + 1 < steps) loader.prefetch();
      if (readsVariant(build.plan.listed, variantAt(step))) await addMissing(batch.fields, read, writer, sampler);
      step++;
      position = batch.position;
      await writer.stepDone(identity, step, position);
      options.onStep?.(step, steps, writer.sequences);
    }
  } finally {
    await loader.close().catch(() => undefined);
    // Keeps the teacher's predictions even after an error.
    if (step > (before?.step ?? 0)) await writer.flush(identity, step, position);
  }
  return {
    status: step < steps ? 'interrupted' : 'finished',
    folder: build.plan.folder,
    steps: step,
    sequences: writer.sequences,
    added: writer.sequences - began,
    positions: writer.positions,
    bytesPerPosition: bytesPerPosition(sampler.kept(options.dtype ?? 'F16')),
  };
}

async function addMissing(
  fields: HostFields,
  student: Model,
  writer: TeacherCacheWriter,
  sampler: TeacherSampler,
): Promise<void> {
  const missing = new Map<string, Sequence>();
  for (const sequence of sequencesInBatch(fields, student)) {
    const key = keyOf(sequence);
    if (sequence.target.length > 0 && !writer.has(key)) missing.set(key, sequence);
  }
  const answers = await sampler.read([...missing.values()]);
  [...missing.keys()].forEach((key, i) => writer.add(key, answers[i]));
}

/** Hashes everything that determines the sequences of a step: of the objective, everything except its teachers. */
function configIdentity(
  { seed, model, objective, dataset, train: { batchSize } }: TrainingConfig,
  student: Model,
  teachers: readonly ObjectiveTeacher[],
): string {
  const tokens = storedSpecialTokens(student);
  // The index of a cache contains this hash, so neither the order nor the form of its parts may change.
  const content = JSON.stringify([seed, model, withoutTeachers(objective, teachers), dataset, batchSize, tokens]);
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** Which tokens the run needs, and how many. Throws UsageError if the command's options contradict that. */
function keptOf(
  distillation: ResolvedDistillationOptions,
  { topK, samples }: CacheTeacherOptions,
): { readonly selection: TeacherCacheIndex['selection']; readonly tokens: number } {
  const wanted = distillationSettings(distillation);
  const refused = (message: string, hint: string): UsageError =>
    new UsageError(message, { code: 'distillation.selection', hint });
  if (wanted.loss !== 'gemma3') {
    if (samples === undefined) return { selection: 'top', tokens: topK ?? DEFAULT_TOP_K };
    throw refused(
      `--sample draws tokens for distillation.loss gemma3, but the config's is ${wanted.loss}, which learns from the most probable ones.`,
      'Take --top-k, or set objective.distillation.loss=gemma3.',
    );
  }
  if (topK !== undefined) {
    throw refused(
      "--top-k keeps the most probable tokens, but the config's distillation.loss is gemma3, which learns from drawn ones.",
      'Leave --top-k out, or set another objective.distillation.loss.',
    );
  }
  if (samples !== undefined && samples !== wanted.samples) {
    throw refused(
      `--sample is ${samples}, but the config's distillation.samples is ${wanted.samples}: its run would refuse the cache.`,
      `Leave --sample out, or set objective.distillation.samples=${samples}.`,
    );
  }
  return { selection: 'sample', tokens: wanted.samples! };
}

/** The settings that result from the command's options and the objective. */
interface CachePlan {
  readonly teacher: string;
  readonly folder: string;
  /** The teacher as the objective lists it. */
  readonly listed: ObjectiveTeacher;
  readonly distillation: ResolvedDistillationOptions;
  readonly selection: TeacherCacheIndex['selection'];
  /** Number of tokens stored per distribution. */
  readonly tokens: number;
}

/** Throws UsageError if command and objective do not name a teacher and a cache, or contradict each other. */
async function planOf(objective: Objective, options: CacheTeacherOptions): Promise<CachePlan> {
  const listed = oneOf(teachersOf(objective));
  const { distillation } = listed;
  const teacher = options.teacher ?? distillation.teacher;
  const folder = options.folder ?? distillation.cache;
  if (teacher === undefined) throw unnamed('teacher', '--teacher FOLDER', 'teacher');
  if (folder === undefined) throw unnamed('cache', '--out FOLDER', 'cache');
  const kept = keptOf(distillation, options);
  await checkCacheFolder(folder);
  return { teacher, folder, listed, distillation, ...kept };
}

function oneOf(teachers: readonly ObjectiveTeacher[]): ObjectiveTeacher {
  if (teachers.length === 1) return teachers[0];
  const what =
    teachers.length === 0
      ? 'has no distillation'
      : `has several (${teachers.map(({ variant }) => variant).join(', ')})`;
  throw new UsageError(`The objective of this config ${what}; a cache is of one.`, {
    code: 'distillation.which',
    hint: 'Give objective `prefix-lm` or `ul2` a `distillation: { cache: FOLDER }`.',
  });
}

function unnamed(what: string, option: string, key: string): UsageError {
  return new UsageError(`Neither the config nor the command names a ${what}.`, {
    code: 'distillation.unnamed',
    hint: `Give ${option}, or set objective.distillation.${key}.`,
  });
}
