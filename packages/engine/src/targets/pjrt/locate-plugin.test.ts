import { chmodSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { deviceOfPlugin } from './find-plugin';
import { acceleratorHere, allPlugins, locatePlugin } from './locate-plugin';
import { pluginBundle, type InstallableDevice } from './setup';

const environment = { ...process.env };
let site: string;

beforeEach(() => {
  site = temporaryFolder();
  const bin = temporaryFolder();
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho ${site}\n`);
  chmodSync(join(bin, 'python3'), 0o755);
  process.env.PATH = `${bin}:/bin:/usr/bin`;
  process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
  delete process.env.GRAFT_PJRT_PLUGIN;
  delete process.env.CUDA_VISIBLE_DEVICES;
});
afterEach(() => {
  process.env = { ...environment };
});

function put(folder: string, name: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  return file;
}

/** Files of the right size, without content, where an installation puts them; returns the plugin. */
function installed(device: InstallableDevice): string {
  const { bundle, folder } = pluginBundle(device);
  const files = bundle.releases.flatMap(({ files: own }) => own);
  for (const { name, bytes } of files) truncateSync(put(folder, name), bytes);
  return join(folder, files[0].name);
}

const CUDA = 'jax_plugins/xla_cuda13/xla_cuda_plugin.so';
const ROCM = 'jax_plugins/xla_rocm7/xla_rocm_plugin.so';

test.each([
  [CUDA, 'cuda'],
  [ROCM, 'rocm'],
  ['libtpu/libtpu.so', 'tpu'],
  ['jax_plugins/intel_extension/pjrt_plugin_xpu.so', 'oneapi'],
  ['lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so', 'cpu'],
  ['somewhere/else.so', undefined],
])('the name of the plugin %s shows its device', (file, device) => {
  expect(deviceOfPlugin(`/packages/${file}`)).toBe(device);
});

test('a plugin is found where it is named, then in the cache, then in the packages of python3', async () => {
  const inPython = put(site, CUDA);
  expect(await locatePlugin({ device: 'cuda' })).toMatchObject({ plugin: { file: inPython }, origin: 'python' });
  const inCache = installed('cuda');
  expect(await locatePlugin({ device: 'cuda' })).toMatchObject({
    plugin: {
      file: inCache,
      flags: { xla_gpu_cuda_data_dir: join(pluginBundle('cuda').folder, 'nvidia', 'cu13') },
    },
    origin: 'cache',
  });
  const inEnvironment = put(temporaryFolder(), 'cuda.so');
  process.env.GRAFT_PJRT_PLUGIN = inEnvironment;
  expect(await locatePlugin({})).toMatchObject({ plugin: { file: inEnvironment }, origin: 'environment' });
  const named = put(temporaryFolder(), 'mine.so');
  expect(await locatePlugin({ plugin: named })).toMatchObject({ plugin: { file: named }, origin: 'option' });
  expect((await allPlugins()).map(({ origin }) => origin)).toEqual(['environment', 'cache', 'python']);
});

test('an incomplete installation is not found', async () => {
  truncateSync(installed('cuda'), 5);
  expect(await failureOf(locatePlugin({ device: 'cuda' }))).toMatchObject({ code: 'engine.pjrt-plugin' });
});

test('without a device an accelerator is found, and the plugin for CUDA before others', async () => {
  put(site, ROCM);
  expect(await locatePlugin({})).toMatchObject({ plugin: { file: join(site, ROCM) } });
  put(site, CUDA);
  expect(await locatePlugin({})).toMatchObject({ plugin: { file: join(site, CUDA) } });
});

test('of several plugins of a Python for one device, the one for the newest release is found', async () => {
  put(site, CUDA);
  put(site, 'jax_plugins/xla_cuda12/xla_cuda_plugin.so');
  expect(await locatePlugin({ device: 'cuda' })).toMatchObject({ plugin: { file: join(site, CUDA) } });
});

test('the plugin for CPUs is found only if it is asked for', async () => {
  const file = installed('cpu');
  expect(await failureOf(locatePlugin({}))).toMatchObject({
    message: "No PJRT plugin of an accelerator is here: neither Graft's cache nor python3 has one.",
    hint: expect.stringContaining('device cpu') as string,
  });
  expect(await locatePlugin({ device: 'cpu' })).toMatchObject({ plugin: { file }, origin: 'cache' });
  expect(acceleratorHere()).toBeUndefined();
});

test.each([
  ['cuda', 'Run `graft engine install cuda`, or name one with engine.plugin or GRAFT_PJRT_PLUGIN.'],
  ['cpu', 'Run `graft engine install pjrt-cpu`, or name one with engine.plugin or GRAFT_PJRT_PLUGIN.'],
  ['rocm', 'Install the wheel of JAX that has it for python3, or name one with engine.plugin or GRAFT_PJRT_PLUGIN.'],
] as const)('where no plugin for %s is, the error says how to get one', async (device, hint) => {
  expect(await failureOf(locatePlugin({ device }))).toMatchObject({
    code: 'engine.pjrt-plugin',
    message: `No PJRT plugin for ${device} is here: neither Graft's cache nor python3 has one.`,
    hint,
  });
});

test('a named plugin that is evidently for another device is refused, and not skipped', async () => {
  process.env.GRAFT_PJRT_PLUGIN = '/opt/pjrt_c_api_cpu_plugin.so';
  expect(await failureOf(locatePlugin({ device: 'cuda' }))).toMatchObject({
    code: 'engine.options',
    message:
      'engine device "cuda" cannot be opened with the plugin /opt/pjrt_c_api_cpu_plugin.so, which GRAFT_PJRT_PLUGIN names: it is for cpu.',
  });
});

test('a plugin in the cache that others could have written is refused', async () => {
  chmodSync(installed('cuda'), 0o666);
  expect(await failureOf(locatePlugin({ device: 'cuda' }))).toMatchObject({
    code: 'engine.untrusted',
    message: expect.stringMatching(/xla_cuda_plugin\.so is not yours alone \(every user can write to it/) as string,
    hint: expect.stringContaining('graft engine install cuda --verify') as string,
  });
});
