import type { RandomStream } from '@graft/core';

/** A stretch of noise in a sequence: tokens start..end-1. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How much noise span corruption puts into a sequence: fixed by its length, so that lengths are known beforehand. */
export interface NoisePlan {
  readonly noiseTokens: number;
  readonly spans: number;
}

/**
 * Noise tokens and spans for a sequence of `length` >= 2 tokens: about `rate` of them, in spans of `meanSpan` on average.
 * At least one token stays on each side of the cut, and each span has at least one token before it.
 */
export function planNoise(length: number, rate: number, meanSpan: number): NoisePlan {
  const noiseTokens = Math.min(Math.max(Math.round(length * rate), 1), length - 1);
  const spans = Math.max(1, Math.min(Math.round(noiseTokens / meanSpan), noiseTokens, length - noiseTokens));
  return { noiseTokens, spans };
}

/** `total` as a sum of `parts` positive integers, every such sum with equal chance. */
export function randomComposition(total: number, parts: number, random: RandomStream): number[] {
  // Cuts between neighbours: choosing parts - 1 of the total - 1 places, in order.
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
 * Random spans for a plan: text and noise alternate, text first, so that an input never begins with a sentinel and a
 * target always does.
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

/** A corrupted sequence. `origins`: which token each one of the target is, or stands before: a sentinel's is its span's first. */
export interface Corrupted {
  readonly source: number[];
  readonly target: number[];
  readonly origins: number[];
}

/**
 * Replaces each span by its sentinel in the source; the target is each sentinel followed by what it stands for.
 *
 *     tokens [5, 6, 7, 8, 9], spans 1..3 and 4..5, sentinels 99, 98
 *       source  [5, 99, 8, 98]
 *       target  [99, 6, 7, 98, 9]
 *       origins [1, 1, 2, 4, 4]
 */
export function corrupt(
  tokens: ArrayLike<number>,
  spans: readonly Span[],
  sentinel: (index: number) => number,
): Corrupted {
  const source: number[] = [];
  const target: number[] = [];
  const origins: number[] = [];
  let at = 0;
  spans.forEach(({ start, end }, i) => {
    for (; at < start; at++) source.push(tokens[at]);
    source.push(sentinel(i));
    target.push(sentinel(i));
    origins.push(start);
    for (; at < end; at++) {
      target.push(tokens[at]);
      origins.push(at);
    }
  });
  for (; at < tokens.length; at++) source.push(tokens[at]);
  return { source, target, origins };
}
