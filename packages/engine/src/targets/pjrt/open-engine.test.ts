import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { describePjrt } from '../../../test-support/cpu-plugin';
import { openEngine, tf } from '../../index';

const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

describePjrt('an engine on a device', (plugin) => {
  beforeEach(() => {
    delete process.env.GRAFT_PJRT_PLUGIN;
  });

  test('options that do not fit the device of a named plugin are refused before it is opened', async () => {
    process.env.GRAFT_PJRT_PLUGIN = plugin;
    expect(await failureOf(openEngine({ target: 'pjrt', memoryFraction: 0.5 }))).toMatchObject({
      code: 'engine.options',
      message: 'engine memoryFraction belongs to the devices cuda and rocm; the device here is "cpu".',
    });
  });

  test('a plugin whose name does not show its device is refused if it is for another one', async () => {
    const unknown = join(temporaryFolder(), 'plugin.so');
    symlinkSync(plugin, unknown);
    expect(await failureOf(openEngine({ plugin: unknown, device: 'rocm' }))).toMatchObject({
      code: 'engine.options',
      message: `engine device "rocm" cannot be opened with the plugin ${unknown}: its platform is cpu.`,
    });
  });

  test('a variable of the environment that holds no options is refused', async () => {
    process.env.GRAFT_PJRT_OPTIONS = 'memory_fraction=0.5';
    expect(await failureOf(openEngine({ plugin }))).toMatchObject({
      code: 'engine.pjrt-plugin',
      message: 'GRAFT_PJRT_OPTIONS must be a JSON object of texts, numbers and booleans, but is memory_fraction=0.5.',
    });
    process.env.GRAFT_PJRT_OPTIONS = '{"memory_fraction":0.5}';
    expect(await failureOf(openEngine({ plugin }))).toMatchObject({
      message: expect.stringContaining('Unexpected option name') as string,
    });
  });

  test("a plugin for CUDA on a machine without NVIDIA's driver is one sentence", async () => {
    const file = join(temporaryFolder(), 'xla_cuda_plugin.so');
    writeFileSync(file, '');
    const error = await failureOf(openEngine({ device: 'cuda', plugin: file }));
    // With a driver, the file cannot be loaded.
    expect(['engine.device', 'engine.pjrt-plugin']).toContain((error as { code: string }).code);
    expect((error as Error).message).toMatch(
      /needs NVIDIA's driver, which is not here: libcuda\.so\.1|cannot be loaded/,
    );
  });
});

describePjrt('compiled programs of an engine', (plugin) => {
  /** The stored programs. */
  const stored = (cache: string): string[] =>
    readdirSync(cache, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.pjrt'));

  test('they are kept on request, and loaded where the same program is compiled again', async () => {
    const cache = (process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache'));
    const engine = await openEngine({ plugin, device: 'cpu', compileCache: true });
    expect(engine).toMatchObject({ target: 'pjrt', device: 'cpu' });
    const double = engine.jit((x: tf.Tensor) => tf.mul(x, 2), { name: 'double' });
    const x = tf.tensor1d([1, 2]);
    const first = await double.async(x);
    const [file] = stored(cache);
    const bytes = readFileSync(join(cache, file));
    double.dispose();
    // The same program once more, by the call that waits: it is loaded, and not stored again.
    const second = double(x);
    expect([...(await first.data()), ...second.dataSync()]).toEqual([2, 4, 2, 4]);
    expect(stored(cache)).toEqual([file]);
    expect(readFileSync(join(cache, file))).toEqual(bytes);
    tf.dispose([x, first, second]);
    double.dispose();
  });
});
