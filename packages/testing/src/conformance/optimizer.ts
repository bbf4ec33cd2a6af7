import type { Optimizer, OptimizerState, OptimizerUpdate, Parameters } from '@graft/core';
import { tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { check, type Check, type Make } from '../check';
import { openStrictEngine } from '../engine/strict-engine';
import { isFiniteList, tensorCount, valuesDifference, valuesOf, type Values } from '../values';

/** Names and shapes of real kinds: a matrix, a vector, one number, and an embedding with more rows than columns. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'embed.weight': [6, 4],
  'layers.0.weight': [4, 4],
  'layers.0.norm': [4],
  bias: [1],
};
const NAMES = Object.keys(SHAPES);

function tensors(seed: number, names: readonly string[] = NAMES): Parameters {
  return Object.fromEntries(
    names.map((name) => {
      const count = elementCount(SHAPES[name]);
      const values = Float32Array.from({ length: count }, (_, i) => Math.sin(seed + NAMES.indexOf(name) + 3 * i));
      return [name, tf.tensor(values, [...SHAPES[name]], 'float32')];
    }),
  );
}

interface Step {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
}

/** Tensors of a step are created within a scope: `run` returns values. */
function scoped<T>(run: () => T): T {
  let result: T;
  tf.tidy(() => {
    result = run();
  });
  return result!;
}

function givenFor({ parameters, state }: Step, step: number, names: readonly string[] = NAMES): OptimizerUpdate {
  return {
    parameters,
    state,
    gradients: tensors(10 + step, names),
    step: tf.scalar(step),
    learningRate: tf.scalar(0.01),
    gradientNorm: tf.scalar(3),
    randomKey: tf.tensor1d([step, 1, 0], 'int32'),
  };
}

/** Values of parameters and state after some updates without `jit`. */
function trained(made: Optimizer, steps: number, names: readonly string[] = NAMES): Values {
  return scoped(() => {
    const parameters = tensors(1, names);
    let now: Step = { parameters, state: made.init(parameters) };
    for (let step = 0; step < steps; step++) now = made.update(givenFor(now, step, names));
    return { ...valuesOf(now.parameters), ...valuesOf(now.state) };
  });
}

const list = (names: Iterable<string>): string => [...names].sort().join(', ') || 'nothing';

/** Checks of an Optimizer: pure, compilable with donation, and with state that is keyed by parameter. */
export function optimizer(make: Make<Optimizer>): readonly Check[] {
  return [
    check('optimizer', 'learningRate', 'the learning rate is a finite number of at least 0', async (broken) => {
      const { learningRate } = await make();
      if (!Number.isFinite(learningRate) || learningRate < 0) broken(`learningRate is ${learningRate}.`);
    }),
    check(
      'optimizer',
      'init',
      'the state is keyed by parameter, in float32 or int32 tensors of its own',
      async (broken) => {
        const made = await make();
        scoped(() => {
          const parameters = tensors(1);
          const state = made.init(parameters);
          const owned = new Set(Object.values(parameters).map(({ id }) => id));
          for (const [name, tensor] of Object.entries(state)) {
            if (!(tensor instanceof tf.Tensor)) broken(`the state "${name}" is not a tensor.`);
            if (owned.has(tensor.id))
              broken(`the state "${name}" is a parameter itself, which would be donated twice.`);
            if (!['float32', 'int32'].includes(tensor.dtype)) broken(`the state "${name}" is ${tensor.dtype}.`);
            if (name.includes('/') && !NAMES.some((parameter) => name.endsWith(`/${parameter}`)))
              broken(`the state "${name}" does not end in the name of a parameter.`);
          }
          const some = NAMES.slice(1);
          const part = made.init(tensors(1, some));
          const expected = Object.keys(state).filter((name) => !name.endsWith(`/${NAMES[0]}`));
          if (list(Object.keys(part)) !== list(expected))
            broken(`without the parameter "${NAMES[0]}" the state is ${list(Object.keys(part))}.`);
        });
      },
    ),
    check(
      'optimizer',
      'update',
      'an update returns all parameters and states with their shapes and dtypes',
      async (broken) => {
        const made = await make();
        scoped(() => {
          const parameters = tensors(1);
          const before = { parameters, state: made.init(parameters) };
          const after = made.update(givenFor(before, 0));
          for (const part of ['parameters', 'state'] as const) {
            const [names, given] = [list(Object.keys(before[part])), list(Object.keys(after[part]))];
            if (names !== given) broken(`update returned the ${part} ${given} instead of ${names}.`);
            for (const [name, { shape, dtype }] of Object.entries(before[part])) {
              const other = after[part][name];
              if (other.shape.join() !== shape.join() || other.dtype !== dtype)
                broken(`"${name}" was ${dtype} [${shape.join(', ')}], now ${other.dtype} [${other.shape.join(', ')}].`);
            }
          }
        });
      },
    ),
    check(
      'optimizer',
      'update',
      'an update is pure: what it is given stays, and it computes the same again',
      async (broken) => {
        const [made, other] = [await make(), await make()];
        scoped(() => {
          const parameters = tensors(1);
          const given = givenFor({ parameters, state: made.init(parameters) }, 0);
          const inputs = { ...given.parameters, ...given.state, ...given.gradients };
          const before = valuesOf(inputs);
          const [first, second] = [made.update(given), made.update(given)];
          if (Object.values(inputs).some((tensor) => tensor.isDisposed))
            broken('update disposed a tensor it was given.');
          const changed = valuesDifference(before, valuesOf(inputs));
          if (changed !== undefined) broken(`update changed what it was given: ${changed}.`);
          const again = valuesDifference(valuesOf(first.parameters), valuesOf(second.parameters));
          if (again !== undefined) broken(`the second update with the same arguments differs: ${again}.`);
        });
        const difference = valuesDifference(trained(made, 2), trained(other, 2));
        if (difference !== undefined)
          broken(`a new optimizer trains differently than one that was used: ${difference}.`);
      },
    ),
    check('optimizer', 'update', 'updated values are finite, also for gradients of 0', async (broken) => {
      const made = await make();
      scoped(() => {
        const parameters = tensors(1);
        let now: Step = { parameters, state: made.init(parameters) };
        for (let step = 0; step < 2; step++) {
          const gradients = Object.fromEntries(Object.entries(parameters).map(([name, t]) => [name, tf.zerosLike(t)]));
          now = made.update({ ...givenFor(now, step), gradients, gradientNorm: tf.scalar(0) });
        }
        for (const [name, values] of Object.entries({ ...valuesOf(now.parameters), ...valuesOf(now.state) }))
          if (!isFiniteList(values)) broken(`with gradients of 0, "${name}" is not finite after two updates.`);
      });
      for (const [name, values] of Object.entries(trained(made, 3)))
        if (!isFiniteList(values)) broken(`"${name}" is not finite after three updates.`);
    }),
    check(
      'optimizer',
      'update',
      'a parameter is updated the same, whichever others are updated with it',
      async (broken) => {
        const made = await make();
        const whole = trained(made, 2);
        for (const names of [[...NAMES].reverse(), NAMES.slice(1)]) {
          const part = trained(made, 2, names);
          const ours = Object.fromEntries(Object.entries(part).filter(([name]) => names.includes(name)));
          const difference = valuesDifference(ours, whole);
          if (difference !== undefined) broken(`with the parameters ${names.join(', ')}, ${difference}.`);
        }
      },
    ),
    check(
      'optimizer',
      'update',
      'an update is compiled with donated parameters and state, and leaks nothing',
      async (broken) => {
        const [made, engine] = [await make(), await openStrictEngine()];
        const expected = trained(made, 2);
        const before = tensorCount();
        const step = engine.jit((given: OptimizerUpdate) => made.update(given), {
          name: 'update',
          donates: ['parameters', 'state', 'gradients'],
        });
        const parameters = tensors(1);
        let now: Step = { parameters, state: tf.tidy(() => made.init(parameters)) };
        for (let i = 0; i < 2; i++) {
          const given = givenFor(now, i);
          now = step(given);
          tf.dispose([given.step, given.learningRate, given.gradientNorm, given.randomKey!]);
        }
        const values = { ...valuesOf(now.parameters), ...valuesOf(now.state) };
        const difference = valuesDifference(expected, values, 1e-6);
        tf.dispose([now.parameters, now.state]);
        step.dispose();
        if (difference !== undefined) broken(`the compiled update differs: ${difference}.`);
        const left = tensorCount() - before;
        if (left !== 0) broken(`two updates left ${left} tensors.`);
      },
    ),
  ];
}
