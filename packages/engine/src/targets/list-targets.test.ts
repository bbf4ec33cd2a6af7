import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import type { DoctorCheck } from '../setup';
import { listTargets } from './list-targets';
import type { ProbedPlugin } from './pjrt/probe';

const environment = { ...process.env };
let plugin: string;
beforeEach(() => {
  plugin = join(temporaryFolder(), 'xla_cuda_plugin.so');
  writeFileSync(plugin, '');
  process.env.GRAFT_PJRT_PLUGIN = plugin;
  process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
  process.env.PATH = '/nowhere';
});
afterEach(() => {
  process.env = { ...environment };
});

const TENSORFLOW: DoctorCheck = { name: 'engine', status: 'ok', detail: 'TensorFlow 2.21.0' };
const H100 = { kind: 'NVIDIA H100 80GB HBM3', memoryBytes: 85_017_493_504 };

const listed = (probed: ProbedPlugin): ReturnType<typeof listTargets> =>
  listTargets(TENSORFLOW, true, () => Promise.resolve(probed));

test('every target is listed, and the devices of a plugin with their memory', async () => {
  const devices = [0, 1].map((id) => ({ ...H100, name: `CudaDevice(id=${id})` }));
  const targets = await listed({ device: 'cuda', version: 'cuda 13000', devices });
  expect(targets.map(({ target, device, usable }) => [target, device, usable])).toEqual([
    ['tensorflow', 'cpu', true],
    ['pjrt', 'cuda', true],
    ['portable', 'cpu', true],
  ]);
  expect(targets[1]).toMatchObject({
    detail: `2 x NVIDIA H100 80GB HBM3 with 79.2 GiB, from ${plugin} (environment)`,
    plugin,
    origin: 'environment',
    devices,
  });
  expect(targets[2].detail).toMatch(/^portable \(tfjs /);
});

test('a plugin that does not open is listed with its reason and what to do', async () => {
  const [, pjrt] = await listed({ reason: 'The PJRT plugin opens no device.', advice: 'Look at the driver.' });
  expect(pjrt).toEqual({
    target: 'pjrt',
    device: 'cuda',
    usable: false,
    detail: 'The PJRT plugin opens no device.',
    advice: 'Look at the driver.',
    plugin,
    origin: 'environment',
  });
});

test('a library that does not load is listed with its reason', async () => {
  const failed: DoctorCheck = { name: 'engine', status: 'warn', detail: 'no native library', advice: 'Install it.' };
  delete process.env.GRAFT_PJRT_PLUGIN;
  const targets = await listTargets(failed, true);
  expect(targets.map(({ target }) => target)).toEqual(['tensorflow', 'portable']);
  expect(targets[0]).toMatchObject({ usable: false, detail: 'no native library', advice: 'Install it.' });
});

test('nothing is opened where a hash is wrong', async () => {
  const probe = jest.fn();
  const [, pjrt] = await listTargets(TENSORFLOW, false, probe);
  expect(pjrt).toMatchObject({ usable: false, detail: expect.stringContaining('SHA-256') as string });
  expect(probe).not.toHaveBeenCalled();
});

test('plugins of Python that others could have written are a reason, not an error', async () => {
  const site = temporaryFolder();
  const folder = join(site, 'jax_plugins', 'xla_cuda13');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'plugin.so'), '', { mode: 0o600 });
  const bin = temporaryFolder();
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\nchmod 666 ${folder}/plugin.so\necho ${site}\n`, { mode: 0o755 });
  process.env.PATH = `${bin}:/bin`;
  delete process.env.GRAFT_PJRT_PLUGIN;
  const [, pjrt] = await listTargets(TENSORFLOW, true);
  expect(pjrt).toMatchObject({
    target: 'pjrt',
    usable: false,
    detail: expect.stringContaining('not yours alone') as string,
  });
});
