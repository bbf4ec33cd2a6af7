import type { HostFields, RandomStream } from '@graft/core';
import { suffixLength, type Denoiser } from './denoisers';
import { corrupt, drawSpans, planNoise, type Corrupted } from './spans';

/** The special tokens of one corrupted sequence. */
export interface CorruptionTokens {
  readonly sentinels: readonly number[];
  /** Stands before the source; undefined: nothing does. */
  readonly mode?: number;
  /** Stands after the target; undefined: nothing does. */
  readonly end?: number;
}

/**
 * Source and target that one denoiser makes of a sequence of at least 2 tokens. A suffix denoiser draws nothing and
 * needs no sentinels. The end token has the origin of the sequence's last token, as a sentinel has its span's first.
 *
 *     suffix, rate 0.4, tokens [5, 6, 7, 8, 9], mode 50, end 1
 *       source [50, 5, 6, 7]
 *       target [8, 9, 1]   origins [3, 4, 4]   fromText [true, true, false]
 */
export function denoise(
  tokens: HostFields[string]['values'],
  { kind, rate, meanSpan }: Denoiser,
  { sentinels, mode, end }: CorruptionTokens,
  random: RandomStream,
): Corrupted {
  const sides = kind === 'suffix' ? cutSuffix(tokens, rate) : cutSpans();
  const before = mode === undefined ? [] : [mode];
  const after = end === undefined ? [] : [end];
  return {
    source: [...before, ...sides.source],
    target: [...sides.target, ...after],
    origins: [...sides.origins, ...after.map(() => tokens.length - 1)],
    fromText: [...sides.fromText, ...after.map(() => false)],
  };

  function cutSpans(): Corrupted {
    const plan = planNoise(tokens.length, rate, meanSpan);
    const spans = drawSpans(tokens.length, plan, random);
    return corrupt(tokens, spans, (i) => sentinels[i % sentinels.length]);
  }
}

function cutSuffix(tokens: HostFields[string]['values'], rate: number): Corrupted {
  const cut = tokens.length - suffixLength(tokens.length, rate);
  const target = Array.from(tokens.subarray(cut));
  return {
    source: Array.from(tokens.subarray(0, cut)),
    target,
    origins: target.map((_, i) => cut + i),
    fromText: target.map(() => true),
  };
}
