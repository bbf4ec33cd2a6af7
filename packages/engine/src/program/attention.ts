/**
 * Attention as one operation, forward and backward. Shapes: B batch, T queries, S keys, H query heads, K key/value
 * heads, C head dimension.
 */
import { attribute, intOf, type Attributes } from './attributes';
import type { ValueType } from './program';
import { expectRank, input, required, ShapeError, shapeText, type Call, type Operations } from './operations/operation';

/** Which keys a query sees by numbers of theirs, int32 [B, S]: all, those that are not 0, or those that equal its own. */
export type SeenKeys = 'all' | 'nonzero' | 'equal';

/** What an attention computes besides its shapes. */
export interface AttentionRule {
  /** Scores are cap * tanh(q k); undefined: q k. */
  readonly cap?: number;
  /** A key at j is seen by a query at i where -ahead <= i - j <= behind; undefined: without a limit. */
  readonly ahead?: number;
  readonly behind?: number;
  readonly sees: SeenKeys;
}

/** Inputs q [B, T, H, C], k, v [B, S, K, C], and numbers; results y [B, T, H, C] and the sums' logarithms [B, H, T]. */
export const ATTENTION = 'GraftAttention';
/** Inputs q, k, v, dy, logarithms, deltas [B, H, T] (sums of dy * y), and numbers; results dq, or dk and dv. */
export const QUERY_GRADIENT = 'GraftAttentionQueryGradient';
export const KEY_GRADIENT = 'GraftAttentionKeyGradient';

const UNLIMITED = -1;

export function attributesOfRule({ cap, ahead, behind, sees }: AttentionRule): Attributes {
  return {
    cap: { kind: 'float', value: cap ?? 0 },
    ahead: intOf(ahead ?? UNLIMITED),
    behind: intOf(behind ?? UNLIMITED),
    sees: { kind: 'string', value: sees },
  };
}

export function ruleOf(attributes: Attributes): AttentionRule {
  const limit = (name: string): number | undefined => {
    const value = attribute(attributes, name, 'int');
    return value === undefined || value === UNLIMITED ? undefined : value;
  };
  const cap = attribute(attributes, 'cap', 'float');
  return {
    ...(cap && { cap }),
    ahead: limit('ahead'),
    behind: limit('behind'),
    sees: (attribute(attributes, 'sees', 'string') ?? 'all') as SeenKeys,
  };
}

/** The sizes of an attention by its inputs q [B, T, H, C] and k [B, S, K, C]. */
export function sizesOf(q: ValueType, k: ValueType): AttentionSizes {
  const [batch, queries, heads, headDim] = q.shape;
  return { batch, queries, keys: k.shape[1], heads, keyValueHeads: k.shape[2], headDim };
}

/** The sizes of an attention, as the shapes name them. */
export interface AttentionSizes {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
}

function checked(call: Call, numbersAt: number): AttentionSizes {
  const [q, k, v] = [0, 1, 2].map((at) => input(call, at));
  for (const value of [q, k, v]) expectRank(value, 4, 'queries, keys and values');
  const sizes = sizesOf(q, k);
  const { batch, queries, keys, heads, keyValueHeads, headDim } = sizes;
  const expected = shapeText([batch, keys, keyValueHeads, headDim]);
  for (const value of [k, v])
    if (shapeText(value.shape) !== expected)
      throw new ShapeError(`its keys and values must be ${expected}, not ${shapeText(value.shape)}.`);
  if (heads % keyValueHeads !== 0)
    throw new ShapeError(`its ${heads} query heads cannot share ${keyValueHeads} key/value heads evenly.`);
  const { sees } = ruleOf(call.attributes);
  required(call, 'sees', 'string');
  const numbers = [...(sees === 'all' ? [] : [[batch, keys]]), ...(sees === 'equal' ? [[batch, queries]] : [])];
  numbers.forEach((shape, i) => {
    const given = input(call, numbersAt + i);
    if (given.dtype !== 'int32' || given.shape.join() !== shape.join())
      throw new ShapeError(
        `its numbers must be int32 ${shapeText(shape)}, not ${given.dtype} ${shapeText(given.shape)}.`,
      );
  });
  return sizes;
}

/** The shape rules. */
export const attention: Operations = {
  [ATTENTION]: {
    infer: (call) => {
      const { batch, heads, queries } = checked(call, 3);
      return [input(call, 0), { dtype: 'float32', shape: [batch, heads, queries] }];
    },
  },
  [QUERY_GRADIENT]: {
    infer: (call) => {
      checked(call, 6);
      return [input(call, 0)];
    },
  },
  [KEY_GRADIENT]: {
    infer: (call) => {
      checked(call, 6);
      return [input(call, 1), input(call, 2)];
    },
  },
};
