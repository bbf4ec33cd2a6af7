/** What a compiled function cannot do is an error that says so, and leaves the engine as it was. */
import {
  EngineError,
  openEngine,
  orderAfter,
  random,
  tf,
  unpackBfloat16,
  valueAndGradients,
  type Engine,
} from '../index';

describe.each(['xla', 'graph', 'eager', 'portable'] as const)('mistakes on %s', (mode) => {
  let engine: Engine;
  let one: tf.Scalar;
  beforeAll(async () => {
    engine = await openEngine({ mode });
  });
  beforeEach(async () => {
    await tf.setBackend(engine.backend);
    one = tf.scalar(1);
  });
  afterEach(() => one.dispose());
  const compiles = mode === 'xla' || mode === 'graph';

  test('after a gradient throws, functions stay compiled and tensors are freed', () => {
    let bodies = 0;
    const fn = engine.jit((x: tf.Tensor) => {
      bodies++;
      return x.mul(2).add(1);
    });
    const w = tf.tensor1d([1, 2]);
    fn(one).dispose();
    const { tensors } = engine.memory();
    for (let i = 0; i < 3; i++) {
      const failing = (): unknown =>
        valueAndGradients(
          (own) => {
            own.w.square().exp();
            throw new Error('no loss');
          },
          { w },
        );
      expect(failing).toThrow('no loss');
    }
    expect(engine.memory().tensors).toBe(tensors);
    const before = bodies;
    for (let i = 0; i < 3; i++) fn(one).dispose();
    expect(engine.memory().tensors).toBe(tensors);
    expect(bodies - before).toBe(compiles ? 0 : 3);
    const { gradients, loss } = valueAndGradients((own) => ({ loss: own.w.square().sum(), auxiliary: {} }), { w });
    expect([...gradients.w.dataSync()]).toEqual([2, 4]);
    tf.dispose([w, loss, gradients]);
    fn.dispose();
  });

  test('functions still compile after a gradient of tfjs itself threw', () => {
    const throwing = tf.grad(() => {
      throw new Error('no loss');
    });
    expect(() => throwing(one)).toThrow('no loss');
    let bodies = 0;
    const fn = engine.jit((x: tf.Tensor) => {
      bodies++;
      return x.mul(2);
    });
    tf.dispose([fn(one), fn(one)]);
    expect(bodies).toBe(compiles ? 1 : 2);
    fn.dispose();
  });

  test('static arguments are distinguished by value, whatever characters they contain', () => {
    const keys = engine.jit((given: object, x: tf.Tensor) => x.mul(Object.keys(given).length));
    const value = (result: tf.Tensor): number => {
      const [read] = result.dataSync();
      result.dispose();
      return read;
    };
    expect(value(keys({ a: '1', b: '2' }, one))).toBe(2);
    expect(value(keys({ a: '1;b:string 2' }, one))).toBe(1);
    expect(value(keys({ a: '1";"b":"2' }, one))).toBe(1);
    expect(value(keys({ 'a:1;b': 2 }, one))).toBe(1);
    const lengths = engine.jit((given: unknown[], x: tf.Tensor) => x.mul(given.length));
    expect(value(lengths(['a', 'b'], one))).toBe(2);
    expect(value(lengths(['a";"b'], one))).toBe(1);
    const signs = engine.jit((given: number, x: tf.Tensor) => x.mul(Object.is(given, -0) ? -1 : 1));
    expect([signs(0, one), signs(-0, one)].map(value)).toEqual([1, -1]);
    const kinds = engine.jit((given: unknown, x: tf.Tensor) => x.mul(typeof given === 'number' ? 1 : 2));
    expect([1, '1', NaN, 'NaN', null, 'null', undefined].map((given) => value(kinds(given, one)))).toEqual([
      1, 2, 1, 2, 2, 2, 2,
    ]);
    for (const fn of [keys, lengths, signs, kinds]) fn.dispose();
  });

  test('a value that is not a tree is rejected as an argument and as a result', () => {
    const taking = engine.jit((given: unknown, x: tf.Tensor) => (given === 0 ? x : x.neg()), { name: 'taking' });
    for (const [given, kind] of [
      [new Map(), 'Map'],
      [new Float32Array(1), 'Float32Array'],
      [() => 1, 'function'],
      [5n, 'bigint'],
    ] as const)
      expect(() => taking(given, one)).toThrow(`jit "taking" was given a ${kind}; it takes tensors`);
    const giving = engine.jit((x: tf.Tensor) => ({ parts: new Map([['a', x.neg()]]) }), { name: 'giving' });
    expect(() => giving(one)).toThrow('jit "giving" returned a Map; it may return tensors');
    taking.dispose();
    giving.dispose();
  });

  if (compiles) {
    test('assigning a variable inside a compiled function is an error, and the variable keeps its value', () => {
      const variable = tf.variable(tf.scalar(1), true, `kept-${mode}`);
      const assigning = engine.jit(
        (x: tf.Tensor) => {
          variable.assign(tf.add(variable, x) as tf.Scalar);
          return tf.mul(variable, 1);
        },
        { name: 'assigning' },
      );
      expect(() => assigning(one)).toThrow(
        `The variable "kept-${mode}" is assigned inside jit "assigning", which must have no effects.`,
      );
      expect(variable.dataSync()[0]).toBe(1);
      variable.assign(tf.tidy(() => tf.add(variable, one)) as tf.Scalar);
      expect(variable.dataSync()[0]).toBe(2);
      variable.dispose();
      assigning.dispose();
    });

    test('a captured tensor that was disposed before the trace is reported', () => {
      const gone = tf.scalar(1);
      gone.dispose();
      const fn = engine.jit((x: tf.Tensor) => tf.add(x, gone), { name: 'late' });
      expect(() => fn(one)).toThrow(EngineError);
      expect(() => fn(one)).toThrow('A tensor was used inside jit "late" after it was disposed.');
      fn.dispose();
    });
  }

  test('valueAndGradients requires a tensor as loss and returns no gradients without parameters', () => {
    const wrong = (): unknown => valueAndGradients(() => ({ loss: 3 as never, auxiliary: {} }), { one });
    expect(wrong).toThrow('valueAndGradients got a loss that is not a tensor but number; it takes a float32 scalar.');
    const { loss, gradients, auxiliary } = valueAndGradients(
      () => ({ loss: one.mul(3) as tf.Scalar, auxiliary: { twice: one.mul(2) } }),
      {},
    );
    expect([loss.dataSync()[0], auxiliary.twice.dataSync()[0], gradients]).toEqual([3, 2, {}]);
    tf.dispose([loss, auxiliary]);
  });

  test('after() waits for tensors of any kind, and for none', () => {
    const fn = engine.jit((x: tf.Tensor) => [
      orderAfter(x, []),
      orderAfter(x, [tf.zeros([0]), tf.ones([2, 2], 'int32'), tf.scalar(5)]),
    ]);
    const results = fn(one);
    expect(results.map((result) => result.dataSync()[0])).toEqual([1, 1]);
    tf.dispose(results);
    fn.dispose();
  });

  test('reductions of empty tensors give the same values on every engine', () => {
    tf.tidy(() => {
      const none = tf.zeros([0]);
      expect([tf.sum(none), tf.prod(none), tf.max(none)].map((result) => result.dataSync()[0])).toEqual([
        0,
        1,
        -Infinity,
      ]);
      expect([...tf.sum(tf.ones([0, 3]), 0).dataSync()]).toEqual([0, 0, 0]);
      expect(tf.sum(tf.ones([0, 3]), 0, true).shape).toEqual([1, 3]);
      expect(tf.sum(tf.ones([3, 0]), 1).shape).toEqual([3]);
    });
  });

  test('random integers need a non-empty range', () => {
    const key = random.key(1);
    expect(() => random.integers(key, [2], 5, 5)).toThrow('draws from [min, max) with at most 2^24 numbers');
    expect(() => random.integers(key, [2], 0, NaN)).toThrow(EngineError);
    key.dispose();
  });

  test('unpackBfloat16 accepts only packed tensors', () => {
    expect(() => unpackBfloat16(one)).toThrow('unpackBfloat16 takes what packBfloat16 gives, int32 [..., n / 2]');
  });
});
