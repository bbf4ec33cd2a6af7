import { uploadBatch, type Parameters } from '@graft/core';
import { openEngine, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { ints, tinyGemma, tinyParameters } from '@graft/gemma/test-support/tiny-gemma';
import { worstDifference } from '@graft/test-support';
import { logProbabilitiesAt, rowLogProbabilities } from './label-log-probabilities';

const FIELDS = {
  input_ids: ints([
    [2, 3, 4, 5, 6],
    [2, 7, 8, 0, 0],
  ]),
  attention_mask: ints([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]),
};
const LABELS = [
  [-100, -100, 5, 6, 1],
  [-100, 8, 1, -100, -100],
];

test('log-probabilities and their gradient agree with double precision', async () => {
  await openEngine({ mode: 'portable' });
  const logits = [
    [0.5, -1, 2],
    [90, 88, -90],
  ];
  const [classes, factors] = [
    [2, 1],
    [3, -0.5],
  ];
  const { gradients, auxiliary } = valueAndGradients(
    ({ x }) => {
      const values = logProbabilitiesAt(x as tf.Tensor2D, tf.tensor1d(classes, 'int32'));
      return { loss: tf.sum(tf.mul(values, tf.tensor1d(factors))), auxiliary: { values } };
    },
    { x: tf.tensor2d(logits) },
  );
  const softmax = logits.map((row) => {
    const peak = Math.max(...row);
    const exponentials = row.map((value) => Math.exp(value - peak));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    return exponentials.map((value) => value / total);
  });
  const values = softmax.map((row, i) => Math.log(row[classes[i]]));
  expect(worstDifference((auxiliary as { values: tf.Tensor }).values.dataSync(), values)).toBeLessThan(1e-6);
  const expected = softmax.flatMap((row, i) => row.map((p, k) => factors[i] * (Number(k === classes[i]) - p)));
  expect(worstDifference(gradients.x.dataSync(), expected)).toBeLessThan(1e-6);
});

test.each<EngineMode>(['portable', 'graph'])(
  'chunks change neither the sums nor the gradients, on %s',
  async (mode) => {
    const engine = await openEngine({ mode });
    const model = tinyGemma({ kind: 'decoder-only' });
    const parameters = tinyParameters(model);
    const fields = uploadBatch(FIELDS);
    const labels = tf.tensor2d(LABELS, undefined, 'int32');
    const compute = (chunkTokens?: number): { sums: Float32Array; counts: number[]; gradients: Float32Array[] } => {
      const fn = engine.jit((given: Parameters, batch: typeof fields, wanted: tf.Tensor) =>
        valueAndGradients((own: Parameters) => {
          const { sums, counts } = rowLogProbabilities(model, own, batch, wanted, { chunkTokens });
          return { loss: tf.sum(tf.mul(sums, tf.tensor1d([1, -2]))), auxiliary: { sums, counts } };
        }, given),
      );
      const { gradients, auxiliary } = fn(parameters, fields, labels);
      const { sums, counts } = auxiliary as { sums: tf.Tensor; counts: tf.Tensor };
      fn.dispose();
      return {
        sums: sums.dataSync() as Float32Array,
        counts: Array.from(counts.dataSync()),
        gradients: model.parameters.map(({ name }) => gradients[name].dataSync() as Float32Array),
      };
    };
    const whole = compute();
    expect(whole.counts).toEqual([3, 2]);
    // Neither divides the ten positions.
    for (const chunkTokens of [3, 64]) {
      const chunked = compute(chunkTokens);
      expect(worstDifference(chunked.sums, whole.sums)).toBeLessThan(1e-5);
      chunked.gradients.forEach((one, i) => expect(worstDifference(one, whole.gradients[i])).toBeLessThan(1e-4));
    }
    tf.dispose([parameters, fields, labels] as tf.TensorContainer);
  },
);
