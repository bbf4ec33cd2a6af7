/** Shapes: B batch, S source length, T target length, L teacher length, V vocabulary. */
import {
  DataError,
  loadFrozenCheckpoint,
  pathOption,
  readsBos,
  specialTokenPolicy,
  type BatchTensors,
  type ComponentContext,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type Model,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { orderAfter, tf } from '@graft/engine';
import { z } from 'zod';
import {
  DISTILLATION_LOSSES,
  type TeacherTargets,
  type DistillationSettings,
  type SoftTargets,
} from './teacher-targets';
import { paddingMask, padRows, roundUp } from '../batch/padding';
import { checkSegments } from '../batch/segments';
import { sequencesInBatch, type Sequence } from '../batch/sequences';
import { NO_ORIGIN } from '../batch/text-origins';
import { teacherHead } from './teacher-head';
import { sampledTargets } from './teacher-samples';
import type { TopK } from '../loss/top-k-divergence';

/** The option `distillation` of the objectives. */
export const distillationOptions = z
  .strictObject({
    teacher: pathOption()
      .optional()
      .describe(
        'Folder of a decoder-only checkpoint with the vocabulary of the student; with `cache`, the one that the cache must be of.',
      ),
    cache: pathOption()
      .optional()
      .describe('Folder that `graft teacher cache` wrote: the teacher itself is not needed.'),
    loss: z
      .enum(DISTILLATION_LOSSES)
      .default('blend')
      .describe(
        '`blend`: the cross-entropy of the labels, weighing `alpha`, and the divergence from the teacher; `gemma2`: the cross-entropy of the distribution of the teacher alone; `gemma3`: the same of some of its tokens, drawn by their probability, which is renormalised.',
      ),
    alpha: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Of `blend`: weight of cross-entropy; the divergence has the rest. Default: 0.25.'),
    samples: z
      .int()
      .positive()
      .optional()
      .describe('Of `gemma3`: tokens that are drawn for each label, without replacement. Default: 256.'),
    temperature: z
      .number()
      .positive()
      .default(1)
      .describe(
        "Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size.",
      ),
  })
  .refine(({ teacher, cache }) => teacher !== undefined || cache !== undefined, {
    error: 'expected `teacher`, `cache`, or both',
  })
  .refine(({ loss, alpha }) => loss === 'blend' || alpha === undefined, {
    path: ['alpha'],
    error:
      'belongs to `loss: blend`; gemma2 and gemma3 learn from the teacher alone (`alpha: null` drops an inherited one)',
  })
  .refine(({ loss, samples }) => loss === 'gemma3' || samples === undefined, {
    path: ['samples'],
    error: 'belongs to `loss: gemma3`',
  });

/** What a config or code may write. */
export type DistillationOptions = z.input<typeof distillationOptions>;
/** The same with every default filled in. */
export type ResolvedDistillationOptions = z.output<typeof distillationOptions>;

export const DEFAULT_SAMPLES = 256;

export function distillationSettings({
  loss = 'blend',
  alpha,
  temperature,
  samples,
}: Pick<ResolvedDistillationOptions, 'alpha' | 'temperature' | 'samples'> &
  Pick<DistillationSettings, 'loss'>): DistillationSettings {
  const sampled = loss === 'gemma3' ? { samples: samples ?? DEFAULT_SAMPLES } : {};
  return { loss, alpha: loss === 'blend' ? (alpha ?? 0.25) : 0, temperature, ...sampled };
}

/** The teacher's inputs, in addition to the student's fields. */
export const TEACHER_FIELDS = {
  inputIds: {
    name: 'teacher_input_ids',
    dtype: 'int32',
    rank: 2,
    meaning: 'what the teacher reads: source and target without a gap, or the uncorrupted text',
  },
  attentionMask: { name: 'teacher_attention_mask', dtype: 'int32', rank: 2, meaning: '1 for a token, 0 for padding' },
  positions: {
    name: 'teacher_positions',
    dtype: 'int32',
    rank: 2,
    meaning: 'for each label, the position at which the teacher predicts it',
  },
  segmentIds: { name: 'teacher_segment_ids', dtype: 'int32', rank: 2, optional: true, meaning: 'as segment_ids' },
  keys: { name: 'teacher_keys', dtype: 'int32', rank: 2, optional: true, meaning: "the key of each row's samples" },
} as const satisfies Record<string, FieldSpec>;

/** A decoder-only model whose next-token distributions the student learns from. Owns the teacher's parameters. */
export class Teacher implements TeacherTargets {
  readonly batchFields = Object.values(TEACHER_FIELDS);

  constructor(
    readonly model: Model,
    private readonly parameters: Parameters,
    readonly options: DistillationSettings,
  ) {}

  /** Throws DataError unless the teacher is decoder-only and both models have the same vocabulary size. */
  checkStudent(student: Model): void {
    checkTeacher(this.model, student);
  }

  /**
   * The teacher's fields for a student's batch. The teacher reads its start token, then source ++ target[:-1] without
   * padding in between, and predicts target j at the position before it. For a row with segments, the inputs of its
   * segments follow one another.
   *
   *     source [5, 6, 7], target [8, 9, 1], start 2
   *       teacher_input_ids [2, 5, 6, 7, 8, 9]
   *       teacher_positions [3, 4, 5]
   *
   * Of a corrupted text it reads the text as it was, once, whatever spans were drawn; a label that is not from it has
   * position 0, which the loss does not use:
   *
   *     text [5, 6, 7, 8, 9], target [99, 6, 7, 98, 9, 1]
   *       teacher_input_ids [2, 5, 6, 7, 8]
   *       teacher_positions [0, 1, 2, 0, 4, 0]
   */
  fields(
    batch: HostFields,
    padToMultipleOf: number,
    student: Model,
    randomOf: (row: number) => RandomStream,
  ): HostFields {
    const { labels, segment_ids: segments } = batch;
    if (segments) checkSegments({ segment_ids: segments }, this.model);
    const [rows, targetLength] = labels.shape;
    const positions = new Int32Array(rows * targetLength);
    const inputs: number[][] = Array.from({ length: rows }, () => []);
    const inputSegments: number[][] = Array.from({ length: rows }, () => []);
    const bos = teacherBos(this.model, student);
    for (const sequence of sequencesInBatch(batch, student)) {
      const { row, at, segment, indices } = sequence;
      const { input, first } = readByTeacher(sequence, bos);
      indices.forEach((index, j) => {
        if (index !== NO_ORIGIN) positions[row * targetLength + at + j] = inputs[row].length + first + index;
      });
      for (const id of input) {
        inputs[row].push(id);
        inputSegments[row].push(segment);
      }
    }
    // An uncorrupted text is padded to the length of the longest that its step may have.
    const least = batch.text_ids?.shape[1] ?? 0;
    const length = roundUp(Math.max(least, ...inputs.map((input) => input.length)), padToMultipleOf);
    return {
      teacher_input_ids: padRows(inputs, length, this.model.specialTokens.pad), // [B, L]
      teacher_attention_mask: paddingMask(inputs, length), // [B, L]
      teacher_positions: { dtype: 'int32', shape: labels.shape, values: positions }, // [B, T]
      ...(segments ? { teacher_segment_ids: padRows(inputSegments, length, 0) } : {}), // [B, L]
      ...(this.options.loss === 'gemma3' ? { teacher_keys: keysOf(rows, randomOf) } : {}), // [B, 2]
    };
  }

  /**
   * The teacher's logits for each label, at the temperature; with the loss `gemma3`, samples of them. If the model has
   * a separate output layer, logits are computed only for the requested labels.
   */
  targets(batch: BatchTensors): SoftTargets {
    const { loss, temperature, samples = DEFAULT_SAMPLES } = this.options;
    const head = teacherHead(this.model);
    const states = this.states(batch); // [B T, D or V]
    const logitsOf = (rows: tf.Tensor): tf.Tensor2D => {
      const logits = head.logits(this.parameters, rows);
      return temperature === 1 ? logits : tf.mul<tf.Tensor2D>(logits, 1 / temperature);
    };
    if (loss === 'gemma3')
      return knownTargets(sampledTargets(states, logitsOf, batch.teacher_keys as tf.Tensor2D, samples));
    const total = states.shape[0];
    return {
      slice(from, size, behind = []) {
        const all = behind.length > 0 ? orderAfter(states, behind) : states;
        return { logits: logitsOf(size === total ? all : tf.slice(all, [from, 0], [size, -1])) };
      },
    };
  }

  /**
   * The states from which the teacher predicts each label, [B T, D]; for a model without `head`, the logits [B T, V].
   */
  private states(batch: BatchTensors): tf.Tensor2D {
    const fields = {
      input_ids: batch.teacher_input_ids,
      attention_mask: batch.teacher_attention_mask,
      ...(batch.teacher_segment_ids ? { segment_ids: batch.teacher_segment_ids } : {}),
    };
    const [rows, length] = fields.input_ids.shape as [number, number];
    const all = teacherHead(this.model).rows(this.parameters, fields);
    // Gathers from one table with the rows of all sequences: tfjs's wasm backend gathers wrongly along a batch axis.
    const offsets = tf.range(0, rows, 1, 'int32').mul(length).expandDims(1); // [B, 1]
    const at = tf.add(batch.teacher_positions, offsets).reshape([-1]).toInt(); // [B T]
    return tf.gather(all, at as tf.Tensor1D);
  }

  dispose(): void {
    tf.dispose(this.parameters);
  }
}

/** Targets that are slices of tensors in memory. */
export function knownTargets({ tokens, logProbabilities, logRest }: TopK): SoftTargets {
  return {
    slice: (from, size) => ({
      tokens: tf.slice(tokens, [from, 0], [size, -1]) as tf.Tensor2D,
      logProbabilities: tf.slice(logProbabilities, [from, 0], [size, -1]) as tf.Tensor2D,
      logRest: tf.slice(logRest, from, size),
    }),
  };
}

/** int32 [rows, 2]: one key per row. */
function keysOf(rows: number, randomOf: (row: number) => RandomStream): HostArray {
  const values = new Int32Array(2 * rows);
  for (let row = 0; row < rows; row++) values.set(randomOf(row).fork(SAMPLES_STREAM).key(), 2 * row);
  return { dtype: 'int32', shape: [rows, 2], values };
}

/** Name of the random stream, forked from that of an example or a cached sequence, that draws a teacher's samples. */
export const SAMPLES_STREAM = 'teacher-samples';

/** Throws DataError unless the teacher is decoder-only and both models have the same vocabulary size. */
export function checkTeacher(teacher: Model, student: Model): void {
  if (teacher.kind !== 'decoder-only') {
    throw new DataError(`A teacher is a decoder-only model; this one is ${teacher.kind}.`, {
      code: 'distillation.teacher-kind',
      exitCode: 2,
    });
  }
  if (teacher.vocabularySize !== student.vocabularySize) {
    throw new DataError(
      `The teacher has a vocabulary of ${teacher.vocabularySize} tokens, the student of ${student.vocabularySize}; distillation needs the same.`,
      { code: 'distillation.vocabulary', exitCode: 2 },
    );
  }
}

/**
 * The start token of the teacher's input; undefined: none. The student's policy for its teacher decides; if that is
 * `auto`, the teacher's own policy does.
 */
export function teacherBos(teacher: Model, student: Model): number | undefined {
  const { bos } = specialTokenPolicy(student).teacher;
  return (bos === 'auto' ? readsBos(teacher, 'decoder') : bos) ? teacher.specialTokens.start : undefined;
}

/**
 * The teacher's input for a sequence, and the position in it that predicts the target's first token. The input is the
 * start token (unless the source begins with it), the source, and the target without its last token, after which
 * nothing is predicted. Throws DataError if a target has neither source nor start token before it.
 */
export function readByTeacher(
  { source, target }: Sequence,
  bos: number | undefined,
): { readonly input: Int32Array; readonly first: number } {
  const before = bos === undefined || source[0] === bos ? [] : [bos];
  const first = before.length + source.length - 1;
  if (first < 0 && target.length > 0) {
    throw new DataError(
      'A row has a target but no source, so the teacher has nothing to predict its first token from.',
      { code: 'distillation.no-source' },
    );
  }
  const input = new Int32Array(before.length + source.length + Math.max(0, target.length - 1));
  input.set(before);
  input.set(source, before.length);
  input.set(target.subarray(0, -1), before.length + source.length);
  return { input, first };
}

/** The teacher of a run. */
export async function loadTeacher(
  options: ResolvedDistillationOptions & { readonly teacher: string },
  context: ComponentContext,
): Promise<Teacher> {
  const { model, parameters } = await loadFrozenCheckpoint(options.teacher, context);
  return new Teacher(model, parameters, distillationSettings(options));
}
