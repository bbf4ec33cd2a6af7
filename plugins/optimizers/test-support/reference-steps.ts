import { createRandom, type Optimizer, type OptimizerState, type Parameters } from '@graft/core';
import { tf, type Engine } from '@graft/engine';

/** Numbers of a tensor, row-major, in double precision. */
export type Vectors = Record<string, number[]>;

export const SHAPES: Record<string, number[]> = {
  'layer.weight': [2, 3],
  'norm.weight': [3],
  'embed_tokens.weight': [4, 2],
};
const count = (name: string): number => SHAPES[name].reduce((a, b) => a * b, 1);

/** One step in double precision, element by element: returns parameters, and keeps its own state. */
export type ReferenceStep = (parameters: Vectors, gradients: Vectors, step: number, rate: number) => Vectors;

export const norm = (vectors: Vectors): number =>
  Math.sqrt(
    Object.values(vectors)
      .flat()
      .reduce((sum, g) => sum + g * g, 0),
  );

/** Compares ten compiled steps of an optimizer with a reference; gradients have very different sizes. */
export function follow(engine: Engine, optimizer: Optimizer, reference: ReferenceStep, tolerance = 2e-6): void {
  const random = createRandom(5);
  const draw = (scale: number): Vectors =>
    Object.fromEntries(
      Object.keys(SHAPES).map((name) => [
        name,
        Array.from({ length: count(name) }, () => Math.fround(scale * random.normal())),
      ]),
    );
  const upload = (vectors: Vectors): Parameters =>
    Object.fromEntries(Object.entries(vectors).map(([name, values]) => [name, tf.tensor(values, SHAPES[name])]));
  let expected = draw(1);
  let parameters = upload(expected);
  let state = optimizer.init(parameters);
  const names = Object.keys(state);
  const update = engine.jit(
    (p: Parameters, s: OptimizerState, g: Parameters, step: tf.Scalar, learningRate: tf.Scalar) => {
      const gradientNorm = tf.sqrt<tf.Scalar>(tf.addN(Object.values(g).map((x) => tf.sum(tf.square(x)))));
      return optimizer.update({ parameters: p, state: s, gradients: g, step, learningRate, gradientNorm });
    },
  );
  for (let step = 1; step <= 10; step++) {
    const rate = optimizer.learningRate * (step / 10);
    const gradients = draw(10 ** ((step % 4) - 2));
    ({ parameters, state } = update(parameters, state, upload(gradients), tf.scalar(step - 1), tf.scalar(rate)));
    expected = reference(expected, gradients, step, rate);
    for (const name of Object.keys(SHAPES)) {
      parameters[name]
        .dataSync()
        .forEach((x, i) =>
          expect(Math.abs(x - expected[name][i])).toBeLessThan(tolerance * (1 + Math.abs(expected[name][i]))),
        );
    }
    expect(Object.keys(state).sort()).toEqual([...names].sort());
  }
  update.dispose();
}

/** Checks that a parameter without a gradient is unchanged, and so is its state. */
export function leavesAlone(optimizer: Optimizer): void {
  const parameters = { a: tf.tensor2d([[1, 2]]), b: tf.tensor2d([[3, 4]]) };
  const state = optimizer.init(parameters);
  const after = optimizer.update({
    parameters,
    state,
    gradients: { a: tf.tensor2d([[1, -1]]) },
    step: tf.scalar(0),
    learningRate: tf.scalar(0.5),
    gradientNorm: tf.scalar(1),
  });
  expect(Array.from(after.parameters.b.dataSync())).toEqual([3, 4]);
  expect(Array.from(after.parameters.a.dataSync())).not.toEqual([1, 2]);
  expect(Object.keys(after.state).sort()).toEqual(Object.keys(state).sort());
  for (const [name, tensor] of Object.entries(after.state))
    if (name.endsWith('/b')) expect(tensor.dataSync()).toEqual(state[name].dataSync());
}
