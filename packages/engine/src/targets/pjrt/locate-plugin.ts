import { existsSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EngineError } from '@graft/errors';
import { findUntrusted } from '@graft/files';
import { cacheFolder } from '../../setup/cache-folder';
import { unsupportedPlatformReason } from '../../setup/platform';
import { firstUntrusted, notLoaded, warnOfUntrusted } from '../../setup/trust';
import { ENGINE_DEVICES } from '../../target/choose';
import type { EngineDevice } from '../../types';
import { deviceOfPlugin, findPythonPlugins, pluginAt, type FoundPlugin } from './find-plugin';
import { installedPlugin, isInstallable } from './setup';

/** A plugin, and how it was found. */
export interface LocatedPlugin {
  readonly plugin: FoundPlugin;
  readonly origin: 'option' | 'environment' | 'cache' | 'python';
}

/** What must be found: the plugin that `engine.plugin` names, or one for a device; neither: any accelerator. */
export interface PluginRequest {
  readonly plugin?: string;
  readonly device?: EngineDevice;
}

const ACCELERATORS = ENGINE_DEVICES.filter((device) => device !== 'cpu');

/** A plugin that the user named; nothing else is searched then. */
function namedPlugin({ plugin, device }: PluginRequest): LocatedPlugin | undefined {
  const origin = plugin === undefined ? 'environment' : 'option';
  const path = plugin ?? process.env.GRAFT_PJRT_PLUGIN;
  if (!path) return undefined;
  const own = deviceOfPlugin(path);
  if (device !== undefined && own !== undefined && own !== device)
    throw new EngineError(
      `engine device "${device}" cannot be opened with the plugin ${path}, which ${origin === 'option' ? 'engine plugin' : 'GRAFT_PJRT_PLUGIN'} names: it is for ${own}.`,
      { code: 'engine.options', exitCode: 2, hint: `Name a plugin for ${device}, or none, or the device ${own}.` },
    );
  // A link that the user named may lead anywhere; a file that is missing is refused when it is opened.
  const file = existsSync(path) ? realpathSync(path) : resolve(path);
  const untrusted = findUntrusted(dirname(file), file);
  if (untrusted) warnOfUntrusted(`The PJRT plugin ${path} is loaded, but others could change it`, untrusted);
  return { plugin: pluginAt(path), origin };
}

/** The plugin for a device that Graft has installed. Throws EngineError if others could have written it. */
function cachedPlugin(device: EngineDevice): LocatedPlugin | undefined {
  const file = installedPlugin(device);
  if (file === undefined) return undefined;
  const plugin = pluginAt(file);
  const untrusted = firstUntrusted(cacheFolder(), [plugin.file, ...plugin.preload]);
  if (untrusted) throw notLoaded('The PJRT plugin is', untrusted, installCommand(device));
  return { plugin, origin: 'cache' };
}

const installCommand = (device: string): string => `graft engine install ${device === 'cpu' ? 'pjrt-cpu' : device}`;

/** The first plugin for one of these devices, in their order, of the cache and then of `python3`. */
async function searchedPlugin(devices: readonly EngineDevice[]): Promise<LocatedPlugin | undefined> {
  for (const device of devices) {
    const cached = cachedPlugin(device);
    if (cached) return cached;
  }
  const inPython = await findPythonPlugins();
  for (const device of devices) {
    // The last by name is for the newest release: xla_cuda13 comes after xla_cuda12.
    const plugin = inPython.filter(({ file }) => deviceOfPlugin(file) === device).at(-1);
    if (plugin) return { plugin, origin: 'python' };
  }
  return undefined;
}

/**
 * The plugin for a request: the one that is named (`engine.plugin`, GRAFT_PJRT_PLUGIN), otherwise one for the device in
 * Graft's cache, otherwise in the site-packages of `python3`. Throws EngineError if there is none, if the named one is
 * evidently for another device, or if others could have written one that was found.
 */
export async function locatePlugin(request: PluginRequest): Promise<LocatedPlugin> {
  const { device } = request;
  const found = namedPlugin(request) ?? (await searchedPlugin(device === undefined ? ACCELERATORS : [device]));
  if (found) return found;
  const missing = device === undefined ? 'of an accelerator' : `for ${device}`;
  throw new EngineError(`No PJRT plugin ${missing} is here: neither Graft's cache nor python3 has one.`, {
    code: 'engine.pjrt-plugin',
    exitCode: 2,
    hint: howToGet(device),
  });
}

function howToGet(device: EngineDevice | undefined): string {
  const byName = 'name one with engine.plugin or GRAFT_PJRT_PLUGIN';
  if (device === undefined)
    return `Run \`${installCommand('cuda')}\` for NVIDIA's GPUs, or ${byName}; for XLA's plugin for CPUs, name the device cpu.`;
  const first = isInstallable(device)
    ? `Run \`${installCommand(device)}\``
    : 'Install the wheel of JAX that has it for python3';
  return `${first}, or ${byName}.`;
}

/** Every plugin that `locatePlugin` may find, the ones that are named first; each file once. */
export async function allPlugins(): Promise<LocatedPlugin[]> {
  const named = namedPlugin({});
  const cached = ENGINE_DEVICES.flatMap((device) => cachedPlugin(device) ?? []);
  const inPython = (await findPythonPlugins()).map((plugin): LocatedPlugin => ({ plugin, origin: 'python' }));
  const seen = new Set<string>();
  return [...(named ? [named] : []), ...cached, ...inPython].filter(({ plugin: { file } }) => {
    const isNew = !seen.has(file);
    seen.add(file);
    return isNew;
  });
}

/** Where NVIDIA's driver shows that it is there: on Linux, in a container, under WSL. */
const NVIDIA_DEVICES = ['/proc/driver/nvidia/version', '/dev/nvidiactl', '/dev/dxg'];

/**
 * The accelerator that `auto` takes: one whose plugin Graft has installed on request, and whose device this machine
 * shows and this process may use. Opens nothing.
 */
export function acceleratorHere(): EngineDevice | undefined {
  const visible = process.env.CUDA_VISIBLE_DEVICES;
  if (visible === '' || visible === '-1' || unsupportedPlatformReason() !== undefined) return undefined;
  return NVIDIA_DEVICES.some(existsSync) && installedPlugin('cuda') !== undefined ? 'cuda' : undefined;
}
