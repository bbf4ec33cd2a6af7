import type { HostFields, RandomStream } from '@graft/core';
import type { DividedText } from '../batch/side-sequences';
import { suffixLength, type Denoiser } from './denoisers';
import { corrupt, drawSpans, planNoise, type Corrupted } from './spans';

/** The special tokens of one corrupted sequence. */
export interface CorruptionTokens {
  readonly sentinels: readonly number[];
  /** Those of the source, where the encoder has a tokenizer of its own. Default: the same. */
  readonly encoderSentinels?: readonly number[];
  /** Stands before the source; undefined: nothing does. */
  readonly mode?: number;
  /** Stands after the target; undefined: nothing does. */
  readonly end?: number;
}

/**
 * Source and target that one denoiser makes of a sequence of at least 2 tokens; `text` says where it may be divided. A
 * suffix denoiser draws nothing and needs no sentinels. The end token has the origin of the sequence's last token, as a
 * sentinel has its span's first.
 *
 *     suffix, rate 0.4, tokens [5, 6, 7, 8, 9], mode 50, end 1
 *       source [50, 5, 6, 7]
 *       target [8, 9, 1]   origins [3, 4, 4]   fromText [true, true, false]
 */
export function denoise(
  tokens: HostFields[string]['values'],
  text: DividedText,
  { kind, rate, meanSpan }: Denoiser,
  { sentinels, encoderSentinels = sentinels, mode, end }: CorruptionTokens,
  random: RandomStream,
): Corrupted {
  const sides = kind === 'suffix' ? cutSuffix(tokens, text, rate) : cutSpans();
  const before = mode === undefined ? [] : [mode];
  const after = end === undefined ? [] : [end];
  return {
    source: [...before, ...sides.source],
    target: [...sides.target, ...after],
    origins: [...sides.origins, ...after.map(() => tokens.length - 1)],
    fromText: [...sides.fromText, ...after.map(() => false)],
  };

  function cutSpans(): Corrupted {
    const { boundaries } = text;
    // Where a character may be several tokens, spans consist of whole characters.
    const length = boundaries ? boundaries.length - 1 : tokens.length;
    if (length < 2) text.cutNear(1);
    const drawn = drawSpans(length, planNoise(length, rate, meanSpan), random);
    const spans = boundaries
      ? drawn.map(({ start, end: last }) => ({ start: boundaries[start], end: boundaries[last] }))
      : drawn;
    return corrupt(tokens, spans, {
      target: (i) => sentinels[i % sentinels.length],
      source: (i) => encoderSentinels[i % encoderSentinels.length],
      read: (start, last) => text.read(start, last),
    });
  }
}

function cutSuffix(tokens: HostFields[string]['values'], text: DividedText, rate: number): Corrupted {
  const cut = text.cutNear(tokens.length - suffixLength(tokens.length, rate));
  const target = Array.from(tokens.subarray(cut));
  return {
    source: Array.from(text.read(0, cut)),
    target,
    origins: target.map((_, i) => cut + i),
    fromText: target.map(() => true),
  };
}
