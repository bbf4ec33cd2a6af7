import { uploadBatch, type HostFields, type Parameters } from '@graft/core';
import { openEngine, random, tf, valueAndGradients } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { ints, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';

const SOURCES = {
  input_ids: ints([
    [3, 4, 5, 6, 7],
    [8, 9, 10, 0, 0],
  ]),
  attention_mask: ints([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]),
};

/** Two targets for each source. */
const TARGETS = {
  decoder_input_ids: ints([
    [2, 11, 12, 13],
    [2, 14, 0, 0],
    [2, 15, 16, 0],
    [2, 17, 18, 19],
  ]),
  decoder_attention_mask: ints([
    [1, 1, 1, 1],
    [1, 1, 0, 0],
    [1, 1, 1, 0],
    [1, 1, 1, 1],
  ]),
};

const twice = (fields: HostFields): HostFields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, { values, shape }]) => {
      const [rows, length] = shape;
      const row = (i: number): number[] => Array.from(values.subarray(i * length, (i + 1) * length));
      return [name, ints(Array.from({ length: 2 * rows }, (_, i) => row(Math.floor(i / 2))))];
    }),
  );

const MODELS: readonly (readonly [string, object])[] = [
  ['with cross-attention', {}],
  ['with rematerialized layers', { rematerialize: 'block' }],
  ['with merged attention', { family: 't5gemma2' }],
];

beforeAll(() => openEngine({ mode: 'portable' }));

describe.each(MODELS)('several targets for each source, %s', (_, options) => {
  it('logits and gradients are those of the sources given once for each target', () => {
    const model = tinyGemma(options);
    const parameters = tinyParameters(model);
    const compute = (host: HostFields): { logits: Float32Array; gradients: Float32Array[] } => {
      const fields = uploadBatch(host);
      const seen = tf.reshape(fields.decoder_attention_mask.toFloat(), [4, 4, 1]);
      const { gradients, auxiliary } = valueAndGradients((own: Parameters) => {
        const { logits } = model.forward(own, fields);
        const counted = tf.mul(logits, seen);
        return { loss: tf.sum(tf.square(counted)), auxiliary: { counted } };
      }, parameters);
      return {
        logits: (auxiliary as { counted: tf.Tensor }).counted.dataSync() as Float32Array,
        gradients: model.parameters.map(({ name }) => gradients[name].dataSync() as Float32Array),
      };
    };
    const shared = compute({ ...SOURCES, ...TARGETS });
    const repeated = compute({ ...twice(SOURCES), ...TARGETS });
    expect(worstDifference(shared.logits, repeated.logits)).toBeLessThan(1e-5);
    const largest = Math.max(...repeated.gradients.flatMap((one) => Array.from(one, Math.abs)));
    shared.gradients.forEach((one, i) =>
      expect(worstDifference(one, repeated.gradients[i]) / largest).toBeLessThan(1e-5),
    );
    tf.dispose(parameters);
  });
});

it('each target drops what it drops in the whole batch, whichever part of the batch it is computed with', () => {
  const model = tinyGemma({ dropout: 0.3 });
  const parameters = tinyParameters(model);
  const rows = (fields: HostFields, from: number, count: number): HostFields =>
    Object.fromEntries(
      Object.entries(fields).map(
        ([
          name,
          {
            values,
            shape: [, length],
          },
        ]) => [
          name,
          { dtype: 'int32', shape: [count, length], values: values.slice(from * length, (from + count) * length) },
        ],
      ),
    );
  const logits = (host: HostFields, first: number): Float32Array => {
    const randomKey = random.atRow(random.key([3, 4]), first);
    return model
      .forward(parameters, uploadBatch(host), { training: true, randomKey })
      .logits.dataSync() as Float32Array;
  };
  const whole = logits({ ...SOURCES, ...TARGETS }, 0);
  const second = logits({ ...rows(SOURCES, 1, 1), ...rows(TARGETS, 2, 2) }, 1);
  expect(worstDifference(second, whole.subarray(whole.length / 2))).toBeLessThan(1e-5);
  tf.dispose(parameters);
});

it('targets that cannot be shared out over the sources are an error', () => {
  const model = tinyGemma();
  const fields = uploadBatch({ ...SOURCES, decoder_input_ids: ints([[2], [2], [2]]) });
  expect(() => model.forward({}, fields)).toThrow(/"decoder_input_ids" has 3 rows and "input_ids" 2/);
});
