import {
  openEngine,
  tf,
  treeLeaves,
  valueAndGradients,
  withPrecision,
  type Engine,
  type EngineMode,
  type Jitted,
} from '../index';
import { findNativeLibrary } from '../setup';
import { describeNative } from '@graft/test-support';

let hasLibrary = false;
beforeAll(async () => {
  hasLibrary = (await findNativeLibrary()) !== undefined;
});

const MODES: EngineMode[] = ['xla', 'graph', 'mixed', 'eager', 'portable'];

describeNative('jit', () => {
  describe.each(MODES)('on %s', (mode) => {
    let engine: Engine;
    beforeAll(async () => {
      if (mode !== 'portable') expect(hasLibrary).toBe(true);
      engine = await openEngine({ mode });
    });
    // tfjs has one backend a process: each test runs on the one that its engine opened.
    beforeEach(() => tf.setBackend(engine.backend));

    const compiles = mode === 'xla' || mode === 'graph' || mode === 'mixed';

    test('a compiled function takes and returns trees of tensors and keeps static leaves in place', () => {
      const fn = engine.jit(({ a, list }: { a: tf.Tensor; list: tf.Tensor[] }, factor: number) => ({
        sum: tf.add(a, list[0]).mul(factor),
        parts: [list[1].neg()],
        name: 'kept',
        factor,
      }));
      const [a, b, c] = [tf.tensor1d([1, 2]), tf.tensor1d([10, 20]), tf.scalar(5)];
      const out = fn({ a, list: [b, c] }, 2);
      expect(Array.from(out.sum.dataSync())).toEqual([22, 44]);
      expect(out.parts[0].dataSync()[0]).toBe(-5);
      expect(out).toMatchObject({ name: 'kept', factor: 2 });
      tf.dispose([a, b, c, ...treeLeaves(out)]);
      fn.dispose();
    });

    test('enqueued results can be used as inputs, read in any order, or disposed before they are computed', async () => {
      const before = engine.memory();
      const fn = engine.jit((x: tf.Tensor, step: tf.Scalar) => ({ next: tf.add(tf.mul(x, 2), step), sum: tf.sum(x) }));
      const step = tf.scalar(1);
      const all: { next: tf.Tensor; sum: tf.Tensor }[] = [];
      let x: tf.Tensor = tf.ones([300, 300]);
      const first = x;
      for (let i = 0; i < 6; i++) {
        all.push(await fn.enqueue(x, step));
        x = all[i].next;
      }
      const sums = all.map(({ sum }) => sum.data());
      all[2].next.dispose();
      all[4].sum.dispose();
      expect((await sums[4])[0]).toBe(90_000 * (2 ** 5 - 1));
      // 1, 3, 7, 15, ... : twice and one more.
      const last = await all[5].next.data();
      expect(last[0]).toBe(2 ** 7 - 1);
      expect((await sums[5])[0]).toBe(90_000 * (2 ** 6 - 1));
      expect(all[3].next.dataSync()[89_999]).toBe(2 ** 5 - 1);
      tf.dispose([first, step, ...all.flatMap(({ next, sum }) => [next, sum])]);
      fn.dispose();
      expect(engine.memory()).toMatchObject({ tensors: before.tensors, handles: before.handles, bytes: before.bytes });
    });

    if (mode === 'graph') {
      test('a failed enqueued call names its function when its result is read, and later calls succeed', async () => {
        const fn = engine.jit((x: tf.Tensor, at: tf.Tensor1D) => tf.gather(x, at), { name: 'pick' });
        const x = tf.tensor1d([5, 6, 7]);
        const [good, bad] = [tf.tensor1d([1, 1, 1], 'int32'), tf.tensor1d([9, 1, 1], 'int32')];
        const one = await fn.enqueue(x, good);
        const wrong = await fn.enqueue(x, bad);
        // With what failed for an input, this fails too: at once if that is known by now, or when it is read.
        const spoilt = async (): Promise<unknown> => {
          const made = await fn.enqueue(wrong, good);
          return made.data().finally(() => made.dispose());
        };
        await expect(spoilt()).rejects.toThrow(/^jit "pick": (?!jit)/);
        await expect(wrong.data()).rejects.toThrow(/^jit "pick": .*9/);
        await expect(spoilt()).rejects.toThrow(/^jit "pick": (?!jit)/);
        const again = await fn.enqueue(x, good);
        expect([...(await one.data()), ...(await again.data())]).toEqual([6, 6, 6, 6, 6, 6]);
        // Nobody reads this one: freeing the function waits for it, and is not disturbed.
        (await fn.enqueue(x, bad)).dispose();
        fn.dispose();
        const after = engine.jit((y: tf.Tensor) => tf.add(y, 1));
        expect([...(await (await after.enqueue(x)).data())]).toEqual([6, 7, 8]);
        tf.dispose([x, good, bad, one, wrong, again]);
        after.dispose();
      });
    }

    test('a compiled function returns tensors of its own, even for an argument that it returns', () => {
      const fn = engine.jit((x: tf.Tensor) => ({ same: x }));
      const x = tf.tensor1d([1, 2, 3]);
      const { same } = fn(x);
      x.dispose();
      expect(Array.from(same.dataSync())).toEqual([1, 2, 3]);
      same.dispose();
      fn.dispose();
    });

    test('a function is traced once per shape, dtype and static value', () => {
      const fn = engine.jit((x: tf.Tensor, n: number) => x.mul(n));
      const run = (x: tf.Tensor, n: number): number => {
        const out = fn(x, n);
        const [value] = out.dataSync();
        tf.dispose([x, out]);
        return value;
      };
      expect(run(tf.ones([2]), 3)).toBe(3);
      expect(run(tf.ones([2]), 3)).toBe(3);
      expect(run(tf.ones([4]), 3)).toBe(3);
      expect(run(tf.ones([2], 'int32'), 3)).toBe(3);
      expect(run(tf.ones([2]), 4)).toBe(4);
      expect(fn.statistics.traces).toBe(compiles ? 4 : 0);
      fn.dispose();
    });

    test('a compiled function sees the new value of a captured variable', () => {
      const variable = tf.variable(tf.scalar(2));
      const constant = tf.scalar(10);
      const fn = engine.jit((x: tf.Tensor) => x.mul(variable).add(constant));
      const x = tf.scalar(3);
      const read = (): number => tf.tidy(() => fn(x).dataSync()[0]);
      expect(read()).toBe(16);
      variable.assign(tf.scalar(5));
      expect(read()).toBe(25);
      if (compiles) expect(fn.statistics.traces).toBe(1);
      tf.dispose([variable, constant, x]);
      fn.dispose();
    });

    test('a compiled function called inside another becomes part of it', () => {
      const inner = engine.jit((x: tf.Tensor) => x.square());
      const recursive = engine.jit((x: tf.Tensor, depth: number): tf.Tensor =>
        depth === 0 ? inner(x) : recursive(x.add(1), depth - 1),
      );
      const x = tf.scalar(1);
      const out = recursive(x, 3);
      expect(out.dataSync()[0]).toBe(16);
      expect(inner.statistics.traces).toBe(0);
      tf.dispose([x, out]);
      recursive.dispose();
    });

    test('gradients work inside a compiled function and through one from outside', () => {
      const cube = engine.jit((x: tf.Tensor) => x.pow(3));
      const x = tf.scalar(2);
      const outside = tf.grad((v) => cube(v))(x);
      expect(outside.dataSync()[0]).toBeCloseTo(12);
      const inside = engine.jit((v: tf.Tensor) => tf.grad((u) => u.pow(3))(v));
      const gradient = inside(x);
      expect(gradient.dataSync()[0]).toBeCloseTo(12);
      tf.dispose([x, outside, gradient]);
      inside.dispose();
    });

    test('the gradient of gather sums over rows that were gathered twice', () => {
      const fn = engine.jit((x: tf.Tensor) => tf.grad((u) => tf.gather(u, [0, 0, 2]).square().sum())(x));
      const x = tf.tensor1d([1, 2, 3]);
      const out = fn(x);
      expect(Array.from(out.dataSync())).toEqual([4, 0, 6]);
      tf.dispose([x, out]);
      fn.dispose();
    });

    test('valueAndGradients returns auxiliary tensors, and zeros for an unused parameter', () => {
      const fn = engine.jit((p: Record<string, tf.Tensor>) =>
        valueAndGradients(({ used }) => ({ loss: used.square().sum(), auxiliary: { doubled: used.mul(2) } }), p),
      );
      const before = tf.memory().numTensors;
      const p = { used: tf.tensor1d([1, 2]), unused: tf.ones([3]) };
      const out = fn(p);
      expect(out.loss.dataSync()[0]).toBe(5);
      expect(Array.from(out.gradients.used.dataSync())).toEqual([2, 4]);
      expect(Array.from(out.gradients.unused.dataSync())).toEqual([0, 0, 0]);
      expect(Array.from(out.auxiliary.doubled.dataSync())).toEqual([2, 4]);
      tf.dispose([p, ...treeLeaves(out)]);
      expect(tf.memory().numTensors).toBe(before);
      fn.dispose();
    });

    test('concurrent asynchronous calls do not mix', async () => {
      const fn = engine.jit((x: tf.Tensor, y: tf.Tensor) => tf.matMul(x as tf.Tensor2D, y as tf.Tensor2D).sum());
      const tasks = Array.from({ length: 12 }, async (_, i) => {
        const x = tf.fill([64, 64], i);
        const y = tf.eye(64);
        const out = await fn.async(x, y);
        const [value] = await out.data();
        tf.dispose([x, y, out]);
        return value;
      });
      expect(await Promise.all(tasks)).toEqual(Array.from({ length: 12 }, (_, i) => i * 64 * 64));
      fn.dispose();
    });

    test('inputs may be disposed as soon as an asynchronous call has begun', async () => {
      const fn = engine.jit((x: tf.Tensor) => x.add(1));
      const x = tf.ones([1000]);
      const pending = fn.async(x);
      x.dispose();
      const out = await pending;
      expect(out.dataSync()[999]).toBe(2);
      out.dispose();
      fn.dispose();
    });

    test('a function that returns a promise is rejected', () => {
      const fn = engine.jit(async (x: tf.Tensor) => Promise.resolve(x), { name: 'later' });
      const x = tf.scalar(1);
      expect(() => fn(x)).toThrow(
        'jit "later" got a function that returns a promise; it can only compile synchronous code.',
      );
      x.dispose();
    });

    if (!compiles) return;

    test('an error about reading a value inside a function names the function and leaks nothing', () => {
      const before = { tensors: tf.memory().numTensors, handles: engine.memory().handles };
      const fn = engine.jit((x: tf.Tensor) => (x.dataSync()[0] > 0 ? x : x.neg()), { name: 'sign' });
      const x = tf.scalar(1);
      expect(() => fn(x)).toThrow(/read the value of a tensor inside jit "sign", where tensors have no values yet\./);
      x.dispose();
      expect({ tensors: tf.memory().numTensors, handles: engine.memory().handles }).toEqual(before);
    });

    test('an error about a kernel that reads on the host names the function', () => {
      const fn = engine.jit((x: tf.Tensor) => tf.topk(tf.unique(x as tf.Tensor1D).values, 1).values, {
        name: 'distinct',
      });
      const x = tf.tensor1d([1, 1, 2]);
      expect(() => fn(x)).toThrow(/inside jit "distinct"/);
      x.dispose();
    });

    test('an error about a shape that TensorFlow cannot infer names the operation', () => {
      const fn = engine.jit((x: tf.Tensor) => tf.unique(x as tf.Tensor1D).values, { name: 'distinct' });
      const x = tf.tensor1d([1, 1, 2]);
      expect(() => fn(x)).toThrow(/^Unique\w* inside jit "distinct": the shape of its result depends on values/);
      x.dispose();
    });

    test('an error about incompatible shapes names the operation and the shapes', () => {
      const fn = engine.jit((x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D), { name: 'product' });
      const x = tf.ones([2, 3]);
      expect(() => fn(x)).toThrow(
        /MatMul inside jit "product", on float\[2, 3\], float\[2, 3\]: Dimensions must be equal/,
      );
      x.dispose();
    });

    test('a captured tensor that was disposed is an error, not a crash', () => {
      const captured = tf.tensor1d([1, 2]);
      const fn = engine.jit((x: tf.Tensor) => x.add(captured), { name: 'plus' });
      const x = tf.tensor1d([1, 1]);
      tf.dispose(fn(x));
      captured.dispose();
      expect(() => fn(x)).toThrow('jit "plus" (a captured tensor) uses a tensor that has been disposed.');
      x.dispose();
      fn.dispose();
    });

    test('using a tensor that escaped from a trace is an error', () => {
      let smuggled: tf.Tensor | undefined;
      const fn = engine.jit(
        (x: tf.Tensor) => {
          smuggled = tf.keep(x.add(1));
          return x.mul(2);
        },
        { name: 'leaky' },
      );
      const x = tf.scalar(1);
      tf.dispose(fn(x));
      expect(() => tf.add(smuggled!, 1)).toThrow(/given a tensor from inside jit "leaky", which has ended/);
      smuggled!.dispose();
      x.dispose();
      fn.dispose();
    });

    test('bfloat16 precision rounds only the operands of matrix multiplications', () => {
      const x = tf.tensor2d([[1.001, 2.003]]);
      const y = tf.tensor2d([[1], [1]]);
      const fn = engine.jit((a: tf.Tensor, b: tf.Tensor) => ({
        product: tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
        sum: a.sum(),
      }));
      const rounded = withPrecision('bfloat16', () => fn(x, y));
      const exact = fn(x, y);
      expect(rounded.product.dataSync()[0]).toBe(3);
      expect(rounded.product.dtype).toBe('float32');
      expect(rounded.sum.dataSync()[0]).toBeCloseTo(3.004, 5);
      expect(exact.product.dataSync()[0]).toBeCloseTo(3.004, 5);
      expect(fn.statistics.traces).toBe(2);
      tf.dispose([x, y, ...treeLeaves(rounded), ...treeLeaves(exact)]);
      fn.dispose();
    });
  });
});

