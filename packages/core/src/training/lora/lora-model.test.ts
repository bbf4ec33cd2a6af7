import { openEngine, tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { averagedNames, ParameterGroups } from '../parameter-groups';
import { estimateTrainingMemory } from '../memory-estimate';
import { createRandom } from '../../random/streams';
import type { Model, Parameters } from '../../interfaces';
import { newPairs } from './initial-pairs';
import { LoraModel, withMerged } from './lora-model';
import { LoraSection } from '../../config/lora-section';
import { lowRankTerm, pairOf } from './pairs';

/** Logits [1, rows, 4] from x [rows, 3]; `readsPairs`: it adds them itself. */
const model = (readsPairs = false): Model => {
  const rowsOf = (parameters: Parameters, x: tf.Tensor): tf.Tensor2D => {
    const product = tf.matMul(x as tf.Tensor2D, parameters['layer.weight'] as tf.Tensor2D, false, true);
    const pair = readsPairs ? pairOf(parameters, 'layer.weight') : undefined;
    return tf.add(pair ? tf.add(product, lowRankTerm(x, pair)) : product, parameters['layer.bias']);
  };
  return {
    kind: 'decoder-only',
    vocabularySize: 4,
    specialTokens: { pad: 0, start: 1, eos: [2] },
    readsPairs,
    parameters: [
      { name: 'layer.weight', shape: [4, 3], part: 'decoder', initial: 'normal', linear: true },
      { name: 'layer.bias', shape: [4], part: 'decoder', initial: 'zeros' },
    ],
    checkpointConfig: {},
    forward: (parameters, { x }) => ({ logits: tf.expandDims<tf.Tensor3D>(rowsOf(parameters, x), 0) }),
    head: {
      parameters: ['layer.weight', 'layer.bias'],
      rows: (_, { x }) => x as tf.Tensor2D,
      logits: (parameters, rows) => rowsOf(parameters, rows),
    },
    stepMemory: () => ({ activations: 100, logits: 10 }),
  };
};
const lora = (settings: object = {}, base = model()): LoraModel =>
  new LoraModel(base, LoraSection.parse({ rank: 2, alpha: 6, ...settings }));
const A = 'layer.lora_A.weight';
const B = 'layer.lora_B.weight';

const random = (made: Model): Parameters =>
  Object.fromEntries(
    made.parameters.map(({ name, shape }) => {
      const values = new Float32Array(elementCount(shape));
      createRandom(3).fork(name).fillNormal(values, 1);
      return [name, tf.tensor(values, [...shape])];
    }),
  );

beforeAll(() => openEngine({ mode: 'portable' }));

test.each([false, true])(
  'pairs have the effect of merged matrices (the model reads pairs itself: %s)',
  async (reads) => {
    const before = tf.memory().numTensors;
    const made = lora({}, model(reads));
    const parameters = random(made);
    const x = tf.tensor2d([1, 2, 3, -1, 0, 2], [2, 3]);
    const expected = tf.tidy(() => {
      const weight = tf.add(parameters['layer.weight'], tf.mul(tf.matMul(parameters[B], parameters[A]), 3));
      return tf.add(tf.matMul(x, weight as tf.Tensor2D, false, true), parameters['layer.bias']).dataSync();
    });
    const worst = (logits: tf.Tensor): number =>
      Math.max(...logits.dataSync().map((value, i) => Math.abs(value - expected[i])));
    expect(tf.tidy(() => worst(made.forward(parameters, { x }).logits))).toBeLessThan(1e-5);
    const { head } = made;
    expect(head!.parameters).toEqual(['layer.weight', A, B, 'layer.bias']);
    expect(tf.tidy(() => worst(head!.logits(parameters, head!.rows(parameters, { x }))))).toBeLessThan(1e-5);
    await withMerged(made, parameters, (merged) => {
      expect(Object.keys(merged)).toEqual(['layer.weight', 'layer.bias']);
      expect(tf.tidy(() => worst(made.base.forward(merged, { x }).logits))).toBeLessThan(1e-5);
      return Promise.resolve();
    });
    tf.dispose([parameters, x]);
    expect(tf.memory().numTensors).toBe(before);
  },
);

test('only pairs and modules to save train, have a moving average, and count as gradients and state', () => {
  const made = lora();
  const byName = Object.fromEntries(made.parameters.map((spec) => [spec.name, spec]));
  expect(Object.keys(ParameterGroups.of(made, {}, 5).everTrained(byName))).toEqual([A, B]);
  expect([...averagedNames(made)]).toEqual([A, B]);
  expect([...averagedNames(lora({ modulesToSave: ['layer'], targets: 'all-linear' }, twoLayers()))]).toContain(
    'layer.bias',
  );
  expect(() => ParameterGroups.of(made, { groups: [{ names: ['layer.bias'] }] })).toThrow(
    expect.objectContaining({ code: 'training.group-frozen' }) as Error,
  );
  const estimate = estimateTrainingMemory({
    model: made,
    optimizer: { stateOf: (name, shape) => [{ name, shape, dtype: 'float32' }] as never },
    isTrained: (name) => !byName[name].frozen,
    keepsAverage: true,
    parameterDtype: 'bfloat16',
    batch: { batch: 1, sourceLength: 0, targetLength: 5 },
  });
  const pairs = 4 * (2 * 3 + 4 * 2);
  // The matrix [4, 3] has an odd width, and stays float32.
  expect(estimate).toMatchObject({
    parameters: 4 * 16 + pairs,
    masterWeights: 0,
    optimizerState: pairs,
    average: pairs,
  });
  expect(estimate.activations).toBe(100 + 4 * 5 * 2);
});

const twoLayers = (): Model => {
  const one = model();
  return {
    ...one,
    parameters: [
      ...one.parameters,
      { name: 'other.weight', shape: [4, 3], part: 'decoder', initial: 'normal', linear: true },
    ],
  };
};

test('dropout needs a model that reads pairs itself', () => {
  expect(() => lora({ dropout: 0.1 })).toThrow(expect.objectContaining({ code: 'lora.dropout' }) as Error);
  expect(lora({ dropout: 0.1 }, model(true)).settings.dropout).toBe(0.1);
});

test('new pairs are zero together, and A depends only on the seed and the name of its matrix', async () => {
  const wide: Model = {
    ...model(),
    parameters: ['a', 'b'].map((name) => ({
      name: `${name}.weight`,
      shape: [4, 400],
      part: 'decoder',
      initial: 'normal',
      linear: true,
    })),
  };
  const drawn = async (settings: object): Promise<Record<string, Float32Array>> => {
    const found: Record<string, Float32Array> = {};
    for await (const [name, value] of newPairs(lora({ rank: 8, ...settings }, wide), createRandom(5))) {
      found[name] = value.dataSync<'float32'>();
      value.dispose();
    }
    return found;
  };
  const deviation = (values: Float32Array): number =>
    Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
  const both = await drawn({});
  expect(Math.max(...both['a.lora_B.weight'].map(Math.abs))).toBe(0);
  const kaiming = both['a.lora_A.weight'];
  expect(Math.max(...kaiming.map(Math.abs))).toBeLessThanOrEqual(1 / 20);
  expect(Math.abs(deviation(kaiming) * 20 * Math.sqrt(3) - 1)).toBeLessThan(0.05);
  expect((await drawn({ targets: ['a'] }))['a.lora_A.weight']).toEqual(kaiming);
  expect(both['b.lora_A.weight']).not.toEqual(kaiming);
  const gaussian = (await drawn({ init: 'gaussian' }))['a.lora_A.weight'];
  expect(Math.abs(deviation(gaussian) * 8 - 1)).toBeLessThan(0.05);
});
