/** Shapes: B batch, S source length, T target length, L teacher length, V vocabulary. */
import {
  buildModel,
  DataError,
  fillParameters,
  pathOption,
  readsBos,
  RUN,
  specialTokenPolicy,
  type BatchTensors,
  type ComponentContext,
  type ComponentFactory,
  type ComponentSpec,
  type FieldSpec,
  type HostFields,
  type Model,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import { labelWeights } from './cross-entropy';
import { paddingMask, padRows, roundUp } from './padding';
import { checkSegments } from './segments';
import { sequencesOf, type Sequence } from './sequences';

export const distillationOptions = z
  .strictObject({
    /** Folder of a decoder-only checkpoint with the student's vocabulary; with `cache`, the one that the cache must be of. */
    teacher: pathOption().optional(),
    /** Folder that `graft teacher cache` wrote: the teacher itself is not needed. */
    cache: pathOption().optional(),
    /** Weight of cross-entropy; the divergence has the rest. */
    alpha: z.number().min(0).max(1).default(0.25),
    /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size. */
    temperature: z.number().positive().default(1),
  })
  .refine(({ teacher, cache }) => teacher !== undefined || cache !== undefined, {
    error: 'expected `teacher`, `cache`, or both',
  });

export type DistillationOptions = z.output<typeof distillationOptions>;

/** Where a student's lessons come from: a teacher in memory, or what one said before. */
export interface Lessons {
  readonly options: Pick<DistillationOptions, 'alpha' | 'temperature'>;
  /** What `fields` adds to a batch. */
  readonly gives: readonly FieldSpec[];
  /** Throws DataError unless student and teacher speak of the same tokens. */
  checkStudent(student: Model): void;
  /** On the host: what the divergence needs beside the student's own fields. */
  fields(batch: HostFields, padToMultipleOf: number, student: Model): HostFields;
  /** KL(teacher || student), mean over the labels that count, times the temperature's square. logits [B, T, V]. Traceable. */
  divergence(logits: tf.Tensor3D, batch: BatchTensors): tf.Scalar;
  dispose(): void;
}

/** What the teacher reads, beside the student's fields. */
export const TEACHER_FIELDS = {
  inputIds: { name: 'teacher_input_ids', dtype: 'int32', rank: 2, meaning: 'source and target without a gap' },
  attentionMask: { name: 'teacher_attention_mask', dtype: 'int32', rank: 2, meaning: '1 for a token, 0 for padding' },
  positions: {
    name: 'teacher_positions',
    dtype: 'int32',
    rank: 2,
    meaning: 'for each label, the position at which the teacher predicts it',
  },
  segmentIds: { name: 'teacher_segment_ids', dtype: 'int32', rank: 2, optional: true, meaning: 'as segment_ids' },
} as const satisfies Record<string, FieldSpec>;

/** A decoder-only model whose next-token distributions the student learns from. Owns the teacher's parameters. */
export class Teacher implements Lessons {
  readonly gives = Object.values(TEACHER_FIELDS);

  constructor(
    readonly model: Model,
    private readonly parameters: Parameters,
    readonly options: Pick<DistillationOptions, 'alpha' | 'temperature'>,
  ) {}

  /** Throws DataError unless the two models speak of the same tokens. */
  checkStudent(student: Model): void {
    checkTeacher(this.model, student);
  }

  /**
   * The teacher's fields for a student's batch: it reads source ++ target[:-1] without padding between, behind its own start
   * token, and predicts target j at the position before it.
   *
   * Of a row with segments each is such a sequence, one behind the other.
   *
   *     source [5, 6, 7], target [8, 9, 1], start 2
   *       teacher_input_ids [2, 5, 6, 7, 8, 9]
   *       teacher_positions [3, 4, 5]
   */
  fields(batch: HostFields, padToMultipleOf: number, student: Model): HostFields {
    const { labels, segment_ids: segments } = batch;
    if (segments) checkSegments({ segment_ids: segments }, this.model);
    const [rows, targetLength] = labels.shape;
    const positions = new Int32Array(rows * targetLength);
    const inputs: number[][] = Array.from({ length: rows }, () => []);
    const inputSegments: number[][] = Array.from({ length: rows }, () => []);
    const bos = teacherBos(this.model, student);
    for (const sequence of sequencesOf(batch, student)) {
      const { row, at, segment, target } = sequence;
      const { input, first } = readByTeacher(sequence, bos);
      target.forEach((_, j) => (positions[row * targetLength + at + j] = inputs[row].length + first + j));
      for (const id of input) {
        inputs[row].push(id);
        inputSegments[row].push(segment);
      }
    }
    const length = roundUp(Math.max(...inputs.map((input) => input.length)), padToMultipleOf);
    return {
      teacher_input_ids: padRows(inputs, length, this.model.specialTokens.pad), // [B, L]
      teacher_attention_mask: paddingMask(inputs, length), // [B, L]
      teacher_positions: { dtype: 'int32', shape: labels.shape, values: positions }, // [B, T]
      ...(segments ? { teacher_segment_ids: padRows(inputSegments, length, 0) } : {}), // [B, L]
    };
  }

  /**
   * Forward divergence KL(teacher || student) of the next-token distributions, mean over labels that count (quirk 14).
   * logits: the student's [B, T, V]. Traceable; no gradient flows into the teacher.
   */
  divergence(logits: tf.Tensor3D, batch: BatchTensors): tf.Scalar {
    const { temperature } = this.options;
    const { logits: all } = this.model.forward(this.parameters, {
      input_ids: batch.teacher_input_ids,
      attention_mask: batch.teacher_attention_mask,
      ...(batch.teacher_segment_ids ? { segment_ids: batch.teacher_segment_ids } : {}),
    }); // [B, L, V]
    // Rows of all sequences in one table: tfjs's wasm backend gathers wrongly along a batch axis.
    const [rows, length, vocabulary] = all.shape;
    const offsets = tf.range(0, rows, 1, 'int32').mul(length).expandDims(1); // [B, 1]
    const at = tf.add(batch.teacher_positions, offsets).toInt(); // [B, T]
    const taught = tf.gather(all.reshape([rows * length, vocabulary]), at as tf.Tensor2D); // [B, T, V]
    const teacherLog = tf.logSoftmax(tf.mul(taught, 1 / temperature));
    const studentLog = tf.logSoftmax(tf.mul(logits, 1 / temperature));
    const perToken = tf.sum(tf.mul(tf.exp(teacherLog), tf.sub(teacherLog, studentLog)), -1); // [B, T]
    const { weights } = labelWeights(batch.labels, batch.label_weights); // [B T]
    const mean = tf.sum(tf.mul(perToken.reshape([-1]), weights));
    return tf.mul(mean, temperature * temperature).asScalar();
  }

  dispose(): void {
    tf.dispose(this.parameters);
  }
}

/** Throws DataError unless the teacher is decoder-only and both speak of the same tokens. */
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
 * The start token that a teacher's input begins with; undefined: none. The student's policy decides where it speaks of its
 * teacher, else the teacher's own.
 */
export function teacherBos(teacher: Model, student: Model): number | undefined {
  const { bos } = specialTokenPolicy(student).teacher;
  return (bos === 'auto' ? readsBos(teacher, 'decoder') : bos) ? teacher.specialTokens.start : undefined;
}

/**
 * What a teacher reads of a sequence, and at which position of it the target's first token is predicted: start token, source,
 * and target without its last token, behind which nothing is predicted. Throws DataError where nothing stands before a target.
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

export interface LoadedTeacher {
  readonly model: Model;
  readonly parameters: Parameters;
}

/** Loads a teacher through the same components that a run's own model comes from. The caller disposes the parameters. */
export async function loadTeacherModel(
  folder: string,
  components: ComponentFactory,
  family: ComponentSpec,
  random: RandomStream,
): Promise<LoadedTeacher> {
  const initializer = await components.create('initializer', { use: 'load', path: folder });
  const { use } = family;
  const model = buildModel(await components.create('model', { use }), await initializer.checkpointConfig());
  return { model, parameters: await fillParameters(model, initializer, random.fork('teacher')) };
}

/** The teacher of a run. */
export async function loadTeacher(
  options: DistillationOptions & { readonly teacher: string },
  context: ComponentContext,
): Promise<Teacher> {
  const { components, random } = context;
  const { model: family } = context.resolve(RUN).config as unknown as { model: ComponentSpec };
  const { model, parameters } = await loadTeacherModel(options.teacher, components, family, random);
  return new Teacher(model, parameters, options);
}

/**
 * An objective's section without its teachers, those of a mixture's parts included; and the distillations that were there, each
 * with the variant of the objective that it belongs to.
 */
export function withoutTeachers(
  spec: ComponentSpec,
  variant?: string,
): {
  readonly spec: ComponentSpec;
  readonly teachers: readonly { variant?: string; distillation: DistillationOptions }[];
} {
  const { use } = spec;
  const isOwn = (id: string): boolean => use === id || use === `@graft/objectives/${id}`;
  if (isOwn('prefix-lm')) {
    const { distillation, ...rest } = spec as ComponentSpec & { distillation?: DistillationOptions };
    return { spec: rest, teachers: distillation ? [{ variant, distillation }] : [] };
  }
  if (!isOwn('mixture')) return { spec, teachers: [] };
  const parts = (
    spec as ComponentSpec & { objectives: readonly { objective: ComponentSpec; name?: string }[] }
  ).objectives.map((part) => {
    const name = part.name ?? part.objective.use.split('/').pop()!;
    const { spec: objective, teachers } = withoutTeachers(
      part.objective,
      variant === undefined ? name : `${variant}/${name}`,
    );
    return { part: { ...part, objective }, teachers };
  });
  return {
    spec: { ...spec, objectives: parts.map(({ part }) => part) },
    teachers: parts.flatMap(({ teachers }) => teachers),
  };
}
