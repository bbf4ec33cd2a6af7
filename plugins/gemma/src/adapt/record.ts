/** The section `adapted` of graft.json: how a model was made of decoder-only checkpoints. */
import type { JsonValue } from '@graft/core';
import { resolve } from 'node:path';
import type { CrossAttention } from './cross-attention';
import type { ExpandHeads } from './expanded-heads';
import type { AdaptDecisions } from './plan';
import type { PreserveFunction } from './form';
import type { RandomPart } from './parts';
import type { AdaptSources } from './sources';

/** The choices that it names. */
interface RecordedChoices {
  readonly encoder: string;
  readonly decoder?: string;
  readonly crossAttention?: CrossAttention;
  readonly expandHeads?: ExpandHeads;
  readonly random?: readonly RandomPart[];
  readonly preserveFunction?: PreserveFunction;
}

/** Name of the section. */
export const ADAPTED_SECTION = 'adapted';

/** `others`: what its writer knows besides. */
export function adaptedSection<O extends Record<string, JsonValue>>(
  { encoder, decoder = encoder, crossAttention: asked = 'auto', expandHeads, random = [], ...choices }: RecordedChoices,
  { crossAttention: is, reason, norms }: AdaptDecisions,
  { config, expanded }: AdaptSources,
  others: O,
): Record<string, JsonValue> {
  const { keyValueHeads } = config.encoder;
  return {
    encoder: resolve(encoder),
    decoder: resolve(decoder),
    crossAttention: { asked, is, reason, ...(norms && { norms: norms === 'copy' ? 'copied' : 'identity' }) },
    ...(expandHeads && {
      expandHeads: {
        side: expandHeads,
        keyValueHeads: expanded ? { ...expanded } : { from: keyValueHeads, to: keyValueHeads },
      },
    }),
    ...(config.tieEncoderEmbedding && { tieEncoderEmbedding: true }),
    ...(choices.preserveFunction && { preserveFunction: choices.preserveFunction }),
    random: [...random],
    ...others,
  };
}
