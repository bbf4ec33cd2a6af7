import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { describePjrt } from '../../../test-support/cpu-plugin';
import type { DType } from '../../program/dtypes';
import { openPjrtClient, pluginAt, type Client, type DeviceBuffer, type Executable } from './index';
import { pack, unpack } from './serialized';

const SUM = `module @sum {
  func.func public @main(%a: tensor<4xf32> {tf.aliasing_output = 0 : i32}, %b: tensor<4xf32>) -> tensor<4xf32> {
    %0 = stablehlo.add %a, %b : tensor<4xf32>
    return %0 : tensor<4xf32>
  }
}`;
const PRODUCT = `module @product {
  func.func public @main(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) -> tensor<2x2xf32> {
    %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
    return %0 : tensor<2x2xf32>
  }
}`;
const TWO_RESULTS = `module @two {
  func.func public @main(%a: tensor<2x3xi32>) -> (tensor<3x2xi32>, tensor<2x3xi1>) {
    %0 = stablehlo.transpose %a, dims = [1, 0] : (tensor<2x3xi32>) -> tensor<3x2xi32>
    %1 = stablehlo.constant dense<2> : tensor<2x3xi32>
    %2 = stablehlo.compare GT, %a, %1 : (tensor<2x3xi32>, tensor<2x3xi32>) -> tensor<2x3xi1>
    return %0, %2 : tensor<3x2xi32>, tensor<2x3xi1>
  }
}`;

/** As many products of n x n matrices one after the other as keep a processor busy for some time. */
function longProgram(n: number, products: number): string {
  const t = `tensor<${n}x${n}xf32>`;
  const lines = Array.from(
    { length: products },
    (_, i) => `%v${i + 1} = stablehlo.dot_general %v${i}, %v0, contracting_dims = [1] x [0] : (${t}, ${t}) -> ${t}`,
  );
  return `func.func public @main(%v0: ${t}) -> ${t} { ${lines.join('\n')} return %v${products} : ${t} }`;
}

const floats = (client: Client, values: number[], shape = [values.length]): DeviceBuffer =>
  client.upload(Float32Array.from(values), { dtype: 'float32', shape });

