/** Shapes: B batch, S source length, T target length, L teacher length, V vocabulary. */
import {
  DataError,
  fillParameters,
  IGNORED_LABEL,
  pathOption,
  RUN,
  type BatchTensors,
  type ComponentContext,
  type ComponentSpec,
  type FieldSpec,
  type HostFields,
  type Model,
  type Parameters,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import { paddingMask, padRows, roundUp } from './padding';
import { checkSegments } from './segments';

export const distillationOptions = z.strictObject({
  /** Folder of a decoder-only checkpoint with the student's vocabulary. */
  teacher: pathOption(),
  /** Weight of cross-entropy; the divergence has the rest. */
  alpha: z.number().min(0).max(1).default(0.25),
  /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size. */
  temperature: z.number().positive().default(1),
});

export type DistillationOptions = z.output<typeof distillationOptions>;

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
export class Teacher {
  constructor(
    readonly model: Model,
    private readonly parameters: Parameters,
    readonly options: Pick<DistillationOptions, 'alpha' | 'temperature'>,
  ) {}

  /** Throws DataError unless the two models speak of the same tokens. */
  checkStudent(student: Model): void {
    if (this.model.kind !== 'decoder-only') {
      throw new DataError(`A teacher is a decoder-only model; this one is ${this.model.kind}.`, {
        code: 'distillation.teacher-kind',
        exitCode: 2,
      });
    }
    if (this.model.vocabularySize !== student.vocabularySize) {
      throw new DataError(
        `The teacher has a vocabulary of ${this.model.vocabularySize} tokens, the student of ${student.vocabularySize}; distillation needs the same.`,
        { code: 'distillation.vocabulary', exitCode: 2 },
      );
    }
  }

  /**
   * The teacher's fields for a student's batch: it reads source ++ target[:-1] without padding between, and predicts
   * target j at the position before it.
   *
   * Of a row with segments each is such a sequence, one behind the other.
   *
   *     source [5, 6, 7], target [8, 9, 1]
   *       teacher_input_ids [5, 6, 7, 8, 9]
   *       teacher_positions [2, 3, 4]
   */
  fields(batch: HostFields, padToMultipleOf: number): HostFields {
    const { input_ids: ids, attention_mask: mask, labels } = batch;
    const [rows, sourceLength] = ids.shape;
    const targetLength = labels.shape[1];
    const inputs: number[][] = [];
    const inputSegments: number[][] = [];
    const positions = new Int32Array(rows * targetLength);
    const { segment_ids: segments, decoder_segment_ids: targetSegments } = batch;
    if (segments) checkSegments({ segment_ids: segments }, this.model);
    for (let row = 0; row < rows; row++) {
      const sequence: number[] = [];
      const numbers: number[] = [];
      const ofRow = segments?.values.subarray(row * sourceLength, (row + 1) * sourceLength);
      for (const id of new Set(ofRow ? [...ofRow].filter((one) => one !== 0) : [1])) {
        const begins = sequence.length;
        for (let i = row * sourceLength; i < (row + 1) * sourceLength; i++)
          if (mask.values[i] !== 0 && (segments?.values[i] ?? id) === id) sequence.push(ids.values[i]);
        for (let i = row * targetLength; i < (row + 1) * targetLength; i++) {
          if (labels.values[i] === IGNORED_LABEL || (targetSegments?.values[i] ?? id) !== id) continue;
          positions[i] = sequence.length > begins ? sequence.length - 1 : -1;
          sequence.push(labels.values[i]);
        }
        while (numbers.length < sequence.length) numbers.push(id);
      }
      // Nothing is predicted behind the last target.
      inputs.push(sequence.slice(0, -1));
      inputSegments.push(numbers.slice(0, -1));
    }
    if (positions.some((position) => position < 0)) {
      throw new DataError(
        'A row has a target but no source, so the teacher has nothing to predict its first token from.',
        {
          code: 'distillation.no-source',
        },
      );
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
    const counted = tf.notEqual(batch.labels, IGNORED_LABEL).toFloat(); // [B, T]
    const mean = tf.div(tf.sum(tf.mul(perToken, counted)), tf.maximum(tf.sum(counted), 1));
    return tf.mul(mean, temperature * temperature).asScalar();
  }

  dispose(): void {
    tf.dispose(this.parameters);
  }
}

/** Loads the teacher through the same components that a run's own model comes from. */
export async function loadTeacher(options: DistillationOptions, context: ComponentContext): Promise<Teacher> {
  const { components, random } = context;
  const { model: spec } = context.resolve(RUN).config as unknown as { model: ComponentSpec };
  const initializer = await components.create('initializer', { use: 'load', path: options.teacher });
  const family = await components.create('model', { use: spec.use });
  const model = family.build(await initializer.checkpointConfig());
  return new Teacher(model, await fillParameters(model, initializer, random.fork('teacher')), options);
}