describe.each(['xla', 'graph', 'mixed', 'eager', 'portable'] as const)('donated arguments on %s', (mode) => {
  type State = { w: tf.Tensor; frozen: tf.Tensor; gone: tf.Tensor; [name: string]: tf.Tensor };
  const make = async (): Promise<
    Jitted<[{ state: State; x: tf.Tensor }], { state: Omit<State, 'gone'>; sum: tf.Tensor }>
  > =>
    (await openEngine({ mode })).jit(
      ({ state: { w, frozen, gone }, x }: { state: State; x: tf.Tensor }) => ({
        state: { w: tf.add(tf.mul(w, 2), x), frozen },
        sum: tf.sum(tf.add(w, gone)),
      }),
      { donates: ['state'] },
    );
  const begin = (): { state: State; x: tf.Tensor } => ({
    state: { w: tf.tensor1d([1, 2]), frozen: tf.scalar(7), gone: tf.tensor1d([10, 20]) },
    x: tf.tensor1d([100, 200]),
  });

  it('donated arguments return with new values, call after call, and nothing leaks', async () => {
    const fn = await make();
    const engine = await openEngine({ mode });
    const before = engine.memory();
    const { state: first, x } = begin();
    let state = first;
    for (let i = 0; i < 3; i++) {
      const result = i === 1 ? fn({ state, x }) : await fn.async({ state, x });
      for (const tensor of Object.values(state)) expect(tensor.isDisposed).toBe(true);
      expect(result.state.frozen.dataSync()[0]).toBe(7);
      state = { ...(result.state as State), gone: tf.tensor1d([i, i]) };
      result.sum.dispose();
    }
    expect([...state.w.dataSync()]).toEqual([8 + 700, 16 + 1400]);
    // As any tensor: into another operation, twice.
    const twice = tf.add(state.w, state.w);
    expect([...twice.dataSync()]).toEqual([1416, 2832]);
    tf.dispose([twice, state, x]);
    expect(engine.memory()).toMatchObject({ tensors: before.tensors, handles: before.handles });
    fn.dispose();
  });

  it('donation does not affect clones', async () => {
    const fn = await make();
    const given = begin();
    const clone = given.state.w.clone();
    const first = fn(given);
    const held = first.state.w.clone();
    const second = fn({ state: { ...(first.state as State), gone: tf.tensor1d([0, 0]) }, x: given.x });
    expect([...clone.dataSync()]).toEqual([1, 2]);
    expect([...held.dataSync()]).toEqual([102, 204]);
    expect([...second.state.w.dataSync()]).toEqual([304, 608]);
    tf.dispose([clone, held, first.sum, second, given.x] as unknown as tf.TensorContainer);
    fn.dispose();
  });
});

test('one tensor cannot be donated twice in a call', async () => {
  const engine = await openEngine({ mode: 'graph' });
  const fn = engine.jit(({ both: { a, b } }: { both: Record<string, tf.Tensor> }) => tf.add(a, b), {
    donates: ['both'],
  });
  const a = tf.scalar(1);
  expect(() => fn({ both: { a, b: a } })).toThrow(/was given one tensor twice among the arguments that it donates/);
  fn.dispose();
});
