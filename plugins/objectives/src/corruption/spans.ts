import type { RandomStream } from '@graft/core';

/** A noise span of a sequence: tokens start..end-1. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Numbers of noise tokens and spans. They depend only on the sequence's length, so that lengths are known in advance.
 */
export interface NoisePlan {
  readonly noiseTokens: number;
  readonly spans: number;
}

/**
 * Plans noise for a sequence of `length` >= 2 tokens: about `rate * length` noise tokens, in spans of `meanSpan` tokens
 * on average. At least one token is noise and one is not, and each span follows at least one token of text.
 */
export function planNoise(length: number, rate: number, meanSpan: number): NoisePlan {
  const noiseTokens = Math.min(Math.max(Math.round(length * rate), 1), length - 1);
  const spans = Math.max(1, Math.min(Math.round(noiseTokens / meanSpan), noiseTokens, length - noiseTokens));
  return { noiseTokens, spans };
}

/** Splits `total` into `parts` positive integers; all such compositions are equally likely. */
export function randomComposition(total: number, parts: number, random: RandomStream): number[] {
  // Chooses parts - 1 of the total - 1 cuts between neighbours, in order.
  const sizes: number[] = [];
  let cutsLeft = parts - 1;
  let size = 1;
  for (let place = 1; place < total; place++) {
    if (random.uniform() * (total - place) < cutsLeft) {
      sizes.push(size);
      size = 0;
      cutsLeft--;
    }
    size++;
  }
  sizes.push(size);
  return sizes;
}

/**
 * Draws random spans for a plan. Text and noise alternate and text comes first, so that a source never begins with a
 * sentinel and a target always does.
 */
export function drawSpans(length: number, { noiseTokens, spans }: NoisePlan, random: RandomStream): Span[] {
  const texts = randomComposition(length - noiseTokens, spans, random);
  const noises = randomComposition(noiseTokens, spans, random);
  let at = 0;
  return texts.map((text, i) => {
    const start = at + text;
    at = start + noises[i];
    return { start, end: at };
  });
}

/**
 * A corrupted sequence. `origins`: for each token of the target, the index of the original token; for a sentinel, that
 * of its span's first token. `fromText`: for each of them, whether it is that token, and not one that was added.
 */
export interface Corrupted {
  readonly source: number[];
  readonly target: number[];
  readonly origins: number[];
  readonly fromText: boolean[];
}

/** What differs between source and target where each has a tokenizer of its own. */
export interface CorruptedSides {
  /** The sentinel of a span, by its index. */
  readonly source: (index: number) => number;
  readonly target: (index: number) => number;
  readonly read: (start: number, end: number) => ArrayLike<number>;
}

/**
 * Replaces each span in the source by its sentinel. The target contains each sentinel, followed by the span's tokens.
 *
 *     tokens [5, 6, 7, 8, 9], spans 1..3 and 4..5, sentinels 99, 98
 *       source   [5, 99, 8, 98]
 *       target   [99, 6, 7, 98, 9]
 *       origins  [1, 1, 2, 4, 4]
 *       fromText [false, true, true, false, true]
 *
 * `sides`: the sentinels of source and target, and what the source has of tokens `start` to `end` - 1, if these are not
 * the same on both sides.
 */
export function corrupt(
  tokens: ArrayLike<number>,
  spans: readonly Span[],
  sides: ((index: number) => number) | CorruptedSides,
): Corrupted {
  const own = (start: number, end: number): number[] => Array.prototype.slice.call(tokens, start, end) as number[];
  const {
    source: sourceSentinel,
    target: sentinel,
    read,
  } = typeof sides === 'function' ? { source: sides, target: sides, read: own } : sides;
  const source: number[] = [];
  const keep = (start: number, end: number): void => {
    if (end > start) for (const token of Array.from(read(start, end))) source.push(token);
  };
  const target: number[] = [];
  const origins: number[] = [];
  const fromText: boolean[] = [];
  let at = 0;
  spans.forEach(({ start, end }, i) => {
    keep(at, start);
    at = start;
    source.push(sourceSentinel(i));
    target.push(sentinel(i));
    origins.push(start);
    fromText.push(false);
    for (; at < end; at++) {
      target.push(tokens[at]);
      origins.push(at);
      fromText.push(true);
    }
  });
  keep(at, tokens.length);
  return { source, target, origins, fromText };
}
