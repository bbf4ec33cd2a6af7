import { statSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../setup/cache-folder';
import { libraryCacheFolder } from '../../setup/find';
import { installBundle, planInstallation, type InstallationPlan, type InstallOptions } from '../../setup/install';
import { filesOf, TENSORFLOW, type Bundle } from '../../setup/release';
import { CPU_PLUGIN, CPU_PLUGIN_FILE, CUDA_PLUGIN, CUDA_PLUGIN_FILE } from './releases';

/** A plugin that Graft installs: the folder's name in the cache, and the plugin's file in it. */
interface Installable {
  readonly bundle: Bundle;
  readonly name: string;
  readonly file: string;
}

/** A device whose plugin Graft installs. */
export type InstallableDevice = 'cuda' | 'cpu';

/** By the device that it is for. */
const PLUGINS: Readonly<Record<InstallableDevice, Installable>> = {
  cuda: { bundle: CUDA_PLUGIN, name: `pjrt-cuda13-${CUDA_PLUGIN.releases[0].version}`, file: CUDA_PLUGIN_FILE },
  cpu: { bundle: CPU_PLUGIN, name: `pjrt-cpu-${CPU_PLUGIN.releases[0].version}`, file: CPU_PLUGIN_FILE },
};

/** Whether Graft can install a plugin for a device. */
export const isInstallable = (device: string): device is InstallableDevice => Object.hasOwn(PLUGINS, device);

/** What the installation of a device's plugin fetches, and the folder into which it goes. */
export function pluginBundle(device: InstallableDevice): { readonly bundle: Bundle; readonly folder: string } {
  const { bundle, name } = PLUGINS[device];
  return { bundle, folder: join(cacheFolder(), name) };
}

/** The plugin for a device in Graft's cache, if it is there with everything that it needs. */
export function installedPlugin(device: string): string | undefined {
  if (!isInstallable(device)) return undefined;
  const { bundle, folder } = pluginBundle(device);
  const isWhole = filesOf(bundle).every(
    ({ name, bytes }) => statSync(join(folder, name), { throwIfNoEntry: false })?.size === bytes,
  );
  return isWhole ? join(folder, PLUGINS[device].file) : undefined;
}

/** What of the plugins is installed in Graft's cache, and the folder of each. */
export function installedPlugins(): readonly { readonly bundle: Bundle; readonly folder: string }[] {
  return Object.keys(PLUGINS)
    .filter(isInstallable)
    .filter((device) => installedPlugin(device) !== undefined)
    .map(pluginBundle);
}

/** The plugin for CPUs in Graft's cache, if it is there completely. */
export const cpuPluginFile = (): string | undefined => installedPlugin('cpu');

/**
 * Fetches a plugin with the libraries that it needs into Graft's cache, once, and returns the plugin's file: with pip,
 * checked by SHA-256; 63 MB for `cpu`, 1.3 GB for `cuda`. Throws EngineError for the same reasons as the installation of
 * TensorFlow.
 */
export async function installPlugin(
  device: InstallableDevice,
  options: Omit<InstallOptions, 'release'> = {},
): Promise<string> {
  const { bundle, folder: own } = pluginBundle(device);
  const folder = options.folder ?? own;
  await installBundle(folder, bundle, options);
  return join(folder, PLUGINS[device].file);
}

/** What would be fetched and kept for a device's plugin; without a device, for TensorFlow's libraries. */
export function installationPlan(device: InstallableDevice | undefined): Promise<InstallationPlan> {
  const { bundle, folder } =
    device === undefined ? { bundle: TENSORFLOW, folder: libraryCacheFolder() } : pluginBundle(device);
  return planInstallation(folder, bundle);
}
