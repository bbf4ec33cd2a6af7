/** Shapes: B batch, T target length, K tokens kept of a distribution, V vocabulary. */
import { CheckpointReader } from '@graft/checkpoint';
import {
  AUTO_POLICY,
  DataError,
  specialTokenPolicy,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type Model,
} from '@graft/core';
import { readSpecialTokens } from '@graft/core/internal';
import { tf } from '@graft/engine';
import { knownTargets, distillationSettings, type ResolvedDistillationOptions } from './distillation';
import type { TeacherTargets, DistillationSettings, SoftTargets } from './teacher-targets';
import { keyOf, sequencesInBatch } from '../batch/sequences';
import { TeacherCache, teacherFingerprint } from './cache-format';
import { NO_PROBABILITY } from './teacher-samples';

/** What a cache adds to a student's batch. */
export const CACHE_FIELDS = {
  tokens: { name: 'teacher_tokens', dtype: 'int32', rank: 3, meaning: "the teacher's most probable tokens" },
  logProbabilities: { name: 'teacher_log_probabilities', dtype: 'float32', rank: 3, meaning: 'of these tokens' },
  logRest: { name: 'teacher_log_rest', dtype: 'float32', rank: 2, meaning: 'of all other tokens together' },
} as const satisfies Record<string, FieldSpec>;

/** A teacher that was asked beforehand. Owns the cache. */
export class CachedTeacher implements TeacherTargets {
  readonly batchFields = Object.values(CACHE_FIELDS);

  constructor(
    private readonly cache: TeacherCache,
    readonly options: DistillationSettings,
    /** Whether the teacher, where it is named beside the cache, reads a start token by its own policy. */
    private readonly teacherReadsBos?: boolean,
  ) {}

  checkStudent(student: Model): void {
    const { folder, index } = this.cache;
    if (index.vocabulary !== student.vocabularySize) {
      throw new DataError(
        `The cache ${folder} is of a vocabulary of ${index.vocabulary} tokens, the student has ${student.vocabularySize}; distillation needs the same.`,
        { code: 'distillation.vocabulary', exitCode: 2 },
      );
    }
    const { bos } = specialTokenPolicy(student).teacher;
    // A cache that says what was read is believed; one that is silent is from a time when no teacher read a start token.
    const wanted = bos === 'auto' ? (this.teacherReadsBos ?? index.bos ?? true) : bos;
    if (wanted !== (index.bos ?? false)) throw otherBos(folder, wanted);
  }

  /** What is stored of each row, or of each segment of a row. Throws DataError where there is nothing of one. */
  fields(batch: HostFields, _padToMultipleOf: number, student: Model): HostFields {
    const { topK } = this.cache.index;
    const [rows, length] = batch.labels.shape;
    // What no label asks for may be anything finite with different tokens.
    const tokens = Int32Array.from({ length: rows * length * topK }, (_, i) => i % topK);
    const logProbabilities = new Float32Array(rows * length * topK).fill(-Math.log(topK));
    const logRest = new Float32Array(rows * length).fill(NO_PROBABILITY);
    for (const sequence of sequencesInBatch(batch, student)) {
      const { row, target } = sequence;
      if (target.length === 0) continue;
      const stored = this.cache.read(keyOf(sequence));
      if (stored?.positions !== target.length) throw missing(this.cache, row);
      const at = row * length + sequence.at;
      tokens.set(stored.tokens, at * topK);
      logProbabilities.set(stored.logProbabilities, at * topK);
      logRest.set(stored.logRest, at);
    }
    return {
      teacher_tokens: { dtype: 'int32', shape: [rows, length, topK], values: tokens },
      teacher_log_probabilities: { dtype: 'float32', shape: [rows, length, topK], values: logProbabilities },
      teacher_log_rest: { dtype: 'float32', shape: [rows, length], values: logRest },
    };
  }

