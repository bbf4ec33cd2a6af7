import { tf, valueAndGradients, type Engine } from '@graft/engine';
import { openStrictEngine } from './strict-engine';

let engine: Engine;
let one: tf.Scalar;
beforeAll(async () => {
  engine = await openStrictEngine();
});
beforeEach(() => void (one = tf.scalar(1)));
afterEach(() => one.dispose());

/** The code of what a call of a compiled function throws. */
function codeOf(fn: (x: tf.Tensor) => tf.Tensor, calls = 1): string | undefined {
  const jitted = engine.jit(fn, { name: 'odd' });
  try {
    for (let i = 0; i < calls; i++) jitted(one).dispose();
  } catch (error) {
    expect((error as Error).message).toContain('jit "odd"');
    return (error as { code?: string }).code;
  } finally {
    jitted.dispose();
  }
  return undefined;
}

test.each<[string, string, (x: tf.Tensor) => tf.Tensor]>([
  ['reads a value', 'engine.value-in-trace', (x) => x.mul(x.dataSync()[0])],
  ['prints a value', 'engine.value-in-trace', (x) => (x.print(), x.mul(2))],
  ['disposes its argument', 'testing.effect-in-jit', (x) => x.mul(2).add((x.dispose(), 1))],
  ['keeps a tensor', 'testing.effect-in-jit', (x) => tf.keep(x.add(1)).mul(2)],
  [
    'creates a variable',
    'engine.assignment-in-trace',
    (x) => tf.variable(x.add(1), true, `new ${Math.random()}`).mul(2),
  ],
  ['draws random numbers on the host', 'testing.impure-jit', (x) => x.mul(Math.random())],
  ['draws random numbers of tfjs', 'testing.impure-jit', (x) => x.mul(tf.randomUniform([2]))],
])('a function that %s is refused with the code %s', (_, code, fn) => {
  expect(codeOf(fn)).toBe(code);
  if (one.isDisposed) one = tf.scalar(1);
  // The engine is usable afterwards.
  expect(codeOf((x) => x.add(1))).toBeUndefined();
});

test('assigning a variable is refused, and the variable keeps its value', () => {
  const variable = tf.variable(tf.scalar(1), true, 'kept by the strict engine');
  expect(codeOf((x) => (variable.assign(x.add(1) as tf.Scalar), x.mul(2)))).toBe('engine.assignment-in-trace');
  expect(variable.dataSync()[0]).toBe(1);
  variable.assign(tf.tidy(() => one.add(1)) as tf.Scalar);
  expect(variable.dataSync()[0]).toBe(2);
  // Another value of the same variable is what compiled functions read, too.
  const times = engine.jit((x: tf.Tensor) => x.mul(variable));
  const results = [times(one)];
  variable.assign(tf.tidy(() => one.add(4)) as tf.Scalar);
  results.push(times(one));
  expect(results.map((result) => result.dataSync()[0])).toEqual([2, 5]);
  tf.dispose([results, variable] as tf.TensorContainer);
});

test('a function that depends on a counter or on another captured tensor is refused', () => {
  let calls = 0;
  expect(codeOf((x) => x.mul(calls++ < 2 ? 2 : 3), 2)).toBe('testing.impure-jit');
  const outer = [tf.scalar(1), tf.scalar(2)];
  let at = 0;
  expect(codeOf((x) => x.mul(outer[Math.floor(at++ / 2)]), 2)).toBe('testing.impure-jit');
  tf.dispose(outer);
});

test('one tensor twice in what is donated is refused', () => {
  const add = engine.jit(({ a, b }: { a: tf.Tensor; b: tf.Tensor }) => a.add(b), { donates: ['a', 'b'] });
  expect(() => add({ a: one, b: one })).toThrow(expect.objectContaining({ code: 'engine.consumed-twice' }));
});

test('pure functions run, with static arguments, gradients and functions within functions', () => {
  const before = tf.memory().numTensors;
  const inner = engine.jit((x: tf.Tensor) => x.square(), { name: 'inner' });
  const outer = engine.jit((x: tf.Tensor, times: number) => inner(x).mul(times), { name: 'outer' });
  const results = [outer(one, 2), outer(one, 3), outer(one, 2)];
  expect(results.map((result) => result.dataSync()[0])).toEqual([2, 3, 2]);
  const slope = engine.jit((x: tf.Tensor) =>
    valueAndGradients((w) => ({ loss: tf.sum(w.x.square()), auxiliary: {} }), { x }),
  );
  const { loss, gradients } = slope(one);
  expect(gradients.x.dataSync()[0]).toBe(2);
  const own = engine.jit((x: tf.Tensor) => tf.grad((y) => inner(y))(x));
  const grad = own(one);
  expect(grad.dataSync()[0]).toBe(2);
  tf.dispose([results, loss, gradients, grad] as tf.TensorContainer);
  expect(tf.memory().numTensors).toBe(before);
});
