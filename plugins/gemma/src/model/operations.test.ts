import { openEngine, tf } from '@graft/engine';
import { tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';

/** Matrix products and elementary functions of a forward pass with gradients: what a description costs must be nothing. */
const COUNTED = ['BatchMatMul', 'Tanh', 'Sigmoid', 'Exp', 'Rsqrt', 'Mean', 'Concat', 'Transpose', 'Add', 'Multiply'];

async function operations(options: object): Promise<Record<string, number>> {
  await openEngine({ mode: 'portable' });
  const model = tinyGemma(options);
  const parameters = tinyParameters(model);
  const ids = tf.tensor2d([[3, 4, 5, 6, 7, 8, 9]], undefined, 'int32');
  const fields = { input_ids: ids, ...(model.kind === 'decoder-only' ? {} : { decoder_input_ids: ids }) };
  const names = Object.keys(parameters);
  const { kernels } = await tf.profile(() =>
    tf.tidy(() => {
      const loss = (...values: tf.Tensor[]): tf.Scalar =>
        model
          .forward(Object.fromEntries(names.map((name, i) => [name, values[i]])), fields)
          .logits.square()
          .mean();
      tf.grads(loss)(Object.values(parameters));
      return tf.scalar(0);
    }),
  );
  tf.dispose([parameters, ids]);
  return Object.fromEntries(COUNTED.map((name) => [name, kernels.filter((kernel) => kernel.name === name).length]));
}

describe('the operations of a step', () => {
  it('a Gemma 2 takes those that it took when its layers were written out', async () => {
    expect(await operations({ kind: 'decoder-only' })).toEqual({
      BatchMatMul: 84,
      Tanh: 4,
      Sigmoid: 3,
      Exp: 3,
      Rsqrt: 13,
      Mean: 27,
      Concat: 12,
      Transpose: 24,
      Add: 63,
      Multiply: 178,
    });
  });

  it('a T5Gemma takes those that it took when its layers were written out', async () => {
    expect(await operations({})).toEqual({
      BatchMatMul: 219,
      Tanh: 10,
      Sigmoid: 6,
      Exp: 9,
      Rsqrt: 32,
      Mean: 65,
      Concat: 24,
      Transpose: 72,
      Add: 147,
      Multiply: 422,
    });
  });
});
