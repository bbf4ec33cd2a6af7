import { DataError } from '@graft/core';
import type { ClassificationResult } from './task';

/** The class with the highest probability, and of equals the first; -1, which is always wrong, if one is NaN. */
export function predictedClass({ probabilities }: ClassificationResult): number {
  let best = 0;
  for (let i = 0; i < probabilities.length; i++) if (!Number.isFinite(probabilities[i])) return -1;
  for (let i = 1; i < probabilities.length; i++) if (probabilities[i] > probabilities[best]) best = i;
  return best;
}

/** Throws DataError for no values. */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new DataError('There are no predictions to be scored.', { code: 'superglue.empty' });
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Fraction of the most frequent value. */
export function largestShare(values: readonly unknown[]): number {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Math.max(...counts.values()) / values.length;
}

const isRight = (result: ClassificationResult): boolean => predictedClass(result) === result.example.label;

/** Fraction of examples whose class was predicted. Throws DataError for an empty set. */
export function accuracy(results: readonly ClassificationResult[]): number {
  return mean(results.map((result) => Number(isRight(result))));
}

/** F1 of one class: the harmonic mean of its precision and recall; 0 if it is neither predicted nor present. */
export function f1(results: readonly ClassificationResult[], positive: number): number {
  let both = 0;
  let either = 0;
  for (const result of results) {
    const [predicted, actual] = [predictedClass(result) === positive, result.example.label === positive];
    both += Number(predicted && actual);
    either += Number(predicted) + Number(actual);
  }
  return either === 0 ? 0 : (2 * both) / either;
}

/** Mean of the classes' F1, with equal weights. */
export function meanF1(results: readonly ClassificationResult[], classes: number): number {
  return mean(Array.from({ length: classes }, (_, positive) => f1(results, positive)));
}

function groups(results: readonly ClassificationResult[]): ClassificationResult[][] {
  const byGroup = new Map<string, ClassificationResult[]>();
  for (const result of results) {
    const group = result.example.group ?? result.example.id;
    byGroup.set(group, [...(byGroup.get(group) ?? []), result]);
  }
  return [...byGroup.values()];
}

/** Fraction of groups whose examples all have one prediction. */
export function allAlike(results: readonly ClassificationResult[]): number {
  return mean(groups(results).map((group) => Number(new Set(group.map(predictedClass)).size === 1)));
}

/** Fraction of groups in which every example is right. */
export function allRight(results: readonly ClassificationResult[]): number {
  return mean(groups(results).map((group) => Number(group.every(isRight))));
}

/**
 * Fraction of groups in which the example with the highest probability of class 1 is of that class; of equals the
 * first.
 */
export function topIsRight(results: readonly ClassificationResult[]): number {
  return mean(
    groups(results).map((group) => {
      if (group.some((result) => predictedClass(result) < 0)) return 0;
      const top = group.reduce((best, result) => (result.probabilities[1] > best.probabilities[1] ? result : best));
      return Number(top.example.label === 1);
    }),
  );
}

/**
 * Matthews' correlation of two classes, from -1 to 1: that of prediction and class as numbers 0 and 1; 0 if either is the
 * same everywhere. `pairs`: what was predicted, and what is right. Throws DataError for an empty set.
 */
export function matthews(pairs: readonly (readonly [predicted: boolean, right: boolean])[]): number {
  const predicted = mean(pairs.map(([own]) => Number(own)));
  const right = mean(pairs.map(([, own]) => Number(own)));
  const both = mean(pairs.map(([own, other]) => Number(own && other)));
  const variances = predicted * (1 - predicted) * right * (1 - right);
  return variances === 0 ? 0 : (both - predicted * right) / Math.sqrt(variances);
}
