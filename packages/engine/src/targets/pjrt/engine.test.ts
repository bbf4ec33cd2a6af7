import { describePjrt } from '../../../test-support/cpu-plugin';
import { openEngine, random, tf, valueAndGradients, type Engine } from '../../index';
import { Client } from './client';

test('without a plugin the engine pjrt is refused with what to name', async () => {
  const before = process.env.GRAFT_PJRT_PLUGIN;
  delete process.env.GRAFT_PJRT_PLUGIN;
  try {
    await expect(openEngine({ mode: 'pjrt' })).rejects.toMatchObject({
      code: 'engine.pjrt-plugin',
      exitCode: 2,
      hint: expect.stringContaining('GRAFT_PJRT_PLUGIN'),
    });
  } finally {
    if (before !== undefined) process.env.GRAFT_PJRT_PLUGIN = before;
  }
});

describePjrt('the engine pjrt', (plugin) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'pjrt', plugin });
  });

  test('it says what it runs on, and refuses another plugin in the same process', async () => {
    expect(engine).toMatchObject({ executor: 'pjrt', backend: 'pjrt' });
    expect(engine.description).toMatch(/^PJRT cpu \(/);
    await expect(openEngine({ mode: 'pjrt', plugin: '/another.so' })).rejects.toMatchObject({
      code: 'engine.library-loaded',
    });
  });

  test('single operations run on the device, with host operands and several results', async () => {
    const before = engine.memory().handles;
    tf.tidy(() => {
      const x = tf.tensor2d([3, 1, 2, 6, 5, 4], [2, 3]);
      const { values, indices } = tf.topk(x, 2);
      expect([...values.dataSync()]).toEqual([3, 2, 6, 5]);
      expect([...indices.dataSync()]).toEqual([0, 2, 0, 1]);
      expect([...tf.transpose(x).reshape([6]).dataSync()]).toEqual([3, 6, 1, 5, 2, 4]);
      expect([...tf.cumsum(x, 1).dataSync()]).toEqual([3, 4, 6, 6, 11, 15]);
      expect([...tf.gather(x, tf.tensor1d([1, 0, 1], 'int32')).dataSync()]).toEqual([6, 5, 4, 3, 1, 2, 6, 5, 4]);
      expect([...tf.equal(x, 2).dataSync()]).toEqual([0, 0, 1, 0, 0, 0]);
    });
    expect(engine.memory().handles).toBe(before);
  });

  test('random numbers are those of the portable engine', async () => {
    const draw = async (on: Engine): Promise<number[][]> => {
      expect(tf.getBackend()).toBe(on.backend);
      const key = random.key(7);
      const drawn = [random.uniform(key, [5, 3]), random.integers(key, [9], 0, 100), random.normal(key, [8])];
      const values = await Promise.all(drawn.map(async (one) => [...(await one.data())]));
      tf.dispose([key, ...drawn]);
      return values;
    };
    const here = await draw(engine);
    const there = await draw(await openEngine({ mode: 'portable' }));
    engine = await openEngine({ mode: 'pjrt' });
    expect(here.slice(0, 2)).toEqual(there.slice(0, 2));
    here[2].forEach((value, i) => expect(value).toBeCloseTo(there[2][i], 5));
  });

  test('a compiled step donates, follows variables, and leaves nothing on the device', async () => {
    const start = engine.memory();
    const rates = [tf.scalar(0.1), tf.scalar(0)];
    const rate = tf.variable(rates[0], false);
    const step = engine.jit(
      ({ w }: { w: tf.Tensor2D }, x: tf.Tensor2D) => {
        const { loss, gradients } = valueAndGradients(
          (p) => ({ loss: tf.mean(tf.square(tf.matMul(x, p.w as tf.Tensor2D))) as tf.Scalar, auxiliary: {} }),
          { w },
        );
        return { w: tf.sub(w, tf.mul(gradients.w, rate)) as tf.Tensor2D, loss };
      },
      { donates: ['w'] },
    );
    const x = tf.tensor2d([1, 0.5, 0.2, 0.1], [2, 2]);
    let w: tf.Tensor2D = tf.ones([2, 2]);
    const losses: number[] = [];
    let live = 0;
    for (let i = 0; i < 60; i++) {
      const given = w;
      const { w: next, loss } = i % 2 === 0 ? await step.async({ w }, x) : step({ w }, x);
      expect(given.isDisposed).toBe(true);
      w = next;
      losses.push((await loss.data())[0]);
      loss.dispose();
      if (i === 2) live = engine.memory().handles;
    }
    expect(engine.memory().handles).toBe(live);
    expect(losses[1]).toBeCloseTo(1.0228432416915894, 5);
    expect(losses[59]).toBeLessThan(losses[0]);
    const last = losses[59];
    rate.assign(rates[1]);
    for (let i = 0; i < 2; i++) {
      const { w: next, loss } = step({ w }, x);
      w = next;
      expect(loss.dataSync()[0]).toBeLessThanOrEqual(last);
      loss.dispose();
    }
    tf.dispose([x, w, rate, rates] as tf.TensorContainer);
    step.dispose();
    expect(engine.memory()).toMatchObject({ handles: start.handles, bytes: start.bytes });
  });

  test('the compiler hears which calls are short', async () => {
    const compiled = jest.spyOn(Client.prototype, 'compile');
    const x = tf.scalar(2);
    for (const shortCalls of [false, true]) {
      const triple = engine.jit((a: tf.Tensor) => tf.mul(a, 3), { name: 'triple', shortCalls });
      tf.dispose(await triple.async(x));
      expect(compiled).toHaveBeenLastCalledWith(expect.any(String), { name: 'triple', shortCalls });
      triple.dispose();
    }
    x.dispose();
    compiled.mockRestore();
  });

  test('an upload copies what is on the host, which may change afterwards, and leaves other tensors as they are', async () => {
    const values = new Float32Array(1 << 20).fill(2);
    const x = tf.tensor1d(values);
    const { handles } = engine.memory();
    engine.upload({ x, more: [x, 'text'] });
    expect(engine.memory().handles).toBe(handles + 1);
    values.fill(3);
    expect(Math.max(...(await x.data()).slice(-10))).toBe(2);
    const double = engine.jit((a: tf.Tensor) => tf.mul(a, 2), { name: 'double' });
    const doubled = double(x);
    expect((await doubled.data())[values.length - 1]).toBe(4);
    tf.dispose([x, doubled]);
    double.dispose();
    expect(() => engine.upload(x)).toThrow(expect.objectContaining({ code: 'engine.disposed' }));
    expect(engine.memory().handles).toBe(handles);
  });

  test('inputs may be disposed while the first call compiles', async () => {
    const double = engine.jit((x: tf.Tensor) => tf.mul(x, 2), { name: 'double' });
    const x = tf.tensor1d([1, 2, 3]);
    const pending = double.async(x);
    x.dispose();
    const result = await pending;
    expect([...(await result.data())]).toEqual([2, 4, 6]);
    const again = double.enqueue(result);
    result.dispose();
    expect([...(await (await again).data())]).toEqual([4, 8, 12]);
    (await again).dispose();
    double.dispose();
  });

  test('mistakes are errors that name the operation, on single operations and in compiled functions', () => {
    const x = tf.ones([2, 3]) as tf.Tensor2D;
    const turned = (a: tf.Tensor): tf.Tensor => tf.engine().runKernel('Transpose', { x: a }, { perm: [0, 0] });
    const wrong = engine.jit(turned, { name: 'wrong' });
    expect(() => wrong(x)).toThrow(
      /Transpose inside jit "wrong", on float32\[2, 3\].*not an order of the 2 dimensions/,
    );
    expect(() => turned(x)).toThrow(/Transpose: .*not an order of the 2 dimensions/);
    const resized = engine.jit(function resize(a: tf.Tensor) {
      return tf.image.resizeBilinear(a.reshape([1, 2, 3, 1]) as tf.Tensor4D, [4, 4]);
    });
    expect(() => resized(x)).toThrow(
      /^ResizeBilinear cannot be compiled to StableHLO; jit "resize" calls it at \S*engine\.test\.ts:\d+:\d+\.$/,
    );
    const where = engine.jit((a: tf.Tensor) => tf.unique(a.reshape([-1])).values, { name: 'uniques' });
    expect(() => where(x)).toThrow(/UniqueV2 inside jit "uniques": the shape of its result depends on values/);
    expect(() => tf.unique(x.reshape([-1]))).toThrow(/UniqueV2: the shape of its result depends on values/);
    x.dispose();
  });

  test('tensors of another engine move to the device, as arguments of single operations and of compiled functions', async () => {
    await openEngine({ mode: 'portable' });
    const [x, y] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([4, 5, 6])];
    engine = await openEngine({ mode: 'pjrt' });
    const times = engine.jit((a: tf.Tensor) => tf.mul(a, y), { name: 'times' });
    const product = times(x);
    expect([...product.dataSync()]).toEqual([4, 10, 18]);
    const sum = tf.add(x, y);
    expect([...sum.dataSync()]).toEqual([5, 7, 9]);
    times.dispose();
    tf.dispose([x, y, product, sum]);
  });
});
