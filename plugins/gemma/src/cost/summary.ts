import { countParameters } from '@graft/core';
import type { AnyGemmaConfig } from '../model/config-types';
import type { AnyGemma } from '../model/encoder-model';
import type { Size } from '../model/sizes';

/** Parameters by part, counted like the published totals: tied tensors once. */
export interface ParameterSummary {
  readonly kind: AnyGemmaConfig['kind'];
  readonly total: number;
  readonly embedding: number;
  readonly nonEmbedding: number;
  /** Without embeddings; 0 for a decoder-only model. */
  readonly encoder: number;
  /** Without embeddings, with cross-attention. */
  readonly decoder: number;
  /** Cross-attention's projections and norms, part of `decoder`. */
  readonly crossAttention: number;
  /** Tensors in all. */
  readonly tensors: number;
  readonly sizes: Readonly<Partial<Record<'encoder' | 'decoder', Size>>>;
}

/** The numbers that `graft inspect` shows for a model. */
export function parameterSummary(model: AnyGemma): ParameterSummary {
  const inParts = (...parts: string[]): number =>
    countParameters({ parameters: model.parameters.filter(({ part }) => parts.includes(part)) });
  const embedding = inParts('embedding');
  const total = countParameters(model);
  const sizeOf = ({ layers, hidden, feedForward, heads, headDim, keyValueHeads }: Size): Size => ({
    layers,
    hidden,
    feedForward,
    heads,
    headDim,
    keyValueHeads,
  });
  const { config } = model;
  return {
    kind: model.kind,
    total,
    embedding,
    nonEmbedding: total - embedding,
    encoder: inParts('encoder'),
    decoder: inParts('decoder', 'cross-attention'),
    crossAttention: inParts('cross-attention'),
    tensors: model.parameters.length,
    sizes: {
      ...(config.kind === 'decoder-only' ? {} : { encoder: sizeOf(config.encoder) }),
      ...(config.kind === 'encoder-only' ? {} : { decoder: sizeOf(config.decoder) }),
    },
  };
}
