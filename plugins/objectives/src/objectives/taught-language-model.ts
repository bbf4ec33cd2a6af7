import {
  DataError,
  exampleRandom,
  type BatchTensors,
  type ComponentContext,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type ObjectiveContext,
  type Parameters,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { cacheFingerprint, checkpointFingerprint } from '../distillation/cache-format';
import { openCachedTeacher } from '../distillation/cached-teacher';
import { loadTeacher, type ResolvedDistillationOptions } from '../distillation/distillation';
import { distillationLoss } from '../distillation/distillation-loss';
import type { ObjectiveTeacher, TaughtObjective } from '../distillation/taught-objective';
import type { TeacherTargets } from '../distillation/teacher-targets';
import { ENCODER_DECODER_FIELDS, optional } from '../batch/fields';
import type { LossSettings } from '../loss/language-model-loss';
import { LanguageModelObjective } from './language-model-objective';

/** The options of an objective that may have a teacher. */
export interface TaughtOptions extends LossSettings {
  readonly distillation?: ResolvedDistillationOptions;
}

/**
 * An objective of encoder-decoder models that learns from a teacher if it was given one: from its distributions, and
 * from the labels. Owns the teacher.
 */
export abstract class TaughtLanguageModelObjective<Options extends TaughtOptions>
  extends LanguageModelObjective<Options>
  implements TaughtObjective
{
  readonly modelKind = 'encoder-decoder';
  readonly batchFields: readonly FieldSpec[];
  readonly teachers: readonly ObjectiveTeacher[];

  /**
   * `ownFields`: fields of its batches besides those of every encoder-decoder batch and the teacher's. Throws DataError
   * if an option of the labels' cross-entropy is set where that has no part in the loss.
   */
  constructor(
    options: Options,
    protected readonly teacher: TeacherTargets | undefined,
    ownFields: readonly FieldSpec[] = [],
  ) {
    super(options);
    const { distillation } = options;
    this.teachers = distillation ? [{ section: ['distillation'], distillation }] : [];
    if (teacher) checkIdleOptions(options, teacher.options);
    this.batchFields = [...ENCODER_DECODER_FIELDS, ...ownFields, ...(teacher?.batchFields ?? []).map(optional)];
  }

  /** The batch, with the fields that the teacher's targets need. */
  protected withTeacher(batch: HostFields, padToMultipleOf: number, context: ObjectiveContext): HostFields {
    return { ...batch, ...this.teacherFields(batch, padToMultipleOf, context) };
  }

  /** The fields that the teacher's targets for this batch need; an evaluation measures only the cross-entropy. */
  protected teacherFields(batch: HostFields, padToMultipleOf: number, context: ObjectiveContext): HostFields {
    if (!this.teacher || context.step === undefined) return {};
    const { model } = context;
    this.teacher.checkStudent(model);
    return this.teacher.fields(batch, padToMultipleOf, model, (row) => exampleRandom(context, row));
  }

  override loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    if (!this.teacher || !options.training) return super.loss(model, parameters, batch, options);
    return distillationLoss(model, parameters, batch, options, this.options, this.teacher);
  }

  async fileDigests(): Promise<Record<string, string>> {
    const { teacher, cache } = this.options.distillation ?? {};
    return {
      ...(teacher !== undefined && { [`the teacher ${teacher}`]: await checkpointFingerprint(teacher) }),
      ...(cache !== undefined && { [`the teacher's cache ${cache}`]: await cacheFingerprint(cache) }),
    };
  }

  dispose(): void {
    this.teacher?.dispose();
  }
}

function checkIdleOptions(options: LossSettings, { alpha, loss = 'blend' }: TeacherTargets['options']): void {
  const idle = (['labelSmoothing', 'zLoss'] as const).find((name) => (options[name] ?? 0) > 0);
  if (alpha !== 0 || !idle) return;
  throw new DataError(
    `objective.${idle} is of the labels' cross-entropy, which has no part in the loss with distillation.${loss === 'blend' ? 'alpha 0' : `loss ${loss}`}.`,
    { code: 'distillation.idle-option', exitCode: 2, hint: `Leave ${idle} out.` },
  );
}

/** The teacher of an objective, in memory or cached; undefined without one, and where only training needs it. */
export async function openTeacher(context: ComponentContext<TaughtOptions>): Promise<TeacherTargets | undefined> {
  const { options, purpose } = context;
  const { distillation } = options;
  if (!distillation || purpose !== 'training') return undefined;
  const { teacher, cache } = distillation;
  if (cache !== undefined) return openCachedTeacher({ ...distillation, cache });
  return teacher === undefined ? undefined : loadTeacher({ ...distillation, teacher }, context);
}
