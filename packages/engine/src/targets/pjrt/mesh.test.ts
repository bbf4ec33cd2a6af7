/** Eight virtual devices of the CPU plugin: one tensor over several, and programs that Shardy partitions over them. */
import { describePjrt } from '../../../test-support/cpu-plugin';
import { elementCount } from '../../shape';
import type { DeviceBuffer } from './buffer';
import type { TensorType } from './host-values';
import { openPjrtClient, pluginAt } from './index';
import {
  constrain,
  constrainRows,
  openEngine,
  tf,
  treeLeaves,
  valueAndGradients,
  withRowAxes,
  type Engine,
  type Mesh,
} from '../../index';

describePjrt('a mesh of devices', (plugin) => {
  let engine: Engine;
  let mesh: Mesh;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'pjrt', plugin, devices: 8 });
    mesh = engine.mesh({ data: 4, model: 2 });
  });

  const counted = (shape: [number, number]): tf.Tensor2D =>
    tf.tensor2d(
      Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => (i % 13) - 6),
      shape,
    );

  test('the same axes give the same mesh, and wrong ones are refused', () => {
    expect(engine.mesh({ data: 4, model: 2 })).toBe(mesh);
    expect(mesh).toMatchObject({ size: 8, axes: { data: 4, model: 2 } });
    expect(() => engine.mesh({ data: 9 })).toThrow(/takes 9 devices, but cpu has 8/);
    expect(() => engine.mesh({ data: 0 })).toThrow(/"data" has the size 0/);
    expect(() => engine.mesh({})).toThrow(/at least one axis/);
  });

  test.each([
    ['replicated', [], 8 * 6 * 4],
    ['by rows', ['data'], (8 * 6 * 4) / 4],
    ['by columns', [null, 'model'], (8 * 6 * 4) / 2],
    ['by rows and columns', ['data', 'model'], (8 * 6 * 4) / 8],
    ['by rows over both axes', [['data', 'model']], (8 * 6 * 4) / 8],
    ['by rows over both axes, the other first', [['model', 'data']], (8 * 6 * 4) / 8],
  ])('a tensor that is placed %s takes its share on each device, and reads as before', async (_, spec, bytes) => {
    const before = engine.memory();
    for (const onDevice of [false, true]) {
      const x = counted([8, 6]);
      const expected = [...x.dataSync()];
      if (onDevice) tf.dispose(tf.add(x, 0));
      await mesh.shard(x, spec);
      expect(mesh.bytesPerDevice(x)).toEqual(new Array(8).fill(bytes));
      expect([...x.dataSync()]).toEqual(expected);
      expect([...(await x.data())]).toEqual(expected);
      x.dispose();
    }
    expect(engine.memory()).toMatchObject({ handles: before.handles, bytes: before.bytes });
  });

  test('host values that are a part of an array are placed as they are', async () => {
    const all = Float32Array.from({ length: 40 }, (_, i) => i);
    const x = tf.tensor2d(all.subarray(8, 24), [4, 4]);
    const ids = tf.tensor1d(Int32Array.from(all).subarray(4, 12), 'int32');
    const flags = tf.tensor1d([true, false, true, true], 'bool');
    await mesh.shard(x, ['data', 'model']);
    await mesh.shard(ids, [['model', 'data']]);
    await mesh.shard(flags, ['data']);
    expect([...x.dataSync()]).toEqual([...all.subarray(8, 24)]);
    expect([...ids.dataSync()]).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...flags.dataSync()]).toEqual([1, 0, 1, 1]);
    tf.dispose([x, ids, flags]);
  });

  test('a sharding that does not fit is refused with what does not fit', async () => {
    const x = counted([6, 4]);
    await expect(mesh.shard(x, ['data'])).rejects.toThrow(
      'Dimension 0 of a tensor [6, 4] cannot be split over data, into 4 equal parts.',
    );
    await expect(mesh.shard(x, ['rows'])).rejects.toThrow(
      '"rows" is not an axis of the mesh; its axes are data, model.',
    );
    await expect(mesh.shard(x, ['model', 'model'])).rejects.toThrow('uses the axis "model" twice');
    await expect(mesh.shard(x, [null, null, 'data'])).rejects.toThrow('of 3 dimensions does not fit a tensor [6, 4]');
    expect(mesh.shardingOf(x)).toBeUndefined();
    x.dispose();
  });

  const step = (on: Engine, specs?: { w: (string | null)[]; h: (string | null)[] }) =>
    on.jit(
      ({ w, m }: { w: tf.Tensor2D; m: tf.Tensor2D }, x: tf.Tensor2D, rate: tf.Scalar) => {
        const { loss, gradients } = valueAndGradients(
          (p) => {
            const h = tf.tanh(tf.matMul(x, p.w as tf.Tensor2D));
            return { loss: tf.mean(tf.square(specs ? constrain(h, specs.h) : h)) as tf.Scalar, auxiliary: {} };
          },
          { w },
        );
        const moved = tf.add(tf.mul(m, 0.9), gradients.w) as tf.Tensor2D;
        const gradient = specs ? constrain(gradients.w, specs.w) : gradients.w;
        return { w: tf.sub(w, tf.mul(moved, rate)) as tf.Tensor2D, m: moved, loss, gradient };
      },
      { donates: ['w', 'm'], name: 'step' },
    );

  const trained = async (
    specs?: { w: (string | null)[]; x: (string | null)[]; h: (string | null)[] },
    steps = 4,
  ): Promise<{ losses: number[]; w: number[]; perDevice: readonly number[]; gradient: readonly number[] }> => {
    const run = step(engine, specs);
    let state = { w: tf.tidy(() => tf.mul(counted([6, 8]), 0.05) as tf.Tensor2D), m: tf.zeros([6, 8]) as tf.Tensor2D };
    const x = counted([8, 6]);
    const rate = tf.scalar(0.3);
    if (specs) {
      for (const tensor of treeLeaves(state)) await mesh.shard(tensor, specs.w);
      await mesh.shard(x, specs.x);
    }
    const losses: number[] = [];
    let gradient: readonly number[] = [];
    for (let i = 0; i < steps; i++) {
      const given = state.w;
      const { loss, gradient: g, ...next } = i % 2 === 0 ? run(state, x, rate) : await run.async(state, x, rate);
      expect(given.isDisposed).toBe(true);
      state = next;
      losses.push((await loss.data())[0]);
      if (specs) gradient = mesh.bytesPerDevice(g);
      tf.dispose([loss, g]);
    }
    const perDevice = mesh.bytesPerDevice(state.w);
    const w = [...(await state.w.data())];
    tf.dispose([state, x, rate] as unknown as tf.TensorContainer);
    run.dispose();
    return { losses, w, perDevice, gradient };
  };

  test.each([
    ['by the batch', { w: [], x: ['data'], h: ['data'] }, 192],
    ['fully sharded', { w: [null, 'data'], x: ['data'], h: ['data'] }, 48],
    ['by columns', { w: [null, 'model'], x: [], h: [null, 'model'] }, 96],
    ['by the batch and by columns', { w: [null, 'model'], x: ['data'], h: ['data', 'model'] }, 96],
  ])(
    'a step whose tensors are split %s computes what one device does, in the memory of its slices',
    async (_, specs, bytes) => {
      const before = engine.memory();
      const alone = await trained();
      const together = await trained(specs);
      together.losses.forEach((loss, i) => expect(Math.abs(loss - alone.losses[i])).toBeLessThan(1e-5));
      together.w.forEach((value, i) => expect(Math.abs(value - alone.w[i])).toBeLessThan(1e-5));
      expect(together.perDevice).toEqual(new Array(8).fill(bytes));
      expect(together.gradient).toEqual(new Array(8).fill(bytes));
      expect(alone.perDevice).toEqual([192, 0, 0, 0, 0, 0, 0, 0]);
      expect(engine.memory()).toMatchObject({ handles: before.handles, bytes: before.bytes });
    },
  );

  test('single operations on a split tensor keep its split where the shape stays', async () => {
    const x = counted([8, 6]);
    const [values, sum] = [Array.from(x.dataSync(), (value) => value * 2), x.sum().dataSync()[0]];
    await mesh.shard(x, ['data', 'model']);
    tf.tidy(() => {
      const twice = tf.mul(x, 2);
      expect(mesh.shardingOf(twice)).toEqual(['data', 'model']);
      expect([...twice.dataSync()]).toEqual(values);
      expect(tf.sum(x).dataSync()[0]).toBe(sum);
      expect(mesh.shardingOf(tf.sum(x, 1))).toEqual([null]);
    });
    x.dispose();
  });

  test('a result is split as it is constrained, by rows within `withRowAxes`, and whole otherwise', async () => {
    const x = counted([8, 4]);
    const values = Array.from(x.dataSync(), (value) => value + 1);
    await mesh.shard(x, ['data']);
    const split = engine.jit((given: tf.Tensor) => {
      const sum = tf.add(given, 1);
      return {
        whole: constrainRows(sum),
        rows: withRowAxes(['data', 'model'], () => constrainRows(sum)),
        columns: constrain(sum, [null, 'model']),
      };
    });
    const { whole, rows, columns } = split(x);
    expect([whole, rows, columns].map((tensor) => mesh.shardingOf(tensor))).toEqual([
      [null, null],
      [['data', 'model'], null],
      [null, 'model'],
    ]);
    for (const tensor of [whole, rows, columns]) expect([...tensor.dataSync()]).toEqual(values);
    tf.dispose([x, whole, rows, columns]);
    split.dispose();
  });

  test('replicated tensors serve programs of one device', async () => {
    const x = counted([2, 2]);
    await mesh.shard(x, []);
    const y = tf.square(x);
    expect(mesh.shardingOf(y)).toBeUndefined();
    expect([...y.dataSync()]).toEqual([36, 25, 16, 9]);
    tf.dispose([x, y]);
  });

  test('tensors of two meshes do not meet in one program', async () => {
    const other = engine.mesh({ data: 2 });
    const [x, y] = [counted([4, 4]), counted([4, 4])];
    await mesh.shard(x, ['data']);
    await other.shard(y, ['data']);
    expect(() => tf.add(x, y)).toThrow(/split over two different meshes/);
    await other.shard(x, ['data']);
    tf.dispose([tf.add(x, y), x, y]);
  });
});

