/** Shapes: B rows, L longest text of the batch. */
import {
  checkFields,
  checkLabels,
  DataError,
  defineComponent,
  FIELDS,
  IGNORED_LABEL,
  maskedCrossEntropy,
  type FieldSpec,
  type HostArray,
  type Objective,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';

/** Next-token prediction with decoder-only models: `labels` are the tokens, `input_ids` the same one position later. */
export const myPluginOptions = z.strictObject({
  padToMultipleOf: z
    .int()
    .positive()
    .default(32)
    .describe('lengths are padded to multiples of this many tokens: every new length is compiled again'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

const TOKENS: FieldSpec = { name: 'tokens', dtype: 'int32', rank: 1, meaning: 'token ids of one piece of text' };
const BATCH_FIELDS = [FIELDS.inputIds, FIELDS.attentionMask, FIELDS.labels];

/** Rows as [B, length], filled up with `filler`. */
function padRows(rows: readonly ArrayLike<number>[], length: number, filler: number): HostArray {
  const values = new Int32Array(rows.length * length).fill(filler);
  rows.forEach((row, i) => values.set(row, i * length));
  return { dtype: 'int32', shape: [rows.length, length], values };
}

export function createMyPlugin({ padToMultipleOf }: MyPluginOptions): Objective {
  return {
    modelKind: 'decoder-only',
    batchFields: BATCH_FIELDS.map((name) => ({ name, dtype: 'int32', rank: 2 })),
    inputFields: (kind) => (kind === 'examples' ? [TOKENS] : undefined),
    // On the host. Random numbers, where they are needed, come from exampleRandom(context, i) alone.
    prepare: (source, context) => {
      const examples = source.kind === 'examples' ? source.examples : [];
      const texts = examples.map((example, i) => {
        checkFields(example, [TOKENS], `Example ${i} of the batch`);
        if (example.tokens.values.length > 0) return example.tokens.values;
        throw new DataError(`Example ${i} of the batch has no tokens.`, { code: 'my-plugin.empty' });
      });
      const longest = Math.max(...texts.map((text) => text.length));
      const length = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
      const { pad, start } = context.model.specialTokens;
      const inputs = texts.map((text) => [start, ...text.subarray(0, -1)]);
      const masks = texts.map((text) => new Int32Array(text.length).fill(1));
      const batch = {
        input_ids: padRows(inputs, length, pad), // [B, L]
        attention_mask: padRows(masks, length, 0), // [B, L]
        labels: padRows(texts, length, IGNORED_LABEL), // [B, L]
      };
      checkLabels(batch, 'The batch', context);
      return batch;
    },
    // Compiled into the training step: pure tf code, which never reads a value.
    loss: (model, parameters, { labels, ...inputs }, options) => {
      const { logits } = model.forward(parameters, inputs, options);
      const { loss, count } = maskedCrossEntropy(logits, labels);
      return { loss, weight: count, metrics: { perplexity: tf.exp(loss) } };
    },
    countTokens: ({ attention_mask }) => Array.from(attention_mask.values).filter((value) => value === 1).length,
  };
}

export const myPlugin = defineComponent({
  interface: 'objective',
  id: 'my-plugin',
  description: 'next-token prediction with decoder-only models',
  options: myPluginOptions,
  useFactory: ({ options }) => createMyPlugin(options),
});
