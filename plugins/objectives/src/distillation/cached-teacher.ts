/** Shapes: B batch, T target length, K stored tokens per distribution, V vocabulary. */
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
import { NO_ORIGIN } from '../batch/text-origins';
import { TeacherCache, checkpointFingerprint } from './cache-format';
import { NO_PROBABILITY } from './teacher-samples';

/** The fields that a cache adds to a student's batch. */
export const CACHE_FIELDS = {
  tokens: { name: 'teacher_tokens', dtype: 'int32', rank: 3, meaning: "the teacher's most probable tokens" },
  logProbabilities: { name: 'teacher_log_probabilities', dtype: 'float32', rank: 3, meaning: 'of these tokens' },
  logRest: { name: 'teacher_log_rest', dtype: 'float32', rank: 2, meaning: 'of all other tokens together' },
} as const satisfies Record<string, FieldSpec>;

/** A teacher whose predictions were computed in advance. Owns the cache. */
export class CachedTeacher implements TeacherTargets {
  readonly batchFields = Object.values(CACHE_FIELDS);

  constructor(
    private readonly cache: TeacherCache,
    readonly options: DistillationSettings,
    /** Whether the teacher's own policy includes a start token; undefined if the options name only the cache. */
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
    // The index records whether the teacher read a start token; in an old cache without that record, it read none.
    const wanted = bos === 'auto' ? (this.teacherReadsBos ?? index.bos ?? true) : bos;
    if (wanted !== (index.bos ?? false)) throw otherBos(folder, wanted);
  }

  /**
   * The stored predictions for each row, or for each segment of a row. Throws DataError if the cache lacks one of them.
   */
  fields(batch: HostFields, _padToMultipleOf: number, student: Model): HostFields {
    const { topK } = this.cache.index;
    const [rows, length] = batch.labels.shape;
    // At positions without a label, any finite values with distinct tokens will do.
    const tokens = Int32Array.from({ length: rows * length * topK }, (_, i) => i % topK);
    const logProbabilities = new Float32Array(rows * length * topK).fill(-Math.log(topK));
    const logRest = new Float32Array(rows * length).fill(NO_PROBABILITY);
    for (const sequence of sequencesInBatch(batch, student)) {
      const { row, target } = sequence;
      if (target.length === 0) continue;
      const stored = this.cache.read(keyOf(sequence));
      if (stored?.positions !== target.length) throw missing(this.cache, row);
      sequence.indices.forEach((index, j) => {
        if (index === NO_ORIGIN) return;
        const at = row * length + sequence.at + j;
        const [from, to] = [index * topK, (index + 1) * topK];
        tokens.set(stored.tokens.subarray(from, to), at * topK);
        logProbabilities.set(stored.logProbabilities.subarray(from, to), at * topK);
        logRest[at] = stored.logRest[index];
      });
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

/**
 * Opens the cache of a run. Throws DataError if its teacher, temperature or selection of tokens differs from the
 * options.
 */
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
    if ((await checkpointFingerprint(options.teacher)) !== teacher.fingerprint)
      throw mismatch(options.cache, `the teacher that lay in ${teacher.path}, which ${options.teacher} is not`);
    return new CachedTeacher(cache, settings, await policyReadsBos(options.teacher));
  } catch (error) {
    cache.dispose();
    throw error;
  }
}

/** Whether the policy of a decoder-only checkpoint includes a start token. */
async function policyReadsBos(folder: string): Promise<boolean> {
  const reader = await CheckpointReader.open(folder);
  try {
    return (readSpecialTokens(await reader.config(), `${folder}/config.json`) ?? AUTO_POLICY).decoder.bos !== false;
  } finally {
    await reader.close();
  }
}

/** The error for a cache whose teacher read a start token although it should not, or vice versa. */
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

/** The error for a cache with other settings; `what` continues the sentence after "is of". */
export function mismatch(folder: string, what: string): DataError {
  return new DataError(`The teacher's cache ${folder} is of ${what}.`, {
    code: 'distillation.cache-mismatch',
    exitCode: 2,
    hint: 'Name what it was made with, or make another one in another folder.',
  });
}
