/** Which models are worth having: those that no other beats in quality without costing more. */
import type { MeanInterval } from '@graft/core';
import type { Axis, ComparedModel } from './models';

/** How much better `a` is than `b` on an axis: positive if better. */
function advantage({ key, better }: Axis, a: ComparedModel, b: ComparedModel): number | undefined {
  const [own, other] = [a.values.get(key)?.mean, b.values.get(key)?.mean];
  if (own === undefined || other === undefined) return undefined;
  return better === 'less' ? other - own : own - other;
}

/**
 * Whether `a` dominates `b`: at least as good on every axis that both have, better on one. Both must have the first axis,
 * and another one. By means, whatever their intervals.
 */
export function dominates(axes: readonly Axis[], a: ComparedModel, b: ComparedModel): boolean {
  const differences = axes.map((axis) => advantage(axis, a, b));
  if (differences[0] === undefined) return false;
  const known = differences.filter((difference) => difference !== undefined);
  return known.length > 1 && known.every((one) => one >= 0) && known.some((one) => one > 0);
}

/** The models with both axes that no other dominates in them, cheapest first. */
export function frontier(quality: Axis, cost: Axis, models: readonly ComparedModel[]): ComparedModel[] {
  const placed = models.filter(({ values }) => values.has(quality.key) && values.has(cost.key));
  return placed
    .filter((one) => !placed.some((other) => dominates([quality, cost], other, one)))
    .sort((a, b) => -(advantage(cost, a, b) ?? 0));
}

/** Whether the intervals overlap; undefined if one is unknown. */
export function overlap(a: MeanInterval | undefined, b: MeanInterval | undefined): boolean | undefined {
  if (a?.low === undefined || a.high === undefined || b?.low === undefined || b.high === undefined) return undefined;
  return a.low <= b.high && b.low <= a.high;
}
