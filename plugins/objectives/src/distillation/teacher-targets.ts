/** Shapes: C requested labels, V vocabulary. */
import type { BatchTensors, FieldSpec, HostFields, Model, RandomStream } from '@graft/core';
import type { tf } from '@graft/engine';
import type { TopK } from '../loss/top-k-divergence';

export const DISTILLATION_LOSSES = ['blend', 'gemma2', 'gemma3'] as const;

/** The student's loss, with defaults applied. */
export interface DistillationSettings {
  /** Default blend. */
  readonly loss?: (typeof DISTILLATION_LOSSES)[number];
  /** 0 for losses other than `blend`. */
  readonly alpha: number;
  readonly temperature: number;
  /** For `gemma3`. Default 256. */
  readonly samples?: number;
}

/**
 * A teacher's predictions for some labels: its logits [C, V], already divided by the temperature, or the known part of
 * its distributions.
 */
export type SoftTarget = { readonly logits: tf.Tensor2D } | TopK;

/** A teacher's predictions for all labels. */
export interface SoftTargets {
  /** The predictions for labels from..from+size-1. They are computed only after `behind`. */
  slice(from: number, size: number, behind?: readonly tf.Tensor[]): SoftTarget;
}

/** Source of a student's targets: a teacher in memory, or a cache of its predictions. */
export interface TeacherTargets {
  readonly options: DistillationSettings;
  /** The fields that `fields` adds to a batch. */
  readonly batchFields: readonly FieldSpec[];
  /** Throws DataError unless student and teacher have the same vocabulary size. */
  checkStudent(student: Model): void;
  /**
   * On the host: the fields that the loss needs in addition to the student's own. `randomOf`: a stream for each row of
   * the batch.
   */
  fields(
    batch: HostFields,
    padToMultipleOf: number,
    student: Model,
    randomOf: (row: number) => RandomStream,
  ): HostFields;
  /** The teacher's predictions for all labels, at the temperature. Traceable. */
  targets(batch: BatchTensors): SoftTargets;
  dispose(): void;
}
