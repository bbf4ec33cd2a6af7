/** How the layers of each side attend in training and where a whole sequence is read. Shapes as in layers.ts. */
import type { tf } from '@graft/engine';
import { attendingTo, selfAttending, whole } from './attention';
import { crossRule, mergedRules, sideRules } from './attention-mask';
import type { EncoderDecoderConfig, GemmaConfig } from './config-types';
import type { Dropout } from './dropout';
import {
  crossMask,
  decoderSpans,
  encoderSpans,
  masksOfSpans,
  mergedMasks,
  sideMasks,
  type RowMasks,
  type SideMasks,
} from './masks';
import { maskBetween, preservedMasks, type PreservedSource, type Progress } from './preserving';
import type { CrossInputs, SelfAttending } from './stack';

/** What a decoder attends to besides its own tokens. */
export interface Source {
  /** Rows [B*S, E]. */
  readonly states: tf.Tensor;
  readonly masks: RowMasks;
  /** S */
  readonly length: number;
  readonly preserved?: PreservedSource;
}

/** How the encoder's layers attend to its tokens; `progress`: in the function-preserving forms. */
export function encoderAttending(
  config: EncoderDecoderConfig,
  progress: Progress | undefined,
  [batch, length]: readonly [number, number],
  rowMasks: RowMasks,
  dropout: Dropout | undefined,
): SelfAttending {
  const { encoder, encoderWindow, encoderAttention } = config;
  const { slidingWindow: window } = encoder;
  const own = encoderSpans(length, window, encoderWindow, encoderAttention);
  const first = decoderSpans(length, window);
  const spans = progress === undefined ? own : first;
  const between = (): SideMasks => {
    const pairs = {
      full_attention: [first.full_attention, own.full_attention] as const,
      sliding_attention: [first.sliding_attention, own.sliding_attention] as const,
    };
    return masksOfSpans(pairs, rowMasks, (pair) => maskBetween(length, pair, progress!));
  };
  // A weight between the forms is a matrix: no rule, which blocks and kernels need.
  const isBetween = progress !== undefined && progress !== 0;
  return selfAttending(
    encoder,
    { batch, queries: length, keys: length },
    { wanted: isBetween ? 'whole' : config.attention, dropout },
    {
      additive: () => (isBetween ? between() : sideMasks(spans, length, rowMasks)),
      rule: () => sideRules(spans, rowMasks),
    },
  );
}

/** How the decoder's layers attend to its own tokens and to a source. */
export function decoderAttending(
  config: GemmaConfig,
  [batch, length]: readonly [number, number],
  rowMasks: RowMasks,
  source: Source | undefined,
  dropout: Dropout | undefined,
): { readonly cross?: CrossInputs; readonly attending: SelfAttending } {
  const { decoder, attention: wanted } = config;
  const spans = decoderSpans(length, decoder.slidingWindow);
  const own = {
    additive: () => sideMasks(spans, length, rowMasks),
    rule: () => sideRules(spans, rowMasks),
  };
  const self = { batch, queries: length, keys: length };
  if (!source) return { attending: selfAttending(decoder, self, { wanted, dropout }, own) };
  const { states, masks, length: keys, preserved } = source;
  const ofSource = {
    additive: () => crossMask(masks, rowMasks),
    rule: () => crossRule(masks, rowMasks),
  };
  if (preserved) {
    const { ofLayers, progress } = preserved;
    const joined = preservedMasks(decoder, own.additive(), length, preserved, ofSource.additive());
    return {
      attending: { full_attention: whole(joined.full_attention), sliding_attention: whole(joined.sliding_attention) },
      cross: { states, ofLayers, readsStates: progress !== 0 },
    };
  }
  if (decoder.block.crossAttention === 'merged') {
    const choice = { wanted, dropout, merged: true };
    const attending = selfAttending(decoder, { ...self, keys: length + keys }, choice, {
      additive: () => mergedMasks(own.additive(), length, { mask: ofSource.additive(), length: keys }),
      rule: () => mergedRules(own.rule(), ofSource.rule(), keys),
    });
    return { attending, cross: { states } };
  }
  const attending = attendingTo(decoder, { ...self, keys }, { wanted, dropout }, ofSource);
  return { cross: { states, attending }, attending: selfAttending(decoder, self, { wanted, dropout }, own) };
}
