import { openEngine, tf, type Engine } from '@graft/engine';
import { toyModel, toyPlugin } from '../../test/toy-plugin';
import { nameComponent } from '../components/calls';
import type { LossOutput, Objective, Optimizer, OptimizerUpdate, Parameters } from '../interfaces';
import { makeTrainStep, type StepInputs } from './step';
import { globalNorm } from './update';

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

const model = toyModel(2);
const objective = toyPlugin.components.find(({ id }) => id === 'squares')!.useFactory!({} as never) as Objective;

const reject = (thrown: unknown): never => {
  throw thrown;
};

/** Plain gradient descent that shows what it was given. */
function descent(update?: (given: OptimizerUpdate) => Parameters): Optimizer {
  return {
    learningRate: 1,
    init: () => ({}),
    update: (given) => ({
      state: { seen: tf.stack([given.step, given.learningRate, given.gradientNorm]) },
      parameters:
        update?.(given) ??
        Object.fromEntries(
          Object.entries(given.parameters).map(([name, value]) => [
            name,
            tf.sub(value, tf.mul(given.gradients[name], given.learningRate)),
          ]),
        ),
    }),
  };
}

function inputs(): StepInputs {
  return {
    parameters: { w: tf.tensor2d([1, 2], [2, 1]), b: tf.tensor1d([0.5]), unused: tf.tensor1d([7, 8]) },
    state: { seen: tf.zeros([3]) },
    step: tf.scalar(4),
    learningRate: tf.scalar(0.1),
    randomKey: tf.tensor1d([0, 0], 'int32'),
    batch: { x: tf.tensor2d([1, 0, 0, 1], [2, 2]), y: tf.tensor2d([1, 1], [2, 1]) },
  };
}

it('a step computes loss, gradients and their norm before the update, and leaves unused parameters unchanged', () => {
  const given = inputs();
  const step = makeTrainStep(engine, model, objective, descent());
  const before = tf.memory().numTensors;
  const { parameters, state, numbers, names } = step(given);
  // Errors are 0.5 and 1.5; the gradient of their mean square is (0.5, 1.5) for w and 2 for b.
  const norm = Math.sqrt(0.25 + 2.25 + 4);
  expect(names).toEqual(['loss', 'gradNorm', 'meanError', 'rows']);
  const values = numbers.arraySync();
  [1.25, norm, 1, 2].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 5));
  [4, 0.1, norm].forEach((value, i) => expect((state.seen.arraySync() as number[])[i]).toBeCloseTo(value, 5));
  expect(Object.keys(parameters)).toEqual(['w', 'b', 'unused']);
  (parameters.w.arraySync() as number[][]).forEach(([value], i) => expect(value).toBeCloseTo([0.95, 1.85][i], 5));
  expect(parameters.unused.arraySync()).toEqual([7, 8]);
  // Three parameters, one state, the numbers: nothing else stays.
  expect(tf.memory().numTensors).toBe(before + 5);
  tf.dispose([parameters, state, numbers, given] as unknown as tf.TensorContainer);
});

it.each<[string, (given: OptimizerUpdate) => Parameters, RegExp]>([
  [
    'forgets a parameter',
    ({ parameters: { w, b } }) => ({ w, b }),
    /returns nothing for parameters "unused"; expected float32 \[2\]/,
  ],
  [
    'reshapes one',
    ({ parameters }) => ({ ...parameters, w: parameters.w.flatten() }),
    /returns float32 \[2\] for parameters "w"; expected float32 \[2, 1\]/,
  ],
  [
    'invents one',
    ({ parameters }) => ({ ...parameters, extra: parameters.b }),
    /returns parameters "extra", which it was not given/,
  ],
])('an optimizer that %s is rejected', (_, update, message) => {
  const given = inputs();
  const step = makeTrainStep(engine, model, objective, descent(update));
  expect(() => step(given)).toThrow(message);
  tf.dispose(given as unknown as tf.TensorContainer);
});

it.each<[string, () => unknown, string]>([
  ['returns nothing', () => undefined, 'what update returns is nothing; expected { parameters, state } with tensors'],
  ['returns a promise', () => Promise.resolve({}), 'what update returns is a promise; expected { parameters, state }'],
  ['returns no state', () => ({ parameters: {} }), 'what update returns is {"parameters":{}}; expected { parameters,'],
  [
    'returns numbers',
    () => ({ parameters: { w: 3 }, state: {} }),
    'update returns 3 for parameters "w"; expected float32',
  ],
  ['throws', () => reject(new Error('no luck.')), 'update failed: no luck.'],
])('the error names an optimizer that %s', (_, update, message) => {
  const given = inputs();
  const optimizer = { learningRate: 1, init: () => ({}), update } as unknown as Optimizer;
  nameComponent(optimizer, 'optimizer "odd/bad"');
  expect(() => makeTrainStep(engine, model, objective, optimizer)(given)).toThrow(`optimizer "odd/bad": ${message}`);
  tf.dispose(given as unknown as tf.TensorContainer);
});

it.each<[string, (loss: tf.Scalar) => unknown, string]>([
  ['returns nothing', () => undefined, 'what loss returns is nothing; expected { loss, … } with a scalar tensor.'],
  ['returns a promise', (loss) => Promise.resolve({ loss }), 'what loss returns is a promise; expected { loss, … }'],
  ['returns a number', () => ({ loss: 3 }), 'the loss is 3; expected a scalar tensor.'],
  ['returns a vector', () => ({ loss: tf.zeros([2]) }), 'the loss is a tensor float32 [2]; expected a scalar tensor.'],
  ['measures numbers', (loss) => ({ loss, metrics: { a: 3 } }), 'the metric "a" is 3; expected a scalar tensor.'],
  ['counts numbers', (loss) => ({ loss, sums: { n: 3 } }), 'the sum "n" is 3; expected a scalar tensor.'],
  ['throws', () => reject('no luck'), 'loss failed: no luck.'],
])('the error names an objective that %s', (_, result, message) => {
  const given = inputs();
  const odd = { ...objective, loss: (...args) => result(objective.loss(...args).loss) as LossOutput } as Objective;
  nameComponent(odd, 'objective "odd/bad"');
  expect(() => makeTrainStep(engine, model, odd, descent())(given)).toThrow(`objective "odd/bad": ${message}`);
  tf.dispose(given as unknown as tf.TensorContainer);
});

it('a metric with a name of the training loop is rejected', () => {
  const given = inputs();
  const clashing: Objective = {
    ...objective,
    loss: (...args) => {
      const { loss } = objective.loss(...args);
      return { loss, metrics: { seconds: loss } };
    },
  };
  expect(() => makeTrainStep(engine, model, clashing, descent())(given)).toThrow(
    /metric "seconds", which the training loop gives itself/,
  );
  tf.dispose(given as unknown as tf.TensorContainer);
});

it('the gradient norm is taken over all tensors together', () => {
  const norm = tf.tidy(() => globalNorm({ a: tf.tensor2d([1, 2], [1, 2]), b: tf.scalar(2) }).arraySync());
  expect(norm).toBeCloseTo(3, 6);
  expect(tf.tidy(() => globalNorm({}).arraySync())).toBe(0);
});
