/** Which keys an attention's queries see, as data. Shapes as in layers.ts: B batch, T queries, S keys. */
import { tf } from '@graft/engine';
import type { LayerType } from './config-types';
import { MASKED, outOfReach, type AttentionSpan, type Block, type RowMasks, type SideSpans } from './masks';

/** Positions and numbers, both of which must allow a key. */
export interface AttentionMask {
  /** Default: every distance. */
  readonly span?: AttentionSpan;
  /** int32 [B, S]: keys with 0 are not seen; with `queryNumbers`, those with another number than the query's. */
  readonly keyNumbers?: tf.Tensor;
  /** int32 [B, T] */
  readonly queryNumbers?: tf.Tensor;
}

/** Of the layers of a side, by their kind. */
export type SideRules = Readonly<Record<LayerType, AttentionMask>>;

/** Never a segment's number, nor 0. */
const PADDING = -1;

/** Numbers of keys by the restrictions of their rows: those of their segments, or ones; padding has its own. */
function numbersOf({ attention, segments }: RowMasks): tf.Tensor | undefined {
  if (!attention || !segments) return segments ?? attention;
  return tf.where(tf.equal(attention, 0), tf.fill(segments.shape, PADDING, 'int32'), segments);
}

function selfNumbers(masks: RowMasks): Omit<AttentionMask, 'span'> {
  const keyNumbers = numbersOf(masks);
  return { ...(keyNumbers && { keyNumbers }), ...(masks.segments && { queryNumbers: masks.segments }) };
}

/** As `sideMasks` of masks.ts. */
export function sideRules(spans: SideSpans, masks: RowMasks = {}): SideRules {
  const numbers = selfNumbers(masks);
  const ruleOf = (span: AttentionSpan | undefined): AttentionMask => ({ ...numbers, ...(span && { span }) });
  return { full_attention: ruleOf(spans.full_attention), sliding_attention: ruleOf(spans.sliding_attention) };
}

/** As `crossMask` of masks.ts. */
export function crossRule(source: RowMasks, target: RowMasks): AttentionMask {
  const byTarget = source.segments && target.segments;
  const keyNumbers = byTarget ? numbersOf(source) : source.attention;
  return { ...(keyNumbers && { keyNumbers }), ...(byTarget && { queryNumbers: target.segments }) };
}

/** The keys that queries of a block can see by their positions alone: as few as a block of keys can have. */
export function keysInReach(
  { span }: AttentionMask,
  firstQuery: number,
  queries: number,
  keys: number,
): Pick<Block, 'firstKey' | 'keys'> {
  if (!span) return { firstKey: 0, keys };
  const firstKey = Math.max(0, Math.min(keys - 1, firstQuery - span.behind));
  const end = Math.min(keys, Math.max(firstKey + 1, firstQuery + queries + span.ahead));
  return { firstKey, keys: end - firstKey };
}

/**
 * 0 where a key is seen, the lowest float elsewhere: [B or 1, 1, 1, 1 or queries, keys], undefined if all are seen. The
 * numbers of the mask are those of the block.
 */
export function additiveMask({ span, keyNumbers, queryNumbers }: AttentionMask, block: Block): tf.Tensor | undefined {
  const hidden: tf.Tensor[] = [];
  if (span) hidden.push(outOfReach(span, block));
  if (keyNumbers) {
    const [batch, keys] = keyNumbers.shape;
    const ofKeys = keyNumbers.reshape([batch, 1, 1, 1, keys!]);
    const ofQueries = queryNumbers?.reshape([batch, 1, 1, queryNumbers.shape[1]!, 1]);
    hidden.push(ofQueries ? tf.notEqual(ofKeys, ofQueries) : tf.equal(ofKeys, 0));
  }
  return hidden.length === 0 ? undefined : tf.mul(hidden.reduce((a, b) => tf.logicalOr(a, b)).toFloat(), MASKED);
}
