/** Which keys an attention's queries see, as data. Shapes as in layers.ts: B batch, T queries, S keys. */
import { tf } from '@graft/engine';
import type { LayerType } from './config-types';
import { joinMasks, MASKED, outOfReach, type AttentionSpan, type Block, type RowMasks, type SideSpans } from './masks';

/** Positions and numbers, both of which must allow a key. */
export interface AttentionMask {
  /** Default: every distance. */
  readonly span?: AttentionSpan;
  /** int32 [B, S]: keys with 0 are not seen; with `queryNumbers`, those with another number than the query's. */
  readonly keyNumbers?: tf.Tensor;
  /** int32 [B, T] */
  readonly queryNumbers?: tf.Tensor;
  /** Merged attention: the last `length` keys are the source's, with their own numbers; all else concerns the others. */
  readonly source?: AttentionNumbers & { readonly length: number };
}

/** The numbers that restrict a sequence of keys. */
type AttentionNumbers = Pick<AttentionMask, 'keyNumbers' | 'queryNumbers'>;

/** The tensors of a mask. */
export function maskTensors({ keyNumbers, queryNumbers, source }: AttentionMask): tf.Tensor[] {
  const all = [keyNumbers, queryNumbers, source?.keyNumbers, source?.queryNumbers];
  return all.filter((tensor) => tensor !== undefined);
}

/** The same mask with other tensors, in the order of `maskTensors`. */
export function withMaskTensors({ span, source, ...own }: AttentionMask, given: readonly tf.Tensor[]): AttentionMask {
  const left = [...given];
  const replaced = ({ keyNumbers, queryNumbers }: AttentionNumbers): AttentionNumbers => {
    const ofKeys = keyNumbers && left.shift();
    const ofQueries = queryNumbers && left.shift();
    return { ...(ofKeys && { keyNumbers: ofKeys }), ...(ofQueries && { queryNumbers: ofQueries }) };
  };
  return { span, ...replaced(own), ...(source && { source: { length: source.length, ...replaced(source) } }) };
}

const numbersAlone = ({ keyNumbers, queryNumbers }: AttentionMask): AttentionNumbers => ({
  ...(keyNumbers && { keyNumbers }),
  ...(queryNumbers && { queryNumbers }),
});

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

/** The rules of merged attention: those of the side's own keys, and one for the `length` keys of the source behind them. */
export function mergedRules(rules: SideRules, source: AttentionMask, length: number): SideRules {
  const merged = (own: AttentionMask): AttentionMask => ({ ...own, source: { length, ...numbersAlone(source) } });
  return { full_attention: merged(rules.full_attention), sliding_attention: merged(rules.sliding_attention) };
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
 * numbers of the mask are those of the block. The source's keys, if there are any, follow those of the block.
 */
export function additiveMask(mask: AttentionMask, block: Block): tf.Tensor | undefined {
  const { source } = mask;
  if (!source) return ownMask(mask, block);
  return joinMasks([ownMask(mask, block), ownMask(numbersAlone(source), block)], [block.keys, source.length]);
}

function ownMask({ span, keyNumbers, queryNumbers }: AttentionMask, block: Block): tf.Tensor | undefined {
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
