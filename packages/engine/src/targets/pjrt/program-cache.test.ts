import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { describePjrt } from '../../../test-support/cpu-plugin';
import { openPjrtClient, pluginAt, ProgramCache, type Client, type Executable } from './index';

const NEGATE = `func.func @main(%a: tensor<2xf32>) -> tensor<2xf32> {
  %0 = stablehlo.negate %a : tensor<2xf32>
  return %0 : tensor<2xf32>
}`;

describePjrt('compiled programs in the cache', (plugin) => {
  const environment = { ...process.env };
  let client: Client;
  let compiled: jest.SpyInstance;

  beforeEach(() => {
    process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
    client = openPjrtClient(pluginAt(plugin));
    compiled = jest.spyOn(client, 'compile');
  });

  afterEach(async () => {
    await client.close();
    process.env = { ...environment };
  });

  /** The files with programs. */
  function saved(): string[] {
    const root = join(process.env.GRAFT_CACHE!, 'compiled');
    if (!existsSync(root)) return [];
    return readdirSync(root).flatMap((folder) =>
      readdirSync(join(root, folder)).map((name) => join(root, folder, name)),
    );
  }

  async function negative(program: Executable): Promise<unknown> {
    const input = client.upload(Float32Array.of(1, -2), { dtype: 'float32', shape: [2] });
    return program.execute([input])[0].read();
  }

  it('a program is compiled once, and loaded by later caches under its own name', async () => {
    await new ProgramCache(client).compile(NEGATE, { name: 'first' });
    expect(saved()).toHaveLength(1);
    expect(statSync(saved()[0]).mode & 0o077).toBe(0);
    const again = await new ProgramCache(client).compile(NEGATE, { name: 'second' });
    expect(compiled).toHaveBeenCalledTimes(1);
    expect(again.name).toBe('second');
    expect(await negative(again)).toEqual(Float32Array.of(-1, 2));
  });

  it('another text and other flags are other programs, in any order of the flags', async () => {
    const cache = new ProgramCache(client);
    const flags = { xla_cpu_enable_fast_math: false, xla_backend_optimization_level: 1 };
    await cache.compile(NEGATE);
    await cache.compile(NEGATE.replace('negate', 'abs'));
    await cache.compile(NEGATE, { flags });
    await cache.compile(NEGATE, { flags: Object.fromEntries(Object.entries(flags).reverse()) });
    expect(compiled).toHaveBeenCalledTimes(3);
    expect(saved()).toHaveLength(3);
  });

  it('a damaged program is compiled and saved again', async () => {
    const cache = new ProgramCache(client);
    await cache.compile(NEGATE);
    const [file] = saved();
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, 100));
    expect(await negative(await cache.compile(NEGATE))).toEqual(Float32Array.of(-1, 2));
    expect(compiled).toHaveBeenCalledTimes(2);
    // The compiler numbers its modules, so the bytes are not exactly those of before.
    expect(Math.abs(statSync(file).size - whole.length)).toBeLessThan(64);
    expect(await negative(await cache.compile(NEGATE))).toEqual(Float32Array.of(-1, 2));
    expect(compiled).toHaveBeenCalledTimes(2);
  });

  it('programs are not loaded from a folder that others can write, nor saved there', async () => {
    await new ProgramCache(client).compile(NEGATE);
    const [before] = saved();
    chmodSync(join(process.env.GRAFT_CACHE!, 'compiled'), 0o777);
    const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    await new ProgramCache(client).compile(NEGATE);
    expect(warning).toHaveBeenCalledWith(expect.stringContaining('Compiled programs are not kept'), expect.anything());
    warning.mockRestore();
    expect(compiled).toHaveBeenCalledTimes(2);
    expect(saved()).toEqual([before]);
  });

  it('a call that waits shares the programs of those that do not, and mends damaged ones', async () => {
    const waiting = jest.spyOn(client, 'compileSync');
    const cache = new ProgramCache(client);
    await cache.compile(NEGATE);
    expect(await negative(cache.compileSync(NEGATE, { name: 'again' }))).toEqual(Float32Array.of(-1, 2));
    expect(waiting).not.toHaveBeenCalled();
    const [file] = saved();
    writeFileSync(file, 'damaged');
    expect(await negative(cache.compileSync(NEGATE))).toEqual(Float32Array.of(-1, 2));
    expect(waiting).toHaveBeenCalledTimes(1);
    await cache.compile(NEGATE);
    expect(compiled).toHaveBeenCalledTimes(1);
    expect(saved()).toEqual([file]);
  });

  it('a program that does not compile leaves nothing', async () => {
    await expect(new ProgramCache(client).compile('junk')).rejects.toMatchObject({ code: 'engine.compile' });
    expect(saved()).toEqual([]);
  });
});
