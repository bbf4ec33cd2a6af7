import { definePlugin } from '@graft/core';
import { bytes } from './bytes';
import { chat } from './chat';
import { huggingface } from './huggingface';
import { jsonl } from './jsonl';
import { mixture } from './mixture';
import { parquet } from './parquet';
import { tensors } from './tensors';
import { text } from './text';

export const plugin = definePlugin({
  name: '@graft/text',
  components: [bytes, huggingface, text, jsonl, parquet, chat, tensors, mixture],
});
