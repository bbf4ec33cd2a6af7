import type { FieldSpec } from '@graft/core';
import { ExactNumber } from '@graft/core/internal';
import { RowProblem, type Row } from './rows';
import { valueAt } from './template';

export const WEIGHTS_FIELD: FieldSpec = {
  name: 'weights',
  dtype: 'float32',
  rank: 1,
  meaning: 'how much each token counts as a label; 0: not at all',
};

/**
 * Weights of a text's tokens: `key` has a number for all of them, or a list with one for each, with the end of sequence
 * or without it (then its weight is 1). Throws RowProblem.
 *
 *     {"answer": "abc", "weights": [0, 1, 0.5]}, one token per letter   ->   [0, 1, 0.5, 1]
 */
export function weightsAt(object: Row, key: string, tokens: number, eos: boolean): Float32Array {
  const value = valueAt(object, key);
  const list = [value]
    .flat()
    .map((weight: unknown) => (typeof weight === 'bigint' || weight instanceof ExactNumber ? Number(weight) : weight));
  if (!list.every((weight) => typeof weight === 'number' && weight >= 0 && weight < Infinity))
    throw new RowProblem(`should have a number of at least 0, or a list of them, under "${key}"`);
  const weights = list as number[];
  if (!Array.isArray(value)) return new Float32Array(tokens).fill(weights[0]);
  if (eos && weights.length === tokens - 1) return Float32Array.of(...weights, 1);
  if (weights.length === tokens) return Float32Array.from(weights);
  const expected = eos ? `${tokens - 1} tokens and an end of sequence` : `${tokens} tokens`;
  throw new RowProblem(`has ${weights.length} weights under "${key}" for ${expected}`);
}
