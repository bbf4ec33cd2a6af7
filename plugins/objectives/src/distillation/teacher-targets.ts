/** Shapes: C labels at a time, V vocabulary. */
import type { BatchTensors, FieldSpec, HostFields, Model, RandomStream } from '@graft/core';
import type { tf } from '@graft/engine';
import type { TopK } from '../loss/top-k-divergence';

export const DISTILLATION_LOSSES = ['blend', 'gemma2', 'gemma3'] as const;

/** How the student learns, with nothing left open. */
export interface DistillationSettings {
  /** Default blend. */
  readonly loss?: (typeof DISTILLATION_LOSSES)[number];
  /** 0 for any other loss than `blend`. */
  readonly alpha: number;
  readonly temperature: number;
  /** Of `gemma3`. Default 256. */
  readonly samples?: number;
}

/** A teacher's predictions for some labels: its logits [C, V] with the temperature in them, or what is known of its distributions. */
export type SoftTarget = { readonly logits: tf.Tensor2D } | TopK;

/** A teacher's predictions for all labels. */
export interface SoftTargets {
  /** Of labels from..from+size-1. Not computed before `behind` is. */
  slice(from: number, size: number, behind?: readonly tf.Tensor[]): SoftTarget;
}

/** Where a student's targets come from: a teacher in memory, or a cache of its predictions. */
export interface TeacherTargets {
  readonly options: DistillationSettings;
  /** What `fields` adds to a batch. */
  readonly batchFields: readonly FieldSpec[];
  /** Throws DataError unless student and teacher speak of the same tokens. */
  checkStudent(student: Model): void;
  /** On the host: what the loss needs beside the student's own fields. `randomOf`: a stream for each row of the batch. */
  fields(
    batch: HostFields,
    padToMultipleOf: number,
    student: Model,
    randomOf: (row: number) => RandomStream,
  ): HostFields;
  /** What the student is to learn, label by label, at the temperature. Traceable. */
  targets(batch: BatchTensors): SoftTargets;
  dispose(): void;
}
