import { statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../setup/cache-folder';
import { installRelease, type InstallOptions } from '../../setup/install';
import type { Release } from '../../setup/release';

const FILE = 'pjrt_c_api_cpu_plugin.so';

/** XLA's plugin for CPUs, which shows in tests what a plugin for an accelerator does. */
const CPU_PLUGIN: Release = {
  version: '0.11.2',
  package: 'lammps-jax-pjrt-cpu',
  pythonVersion: '3.12',
  platforms: ['manylinux2014_x86_64', 'manylinux_2_17_x86_64', 'manylinux_2_27_x86_64'],
  wheelSha256: '1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1',
  wheelBytes: 62_711_338,
  files: [
    {
      name: FILE,
      entry: `lammps_jax_pjrt_cpu/${FILE}`,
      bytes: 201_600_336,
      sha256: 'ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2',
    },
  ],
};

const folderOfPlugin = (): string => join(cacheFolder(), `pjrt-cpu-${CPU_PLUGIN.version}`);

/** The plugin in Graft's cache, if it is there completely. */
export function cpuPluginFile(): string | undefined {
  const file = join(folderOfPlugin(), FILE);
  return statSync(file, { throwIfNoEntry: false })?.size === CPU_PLUGIN.files[0].bytes ? file : undefined;
}

/**
 * Fetches the plugin for CPUs into Graft's cache, once, and returns its file: 63 MB with pip, checked by SHA-256. Throws
 * EngineError for the same reasons as the installation of TensorFlow.
 */
export async function installCpuPlugin(options: Omit<InstallOptions, 'release'> = {}): Promise<string> {
  const folder = options.folder ?? folderOfPlugin();
  await installRelease(folder, CPU_PLUGIN, options);
  return join(folder, FILE);
}