describePjrt('a client of the PJRT plugin for CPUs', (plugin) => {
  let client: Client;
  let sum: Executable;

  beforeAll(async () => {
    client = openPjrtClient(pluginAt(plugin));
    sum = await client.compile(SUM, { name: 'sum' });
  });

  afterAll(() => client.close());

  it('names its platform and its devices', () => {
    expect(client.platform).toBe('cpu');
    expect(client.devices[0]).toMatchObject({ id: 0, kind: 'cpu', name: 'CpuDevice(id=0)' });
    expect(() => client.devices[0].memory()).toThrow(expect.objectContaining({ code: 'engine.unsupported' }));
  });

  it('multiplies matrices, and knows the types of the results before a run', async () => {
    const product = await client.compile(PRODUCT);
    expect(product.outputs).toEqual([{ dtype: 'float32', shape: [2, 2] }]);
    const inputs = [floats(client, [1, 2, 3, 4, 5, 6], [2, 3]), floats(client, [1, 0, 0, 1, 1, 1], [3, 2])];
    const [result] = product.execute(inputs);
    expect(result).toMatchObject({ dtype: 'float32', shape: [2, 2], bytes: 16 });
    expect(await result.read()).toEqual(Float32Array.of(4, 5, 10, 11));
    [...inputs, result].forEach((buffer) => buffer.dispose());
    product.dispose();
  });

  it('gives several results, row by row', async () => {
    const two = await client.compile(TWO_RESULTS);
    const input = client.upload(Int32Array.of(1, 2, 3, 4, 5, 6), { dtype: 'int32', shape: [2, 3] });
    const [turned, larger] = two.execute([input]);
    expect(turned).toMatchObject({ dtype: 'int32', shape: [3, 2] });
    expect(await turned.read()).toEqual(Int32Array.of(1, 4, 2, 5, 3, 6));
    expect(larger).toMatchObject({ dtype: 'bool', shape: [2, 3] });
    expect(await larger.read()).toEqual(Uint8Array.of(0, 0, 1, 1, 1, 1));
    [input, turned, larger].forEach((buffer) => buffer.dispose());
    two.dispose();
  });

  it.each<[DType, ArrayBufferView]>([
    ['float32', Float32Array.of(1.5, -2)],
    ['float64', Float64Array.of(Math.PI, -0)],
    ['bfloat16', Uint16Array.of(0x3fc0, 0xc000)],
    ['float16', Uint16Array.of(0x3e00, 0xc000)],
    ['int8', Int8Array.of(-128, 127)],
    ['int16', Int16Array.of(-32768, 7)],
    ['int32', Int32Array.of(-1, 2 ** 31 - 1)],
    ['int64', BigInt64Array.of(-(2n ** 63n), 5n)],
    ['uint8', Uint8Array.of(0, 255)],
    ['uint32', Uint32Array.of(0, 2 ** 32 - 1)],
    ['bool', Uint8Array.of(0, 1)],
  ])('values of %s come back as they went', async (dtype, values) => {
    const buffer = client.upload(values, { dtype, shape: [2, 1] });
    expect(await buffer.read()).toEqual(values);
    buffer.dispose();
  });

  it('uint64 and complex numbers, single numbers and empty tensors come back, too', async () => {
    const cases: [DType, number[], ArrayBufferView, ArrayBufferView][] = [
      ['uint64', [1], BigUint64Array.of(7n), BigInt64Array.of(7n)],
      ['complex64', [1], Float32Array.of(1, 2), Float32Array.of(1, 2)],
      ['float32', [], Float32Array.of(3), Float32Array.of(3)],
      ['float32', [0, 3], new Float32Array(0), new Float32Array(0)],
    ];
    for (const [dtype, shape, values, expected] of cases) {
      const buffer = client.upload(values, { dtype, shape });
      expect(await buffer.read()).toEqual(expected);
      buffer.dispose();
    }
  });

  it('an array may change as soon as its upload has returned', async () => {
    const values = new Float32Array(1 << 20).fill(1);
    const buffer = client.upload(values, { dtype: 'float32', shape: [1 << 20] });
    values.fill(2);
    expect((await buffer.read()).every((value) => value === 1)).toBe(true);
    buffer.dispose();
  });

  it('an upload of an array that nobody changes keeps it until the transfer is over', async () => {
    const n = 1 << 22;
    const type = { dtype: 'float32', shape: [n] } as const;
    const values = (turn: number): Float32Array => new Float32Array(n).fill(turn);
    const uploads = [1, 2, 3].map((turn) => client.upload(values(turn), type, undefined, { immutable: true }));
    // Garbage, in which a freed array would be written over.
    for (let turn = 0; turn < 20; turn++) values(-1);
    for (const [i, buffer] of uploads.entries()) {
      const read = (await buffer.read()) as Float32Array;
      expect([read[0], read[n >> 1], read[n - 1]]).toEqual([i + 1, i + 1, i + 1]);
      buffer.dispose();
    }
    while (client.live.started > 0) await new Promise((settle) => setImmediate(settle));
  });

  it('2,000 uploads of arrays that nobody changes leave no memory behind', async () => {
    const n = 1 << 16;
    const turns = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const array = new Float32Array(n).fill(i);
        const buffer = client.upload(array, { dtype: 'float32', shape: [n] }, undefined, { immutable: true });
        if (i % 50 === 0) expect((await buffer.read())[n - 1]).toBe(i);
        buffer.dispose();
      }
    };
    await turns(400);
    const { buffers } = client.live;
    const resident = process.memoryUsage.rss();
    await turns(2000);
    expect(client.live.buffers).toBe(buffers);
    while (client.live.started > 0) await new Promise((settle) => setImmediate(settle));
    // A leak would be 500 MB.
    expect(process.memoryUsage.rss() - resident).toBeLessThan(200e6);
  });

  it('a donated input is no longer usable, unless the run is to keep it', async () => {
    const [a, b] = [floats(client, [1, 2, 3, 4]), floats(client, [1, 1, 1, 1])];
    const [kept] = sum.execute([a, b], { keep: [0] });
    expect(await a.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    const [taken] = sum.execute([a, b]);
    expect(await taken.read()).toEqual(await kept.read());
    expect(a.disposed).toBe(true);
    expect(await failureOf(a.read())).toMatchObject({
      code: 'engine.donated',
      message: 'A buffer of float32 [4] was used after it was donated.',
    });
    expect(() => sum.execute([a, b])).toThrow(expect.objectContaining({ code: 'engine.donated' }));
    a.dispose();
    [b, kept, taken].forEach((buffer) => buffer.dispose());
  });

  it('a buffer that is donated and passed as another input of the same run is refused, and stays usable', async () => {
    const a = floats(client, [1, 2, 3, 4]);
    expect(() => sum.execute([a, a])).toThrow(
      'The program "sum" was given the same buffer as inputs 0 and 1, and takes it as a donation.',
    );
    const [twice] = sum.execute([a, a], { keep: [0] });
    expect(await twice.read()).toEqual(Float32Array.of(2, 4, 6, 8));
    expect(await a.read()).toEqual(Float32Array.of(1, 2, 3, 4));
    [a, twice].forEach((buffer) => buffer.dispose());
  });

  it('reads do not block the event loop, and buffers may be disposed while they are read', async () => {
    const long = await client.compile(longProgram(512, 40));
    const input = client.upload(new Float32Array(512 * 512), { dtype: 'float32', shape: [512, 512] });
    const [result] = long.execute([input]);
    let turns = 0;
    const counter = setInterval(() => turns++, 1);
    const reads = [result.read(), result.read(), result.read(), result.ready()];
    [result, input, long].forEach((owned) => owned.dispose());
    await Promise.all(reads);
    clearInterval(counter);
    expect(turns).toBeGreaterThan(0);
    expect(await reads[2]).toHaveLength(512 * 512);
  });

  it('a program that does not compile is an error with the first line of the compiler', async () => {
    const wrong = SUM.replace('stablehlo.add', 'stablehlo.nothing');
    const error = await failureOf(client.compile(wrong));
    expect(error).toMatchObject({
      code: 'engine.compile',
      message: expect.stringMatching(
        /^The program does not compile: -:\d+:\d+: error: custom op 'stablehlo.nothing' is unknown[^\n]*\.$/,
      ) as string,
      cause: expect.stringContaining('\n') as string,
    });
    for (let i = 0; i < 50; i++)
      expect(await failureOf(client.compile('junk'))).toMatchObject({ code: 'engine.compile' });
    expect(await failureOf(client.compile(SUM, { flags: { xla_no_such_flag: true } }))).toMatchObject({
      code: 'engine.compile',
      message: "The program does not compile: No such compile option: 'xla_no_such_flag'.",
    });
  });

  it("a plugin's options hold for every compilation, and those of a call come on top", async () => {
    const found = { ...pluginAt(plugin), flags: { xla_cpu_prefer_vector_width: 'wide' } };
    const other = openPjrtClient(found);
    expect((await failureOf(other.compile(SUM))).message).toContain("'wide' is not a valid int32 value");
    await other.compile(SUM, { flags: { xla_cpu_prefer_vector_width: 256 } });
    await other.close();
  });

  it("a plugin's options for long calls are not those of short ones", async () => {
    const found = { ...pluginAt(plugin), longCallFlags: { xla_cpu_prefer_vector_width: 'wide' } };
    const other = openPjrtClient(found);
    expect((await failureOf(other.compile(SUM))).message).toContain("'wide' is not a valid int32 value");
    await other.compile(SUM, { shortCalls: true });
    await other.close();
  });

  it('inputs that do not fit are refused before the run', () => {
    const four = floats(client, [1, 2, 3, 4]);
    const two = floats(client, [1, 2]);
    const whole = client.upload(Int32Array.of(1, 2, 3, 4), { dtype: 'int32', shape: [4] });
    const attempts: [DeviceBuffer[], string][] = [
      [[four], 'takes 2 inputs, but got 1'],
      [[four, four, four], 'takes 2 inputs, but got 3'],
      [[four, two], 'takes float32 [4] as input 1, but got float32 [2]'],
      [[whole, four], 'takes float32 [4] as input 0, but got int32 [4]'],
    ];
    for (const [inputs, reason] of attempts) {
      expect(() => sum.execute(inputs)).toThrow(
        expect.objectContaining({ code: 'engine.inputs', message: `The program "sum" ${reason}.` }),
      );
    }
    expect(() => sum.execute([four, four], { keep: [2] })).toThrow('The program "sum" has no input 2 to keep.');
    [four, two, whole].forEach((buffer) => buffer.dispose());
  });

  it.each<[string, ArrayBufferView, { dtype: DType; shape: number[] }]>([
    ['too few values', Float32Array.of(1), { dtype: 'float32', shape: [2] }],
    ['values of another dtype', Int32Array.of(1, 2), { dtype: 'float32', shape: [2] }],
    ['a negative size', Float32Array.of(1), { dtype: 'float32', shape: [-1] }],
    ['half a row', Float32Array.of(1), { dtype: 'float32', shape: [0.5, 2] }],
    ['strings', Uint8Array.of(1), { dtype: 'string', shape: [1] }],
  ])('an upload of %s is refused', (_, values, type) => {
    expect(() => client.upload(values, type)).toThrow(expect.objectContaining({ code: 'engine.inputs' }));
  });

  it('buffers and programs are refused after they are disposed, and disposing twice is allowed', async () => {
    const [a, b] = [floats(client, [1, 2, 3, 4]), floats(client, [1, 1, 1, 1])];
    a.dispose();
    a.dispose();
    expect(() => sum.execute([b, a])).toThrow(expect.objectContaining({ code: 'engine.disposed' }));
    expect(await failureOf(a.read())).toMatchObject({ code: 'engine.disposed' });
    expect(await failureOf(a.ready())).toMatchObject({ code: 'engine.disposed' });
    const other = await client.compile(SUM, { name: 'other' });
    other.dispose();
    other.dispose();
    for (const use of [() => other.execute([b, b]), () => other.serialize(), () => other.memory()])
      expect(use).toThrow('The program "other" was used after it was disposed.');
    b.dispose();
  });

  it('a program that was saved and loaded computes the same and still takes its donation', async () => {
    expect(client.serializes).toBe(true);
    const bytes = sum.serialize();
    const loaded = await client.load(bytes);
    expect(loaded.outputs).toEqual(sum.outputs);
    const [a, b] = [floats(client, [1, 2, 3, 4]), floats(client, [1, 1, 1, 1])];
    expect(() => loaded.execute([a])).toThrow('The program "sum" takes 2 inputs, but got 1.');
    const [result] = loaded.execute([a, b]);
    expect(await result.read()).toEqual(Float32Array.of(2, 3, 4, 5));
    expect(a.disposed).toBe(true);
    [loaded, b, result].forEach((owned) => owned.dispose());
  });

  it('bytes that are cut, damaged, of another plugin or anything else are not loaded', async () => {
    const bytes = sum.serialize();
    const damaged = Uint8Array.from(bytes);
    damaged[damaged.length - 1] ^= 1;
    for (const wrong of [bytes.slice(0, -1), damaged, bytes.slice(0, 10), new Uint8Array(0), Buffer.from(SUM)])
      expect(await failureOf(client.load(wrong))).toMatchObject({ code: 'engine.executable' });
  });

  it('a program that another plugin has compiled is not loaded', async () => {
    const { header, program } = unpack(sum.serialize());
    const foreign = pack({ ...header, compiledBy: 'cuda for "NVIDIA H100" (cuda 13000)' }, program);
    expect(await failureOf(client.load(foreign))).toMatchObject({
      code: 'engine.executable',
      message: expect.stringMatching(
        /^The compiled program cannot be loaded: cuda for "NVIDIA H100" \(cuda 13000\) has compiled it, and this is cpu/,
      ) as string,
    });
    const elsewhere = pack({ ...header, devices: [7] }, program);
    expect(await failureOf(client.load(elsewhere))).toMatchObject({
      message: expect.stringContaining('device 7') as string,
    });
  });

  it('a program reports the memory that a run needs', () => {
    expect(sum.memory()).toMatchObject({ argumentBytes: 32, outputBytes: 16, aliasBytes: 16 });
  });

  it('2,000 runs leave as many objects alive as before, and no memory behind', async () => {
    const n = 1 << 16;
    const large = await client.compile(SUM.replaceAll('4x', `${n}x`));
    const ones = client.upload(new Float32Array(n).fill(1), { dtype: 'float32', shape: [n] });
    let state = client.upload(new Float32Array(n), { dtype: 'float32', shape: [n] });
    const turns = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        [state] = large.execute([state, ones]);
        if (i % 50 === 0) await state.read();
      }
      await state.ready();
    };
    await turns(200);
    const { buffers, executables } = client.live;
    const resident = process.memoryUsage.rss();
    await turns(2000);
    expect(client.live).toMatchObject({ buffers, executables });
    // A result may be ready a moment before its run counts as done; on a busy machine the moments add up.
    while (client.live.started > 0) await new Promise((settle) => setImmediate(settle));
    // A leak of the result alone would be 500 MB.
    expect(process.memoryUsage.rss() - resident).toBeLessThan(100e6);
    expect(((await state.read()) as Float32Array)[n - 1]).toBe(2200);
    [large, ones, state].forEach((owned) => owned.dispose());
  });

  it('a client on several devices computes on each, and refuses buffers of another device or client', async () => {
    const other = openPjrtClient(pluginAt(plugin), { cpu_device_count: 2 });
    const [first, second] = other.devices;
    expect([first.id, second.id]).toEqual([0, 1]);
    const onSecond = await other.compile(SUM, { name: 'sum', device: second });
    const type = { dtype: 'float32', shape: [4] } as const;
    const values = Float32Array.of(1, 2, 3, 4);
    const [result] = onSecond.execute([other.upload(values, type, second), other.upload(values, type, second)]);
    expect(result.device).toBe(second);
    expect(await result.read()).toEqual(Float32Array.of(2, 4, 6, 8));
    const elsewhere = other.upload(values, type);
    expect(() => onSecond.execute([elsewhere, result])).toThrow(
      'The program "sum" runs on CpuDevice(id=1), but input 0 is on CpuDevice(id=0).',
    );
    expect(() => sum.execute([elsewhere, elsewhere])).toThrow('The program "sum" was given input 0 of another client.');
    expect(() => client.upload(values, type, second)).toThrow('CpuDevice(id=1) is not a device of this client.');
    const again = await other.load(onSecond.serialize());
    expect(again.execute([result, result], { keep: [0] })[0].device).toBe(second);
    await other.close();
  });

  it('a client finishes what is under way when it is closed, and is refused afterwards', async () => {
    const other = openPjrtClient(pluginAt(plugin));
    const long = await other.compile(longProgram(256, 40));
    const [result] = long.execute([other.upload(new Float32Array(256 * 256), { dtype: 'float32', shape: [256, 256] })]);
    const [read, compiling] = [result.read(), other.compile(SUM)];
    await other.close();
    expect(await read).toHaveLength(256 * 256);
    expect((await compiling).disposed).toBe(true);
    expect(other.live).toEqual({ buffers: 0, executables: 0, started: 0 });
    await other.close();
    result.dispose();
    for (const use of [() => floats(other, [1]), () => long.execute([]), () => other.devices[0].memory()])
      expect(use).toThrow('The PJRT client was used after it was closed.');
    for (const late of [other.compile(SUM), other.load(new Uint8Array(1)), result.read()])
      expect(await failureOf(late)).toMatchObject({ code: 'engine.disposed' });
  });

  it('an unknown option of a client, or one of another type, is refused', () => {
    expect(() => openPjrtClient(pluginAt(plugin), { no_such_option: 1 })).toThrow(
      expect.objectContaining({
        code: 'engine.device',
        message: 'The device cannot be opened: Unexpected option name passed to PJRT_Client_Create: no_such_option.',
      }),
    );
    for (const value of ['two', 1.5, true, [2]])
      expect(() => openPjrtClient(pluginAt(plugin), { cpu_device_count: value })).toThrow(/has type index/);
  });
});