  targets(batch: BatchTensors): SoftTargets {
    const [rows, length, k] = batch.teacher_tokens.shape as [number, number, number];
    const logRest = batch.teacher_log_rest.reshape([rows * length]) as tf.Tensor1D;
    return knownTargets({
      tokens: batch.teacher_tokens.reshape([rows * length, k]),
      logProbabilities: batch.teacher_log_probabilities.reshape([rows * length, k]),
      logRest: this.options.loss === 'gemma3' ? (tf.fill(logRest.shape, NO_PROBABILITY) as tf.Tensor1D) : logRest,
    });
  }

  dispose(): void {
    this.cache.dispose();
  }
}

function missing({ folder, size }: TeacherCache, row: number): DataError {
  return new DataError(
    `Row ${row} of the batch is none of the ${size.toLocaleString('en')} sequences in the teacher's cache ${folder}.`,
    {
      code: 'distillation.not-cached',
      exitCode: 2,
      hint: 'Run `graft teacher cache` with this very config (its data, objective, seed, batch size and steps): it adds what is missing.',
    },
  );
}

/** Opens the cache of a run. Throws DataError where it is of another teacher or temperature than the options say. */
export async function openCachedTeacher(
  options: ResolvedDistillationOptions & { readonly cache: string },
): Promise<CachedTeacher> {
  const cache = await TeacherCache.open(options.cache);
  try {
    const { temperature, teacher, topK, selection } = cache.index;
    const settings = distillationSettings(options);
    if (temperature !== options.temperature)
      throw mismatch(
        options.cache,
        `temperature ${temperature}, but distillation.temperature is ${options.temperature}`,
      );
    const samples = Math.min(settings.samples ?? 0, cache.index.vocabulary);
    if (settings.loss === 'gemma3' ? selection !== 'sample' || topK !== samples : selection !== 'top') {
      const wanted = settings.loss === 'gemma3' ? `gemma3 with samples ${samples}` : settings.loss;
      const held = selection === 'sample' ? `${topK} sampled tokens` : `the ${topK} most probable tokens`;
      throw mismatch(
        options.cache,
        `${held} of each distribution, which distillation.loss ${wanted} does not learn from`,
      );
    }
    if (options.teacher === undefined) return new CachedTeacher(cache, settings);
    if ((await teacherFingerprint(options.teacher)) !== teacher.fingerprint)
      throw mismatch(options.cache, `the teacher that lay in ${teacher.path}, which ${options.teacher} is not`);
    return new CachedTeacher(cache, settings, await policyReadsBos(options.teacher));
  } catch (error) {
    cache.dispose();
    throw error;
  }
}

/** Whether a decoder-only checkpoint reads a start token by its own policy. */
async function policyReadsBos(folder: string): Promise<boolean> {
  const reader = await CheckpointReader.open(folder);
  try {
    return (readSpecialTokens(await reader.config(), `${folder}/config.json`) ?? AUTO_POLICY).decoder.bos !== false;
  } finally {
    await reader.close();
  }
}

/** A cache whose teacher did not read as it is to read now. */
export function otherBos(folder: string, wanted: boolean): DataError {
  const [did, should] = wanted ? ['no start token (BOS)', 'one'] : ['a start token (BOS)', 'none'];
  return new DataError(
    `The teacher's cache ${folder} is of a teacher that read ${did} in front of each sequence; this one is to read ${should}.`,
    {
      code: 'distillation.cache-mismatch',
      exitCode: 2,
      hint: `Make another cache in another folder, or set specialTokens.teacher.bos: ${!wanted} to read as that one did.`,
    },
  );
}

/** `what` follows "is of". */
export function mismatch(folder: string, what: string): DataError {
  return new DataError(`The teacher's cache ${folder} is of ${what}.`, {
    code: 'distillation.cache-mismatch',
    exitCode: 2,
    hint: 'Name what it was made with, or make another one in another folder.',
  });
}
