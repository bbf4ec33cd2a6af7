/** Shapes: B rows, L tokens of a row, V vocabulary. */
import { defineComponent, type EvaluationContext, type Evaluator, type Model, type Parameters } from '@graft/core';
import { tf, type Engine, type Jitted } from '@graft/engine';
import { z } from 'zod';

/** How sure a model is of its next token, on random inputs: the mean entropy of its predictions. */
export const myPluginOptions = z.strictObject({
  rows: z.int().positive().default(4).describe('random sequences in a batch'),
  batches: z.int().positive().default(4).describe('batches to measure'),
  lengthTokens: z.int().positive().default(16).describe('tokens of a sequence'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

export class MyPlugin implements Evaluator {
  private compiled?: { model: Model; entropy: Jitted<[Parameters, tf.Tensor], tf.Scalar> };

  constructor(
    private readonly options: MyPluginOptions,
    private readonly engine: Engine,
  ) {}

  async evaluate({ model, parameters, random, signal }: EvaluationContext): Promise<Record<string, number>> {
    const { rows, batches, lengthTokens } = this.options;
    const entropy = this.entropyOf(model);
    let sum = 0;
    for (let batch = 0; batch < batches; batch++) {
      signal?.throwIfAborted();
      const draws = random.fork(batch);
      const values = Int32Array.from({ length: rows * lengthTokens }, () => draws.integer(model.vocabularySize));
      const ids = tf.tensor2d(values, [rows, lengthTokens], 'int32'); // [B, L]
      const result = await entropy.async(parameters, ids);
      sum += (await result.data())[0];
      tf.dispose([ids, result]);
    }
    return { entropy: sum / batches };
  }

  dispose(): void {
    this.compiled?.entropy.dispose();
  }

  /** Compiled once for a model. */
  private entropyOf(model: Model): Jitted<[Parameters, tf.Tensor], tf.Scalar> {
    if (this.compiled?.model === model) return this.compiled.entropy;
    this.compiled?.entropy.dispose();
    const entropy = this.engine.jit(
      (parameters: Parameters, ids: tf.Tensor) => {
        const fields = { input_ids: ids, decoder_input_ids: ids };
        const { logits } = model.forward(parameters, fields); // [B, L, V]
        const logProbabilities = tf.logSoftmax(logits);
        return tf.neg(tf.mean(tf.sum(tf.mul(tf.exp(logProbabilities), logProbabilities), -1))).asScalar();
      },
      { name: 'my-plugin' },
    );
    this.compiled = { model, entropy };
    return entropy;
  }
}

export const myPlugin = defineComponent({
  interface: 'evaluator',
  id: 'my-plugin',
  description: "the mean entropy of a model's predictions on random tokens, in nats",
  options: myPluginOptions,
  useFactory: ({ options, engine }) => new MyPlugin(options, engine),
});