describePjrt('a file that is not a PJRT plugin', () => {
  const refused = (file: string, reason: RegExp): void => {
    expect(() => openPjrtClient(pluginAt(file))).toThrow(
      expect.objectContaining({ code: 'engine.pjrt-plugin', message: expect.stringMatching(reason) as string }),
    );
  };

  it('is refused if it is missing, a folder, or a text', () => {
    const folder = temporaryFolder();
    const text = join(folder, 'plugin.so');
    writeFileSync(text, 'not a library'.repeat(100));
    refused(join(folder, 'gone.so'), /gone\.so is not a file\.$/);
    refused(folder, /is not a file\.$/);
    refused(text, /plugin\.so cannot be loaded: invalid ELF header\.$/);
  });

  it('is refused if it is another library', () => {
    const shared = process.report.getReport() as unknown as { sharedObjects: string[] };
    const library = shared.sharedObjects.find((file) => /\/libm\.so\.6$/.test(file))!;
    refused(library, /libm\.so\.6 is not a PJRT plugin: it has no GetPjrtApi\.$/);
  });

  it('is refused if a library that it needs cannot be loaded', () => {
    const folder = temporaryFolder();
    const needed = join(folder, 'libcudart.so.13');
    writeFileSync(join(folder, 'plugin.so'), '');
    const found = { file: join(folder, 'plugin.so'), preload: [needed], flags: {} };
    expect(() => openPjrtClient(found)).toThrow(/libcudart\.so\.13, which the PJRT plugin .* needs, cannot be loaded/);
  });
});
