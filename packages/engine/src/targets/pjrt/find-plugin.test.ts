import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { findPlugins, findPythonPlugins, pluginAt } from './find-plugin';

/** A site-packages with these files, which are empty. */
function sitePackages(...files: string[]): string {
  const folder = temporaryFolder();
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

const CUDA = 'jax_plugins/xla_cuda13/xla_cuda_plugin.so';
const LIBRARIES = [
  'nvidia/cu13/lib/libcudart.so.13',
  'nvidia/cu13/lib/libcublasLt.so.13',
  'nvidia/cu13/lib/libcublas.so.13',
  'nvidia/cudnn/lib/libcudnn.so.9',
];
const DATA = ['nvidia/cu13/bin/ptxas', 'nvidia/cu13/nvvm/libdevice/libdevice.10.bc'];

describe("plugins in a Python's site-packages", () => {
  it('every shared library of jax_plugins is found, and libtpu', () => {
    const folder = sitePackages(
      'jax_plugins/xla_rocm7/xla_rocm_plugin.so',
      CUDA,
      'jax_plugins/xla_cuda13/__init__.py',
      'libtpu/libtpu.so',
    );
    expect(findPlugins(folder).map(({ file }) => file)).toEqual(
      [CUDA, 'jax_plugins/xla_rocm7/xla_rocm_plugin.so', 'libtpu/libtpu.so'].map((file) => join(folder, file)),
    );
  });

  it('a folder without plugins, or that does not exist, has none', () => {
    expect(findPlugins(sitePackages('jax/__init__.py'))).toEqual([]);
    expect(findPlugins(join(temporaryFolder(), 'gone'))).toEqual([]);
  });

  it("NVIDIA's libraries are loaded before a plugin for CUDA 13, in the order of their needs", () => {
    const folder = sitePackages(CUDA, ...LIBRARIES, ...DATA);
    const expected = {
      file: join(folder, CUDA),
      preload: LIBRARIES.map((file) => join(folder, file)),
      flags: expect.objectContaining({ xla_gpu_cuda_data_dir: join(folder, 'nvidia/cu13') }) as object,
      longCallFlags: { xla_gpu_graph_min_graph_size: 1_000_000 },
      options: { memory_fraction: 0.94 },
    };
    expect(findPlugins(folder)).toEqual([expected]);
    expect(pluginAt(join(folder, CUDA))).toEqual(expected);
  });

  it('libraries that are missing are left to the system, and incomplete data is not named', () => {
    const folder = sitePackages(CUDA, LIBRARIES[3], LIBRARIES[0], DATA[0]);
    expect(pluginAt(join(folder, CUDA))).toMatchObject({
      preload: [LIBRARIES[0], LIBRARIES[3]].map((file) => join(folder, file)),
      flags: expect.not.objectContaining({ xla_gpu_cuda_data_dir: expect.anything() as unknown }) as object,
    });
  });

  it('a plugin for other devices has nothing to load first', () => {
    const folder = sitePackages('jax_plugins/xla_rocm7/xla_rocm_plugin.so', ...LIBRARIES);
    expect(findPlugins(folder)[0]).toMatchObject({ preload: [], flags: {} });
  });
});

describe('plugins of a Python', () => {
  /** A program that answers as a Python with these site-packages does. */
  function pythonOf(folder: string): string {
    const python = join(temporaryFolder(), 'python3');
    writeFileSync(python, `#!/bin/sh\necho ${folder}\n`);
    chmodSync(python, 0o755);
    return python;
  }

  it('are those of its site-packages', async () => {
    const folder = sitePackages(CUDA, ...LIBRARIES);
    expect(await findPythonPlugins(pythonOf(folder))).toEqual(findPlugins(folder));
  });

  it('a Python that cannot be started has none', async () => {
    expect(await findPythonPlugins(join(temporaryFolder(), 'python3'))).toEqual([]);
  });

  it.each([CUDA, LIBRARIES[2]])('are refused if others can write %s', async (file) => {
    const folder = sitePackages(CUDA, ...LIBRARIES);
    chmodSync(join(folder, file), 0o666);
    expect(await failureOf(findPythonPlugins(pythonOf(folder)))).toMatchObject({
      code: 'engine.untrusted',
      message: expect.stringContaining(`${file} is not yours alone (every user can write to it`) as string,
    });
  });
});