describePjrt('a client with several devices', (plugin) => {
  const text = `module @rows { sdy.mesh @mesh = <["d"=4]>
    func.func public @main(
      %a: tensor<8x2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"d"}, {}]>}
    ) -> (tensor<2x2xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}, {}]>}) {
      %0 = stablehlo.dot_general %a, %a, contracting_dims = [0] x [0] : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<2x2xf32>
      return %0 : tensor<2x2xf32> } }`;

  test('a partitioned program checks the slices that it is given, and can be saved and loaded', async () => {
    const client = openPjrtClient(pluginAt(plugin), { cpu_device_count: 4 });
    const { devices } = client;
    const slice = { dtype: 'float32', shape: [2, 2] } as const;
    const upload = (type: TensorType): DeviceBuffer[][] =>
      devices.map((device, i) => [client.upload(new Float32Array(elementCount(type.shape)).fill(i + 1), type, device)]);
    const slices = upload(slice);
    const compiled = await client.compile(text, { name: 'rows', devices });
    const loaded = await client.load(compiled.serialize());
    for (const program of [compiled, loaded]) {
      const results = program.executePartitioned(slices);
      for (const [result] of results) expect(await result.read()).toEqual(Float32Array.of(60, 60, 60, 60));
      expect(results.map(([{ device }]) => device)).toEqual([...devices]);
      expect(() => program.executePartitioned(slices.slice(0, 2))).toThrow(
        'The program "rows" runs on 4 devices, but got inputs for 2.',
      );
      expect(() => program.executePartitioned([...slices].reverse())).toThrow(/runs on .*, but input 0 is on/);
      expect(() => program.executePartitioned(upload({ dtype: 'float32', shape: [8, 2] }))).toThrow(
        'takes float32 [2, 2] as input 0, but got float32 [8, 2]',
      );
    }
    await client.close();
  });
});

test('other engines have no mesh', async () => {
  const portable = await openEngine({ mode: 'portable' });
  expect(() => portable.mesh({ data: 2 })).toThrow(/needs the engine pjrt/);
  const x = tf.ones([2, 2]);
  expect(constrain(x, ['data'])).toBe(x);
  x.dispose();
});
