import type { TensorSplit } from '@graft/core';

/**
 * How devices share a layer (Megatron-LM): each computes some heads and some columns of the feed-forward, so that only the
 * output projections add up over devices. Vocabularies are split by token. Shapes are [out, in].
 */
export const TENSOR_SPLITS: readonly TensorSplit[] = [
  {
    names: ['*.q_proj.weight', '*.k_proj.weight', '*.v_proj.weight', '*.gate_proj.weight', '*.up_proj.weight'],
    dimension: 0,
  },
  { names: ['*.o_proj.weight', '*.down_proj.weight'], dimension: 1 },
  { names: ['*embed_tokens.weight', 'lm_head.weight', 'lm_head.out_proj.weight'], dimension: 0 },
];
