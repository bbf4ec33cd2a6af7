import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { describePjrt } from '../../../test-support/cpu-plugin';
import { pluginAt } from './find-plugin';
import { probePlugin } from './probe';

const PLUGIN = pluginAt('/opt/some_plugin.so');

/** A program in the place of the one that opens plugins. */
function child(code: string): string {
  const file = join(temporaryFolder(), 'child.cjs');
  writeFileSync(file, code);
  return file;
}

test.each([
  [
    'ends the process',
    'process.exit(3)',
    'The PJRT plugin /opt/some_plugin.so ended the process that opened it (status 3).',
  ],
  [
    'crashes',
    'process.kill(process.pid, "SIGSEGV")',
    'The PJRT plugin /opt/some_plugin.so ended the process that opened it (signal SIGSEGV).',
  ],
])('a plugin that %s is a reason', async (_, code, reason) => {
  expect(await probePlugin(PLUGIN, { child: child(code) })).toEqual({ reason });
});

test('a plugin that hangs is ended', async () => {
  const hanging = child('setInterval(() => undefined, 1000)');
  expect(await probePlugin(PLUGIN, { child: hanging, timeoutMs: 50 })).toEqual({
    reason: 'The PJRT plugin /opt/some_plugin.so did not open its devices within 0.05 s.',
  });
});

test('a plugin for GPUs is opened without its memory, any other one without options', async () => {
  const echo = child('process.once("message", (request) => process.send(request))');
  expect(await probePlugin(pluginAt('/opt/xla_rocm7/plugin.so'), { child: echo })).toMatchObject({
    options: { preallocate: false, memory_fraction: 1 },
  });
  expect(await probePlugin(pluginAt('/opt/libtpu/libtpu.so'), { child: echo })).toMatchObject({ options: {} });
});

describePjrt('the process that opens a plugin', (plugin) => {
  const built = join(__dirname, '..', '..', '..', 'dist', 'targets', 'pjrt', 'probe-child.js');

  test('it answers with the devices', async () => {
    expect(await probePlugin(pluginAt(plugin), { child: built })).toMatchObject({
      device: 'cpu',
      devices: expect.arrayContaining([{ kind: 'cpu', name: expect.stringContaining('CpuDevice') as string }]) as [],
    });
  });

  test('it answers with the reason why a file is not a plugin', async () => {
    const file = join(temporaryFolder(), 'cpu.so');
    writeFileSync(file, 'no library');
    expect(await probePlugin(pluginAt(file), { child: built })).toMatchObject({
      reason: expect.stringMatching(/^The PJRT plugin .*cpu\.so cannot be loaded: /) as string,
      advice: expect.stringContaining('shared library') as string,
    });
  });
});
