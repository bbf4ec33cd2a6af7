import { elementCount } from '@graft/engine/internal';
import type { AnyGemmaConfig } from '../model/config-types';
import { forwardFlops, type BatchShape } from './flops';
import { outputName } from '../model/names';
import { parameterSpecs } from '../model/parameters';

/** Size and costs of a part of the model. */
export interface PartCosts {
  /** Without embeddings. */
  readonly parameters: number;
  /** Rows of embedding tables; an output that is tied shares the decoder's. */
  readonly embedding: number;
  /**
   * Operations of a forward pass for each token of its own side: source tokens for the encoder, otherwise target
   * tokens.
   */
  readonly forwardFlopsPerToken: number;
}

/** `decoder` does not include cross-attention here. */
export interface ModelCosts {
  readonly kind: AnyGemmaConfig['kind'];
  readonly parts: Readonly<Partial<Record<'encoder' | 'decoder' | 'crossAttention' | 'output', PartCosts>>>;
  readonly parameters: number;
  readonly embedding: number;
  readonly lengths: Pick<BatchShape, 'sourceLength' | 'targetLength'>;
}

/** Computed from shapes alone, without tensors, so that any size is possible. */
export function modelCosts(config: AnyGemmaConfig, lengths: ModelCosts['lengths']): ModelCosts {
  const sums = { encoder: 0, decoder: 0, 'cross-attention': 0, embedding: 0, head: 0 };
  const tables = { encoder: 0, decoder: 0, output: 0 };
  for (const { name, shape, part } of parameterSpecs(config)) {
    const count = elementCount(shape);
    sums[part] += count;
    if (name === outputName(config.kind)) tables.output += count;
    else if (part === 'embedding') tables[name.includes('.encoder.') ? 'encoder' : 'decoder'] += count;
  }
  const flops = forwardFlops(config, { batch: 1, ...lengths });
  const { sourceLength, targetLength } = lengths;
  const costsOf = (parameters: number, embedding: number, operations: number, tokens: number): PartCosts => ({
    parameters,
    embedding,
    forwardFlopsPerToken: operations / tokens,
  });
  return {
    kind: config.kind,
    parts: {
      ...(config.kind !== 'decoder-only' && {
        encoder: costsOf(sums.encoder, tables.encoder, flops.encoder, sourceLength),
      }),
      ...(config.kind === 'encoder-decoder' && {
        crossAttention: costsOf(sums['cross-attention'], 0, flops.crossAttention, targetLength),
      }),
      ...(config.kind !== 'encoder-only' && {
        decoder: costsOf(sums.decoder, tables.decoder, flops.decoder, targetLength),
        output: costsOf(0, tables.output, flops.output, targetLength),
      }),
    },
    parameters: sums.encoder + sums.decoder + sums['cross-attention'] + sums.embedding,
    embedding: sums.embedding,
    lengths,
  };
}
