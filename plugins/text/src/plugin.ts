import { definePlugin } from '@graft/core';
import { bytes } from './tokenizers/bytes';
import { checkpoint } from './tokenizers/checkpoint';
import { chat } from './datasets/chat';
import { huggingface } from './tokenizers/huggingface';
import { jsonl } from './datasets/jsonl';
import { mixture } from './datasets/mixture';
import { parquet } from './datasets/parquet';
import { preferences } from './datasets/preferences';
import { sides } from './tokenizers/sides';
import { tensors } from './datasets/tensors';
import { text } from './datasets/text';

/** The tokenizers and datasets. */
export const plugin = definePlugin({
  name: '@graft/text',
  components: [bytes, huggingface, sides, checkpoint, text, jsonl, parquet, chat, preferences, tensors, mixture],
});
