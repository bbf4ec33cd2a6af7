import type { Objective } from '@graft/core';
import type { ResolvedDistillationOptions } from './distillation';

/** A teacher of an objective, and its place in the objective's section of the config. */
export interface ObjectiveTeacher {
  /** The variant of the objective whose batches the teacher reads, with all its own; undefined: all batches. */
  readonly variant?: string;
  /** Path of keys and indices from the objective's section to the teacher's: `['distillation']`. */
  readonly section: readonly (string | number)[];
  readonly distillation: ResolvedDistillationOptions;
}

/**
 * An objective that learns from teachers, and lists them even if it was created only to make batches and has not loaded
 * them. `graft teacher cache` knows nothing else about it.
 */
export interface TaughtObjective extends Objective {
  readonly teachers: readonly ObjectiveTeacher[];
}

export function teachersOf(objective: Objective): readonly ObjectiveTeacher[] {
  return (objective as Partial<TaughtObjective>).teachers ?? [];
}

/** Separates a variant of an objective from the variants of that variant: `ul2/R-X`. */
export const VARIANT_SEPARATOR = '/';

/** Whether the teacher reads the batches of a variant. */
export function readsVariant({ variant: taught }: ObjectiveTeacher, variant: string | undefined): boolean {
  return taught === undefined || variant === taught || Boolean(variant?.startsWith(`${taught}${VARIANT_SEPARATOR}`));
}

/** An objective's section without its teachers' sections. All other keys keep their order. */
export function withoutTeachers<T>(section: T, teachers: readonly ObjectiveTeacher[]): T {
  return teachers.reduce<unknown>((rest, teacher) => without(rest, teacher.section), section) as T;
}

function without(value: unknown, [key, ...inner]: readonly (string | number)[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown, i) => (i === key ? without(item, inner) : item));
  const entries = Object.entries(value);
  return Object.fromEntries(
    inner.length === 0
      ? entries.filter(([name]) => name !== key)
      : entries.map(([name, own]) => [name, name === key ? without(own, inner) : own]),
  );
}
