import { EngineError } from '@graft/errors';
import type { EngineOptions } from '../../types';
import type { Client } from './client';
import { deviceOfPlatform, deviceOfPlugin, type FoundPlugin } from './find-plugin';
import { openPjrtClient } from './index';
import { openLibrary } from './libraries';
import { environmentOptions } from './environment-options';
import type { ClientOptions } from './options';

/** What to do where a device cannot be opened, by the device. */
const HINTS: Readonly<Record<string, string>> = {
  cuda: "`nvidia-smi` shows NVIDIA's driver and its GPUs; CUDA 13 needs driver 580 or newer. `--device cpu` does without.",
  rocm: "`rocm-smi` shows AMD's driver and its GPUs. `--device cpu` does without.",
};
const OTHER_HINT = 'Check the driver, and what of the machine this process may see. `--device cpu` does without.';

/** A plugin's client, and the kind of its devices: as `EngineDevice`, or the name of an unknown platform. */
export interface OpenedPlugin {
  readonly client: Client;
  readonly device: string;
}

/**
 * Opens the devices of a plugin. `keeps`: as for `openPjrtClient`; `devices`: how many are wanted. Throws EngineError, one
 * sentence and what to do, if the driver is missing or has no device for it.
 */
export function openPlugin(plugin: FoundPlugin, options: ClientOptions, keeps: boolean, devices = 1): OpenedPlugin {
  const expected = deviceOfPlugin(plugin.file);
  const hint = (expected && HINTS[expected]) ?? OTHER_HINT;
  if (expected === 'cuda') checkNvidiaDriver(plugin, hint);
  let client = openClient(plugin, options, keeps, hint);
  if (client.platform === 'cpu' && client.devices.length < devices) {
    // XLA's plugin for CPUs makes virtual devices; nothing has run on the first client yet.
    void client.close();
    client = openClient(plugin, { ...options, cpu_device_count: devices }, keeps, hint);
  }
  if (client.devices.length > 0)
    return { client, device: deviceOfPlatform(client.platform) ?? client.platform.toLowerCase() };
  void client.close();
  throw new EngineError(`The PJRT plugin ${plugin.file} finds no device of its platform, ${client.platform}.`, {
    code: 'engine.device',
    hint,
  });
}

/** The plugin would print lines of its own and report no more than that no GPU is visible. */
function checkNvidiaDriver({ file }: FoundPlugin, hint: string): void {
  const reason = openLibrary('libcuda.so.1', true);
  if (reason === undefined) return;
  throw new EngineError(
    `The PJRT plugin ${file} needs NVIDIA's driver, which is not here: libcuda.so.1 cannot be loaded (${reason}).`,
    { code: 'engine.device', hint },
  );
}

function openClient(plugin: FoundPlugin, options: ClientOptions, keeps: boolean, hint: string): Client {
  const given = environmentOptions('GRAFT_PJRT_FLAGS');
  const flags = { ...plugin.flags, ...given };
  const longCallFlags = { ...plugin.longCallFlags, ...given };
  const all = { ...plugin.options, ...environmentOptions('GRAFT_PJRT_OPTIONS'), ...options };
  try {
    return openPjrtClient({ ...plugin, flags, longCallFlags }, all, { keeps });
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'engine.device') throw error;
    const reason = error.message.replace(/^The device cannot be opened: /, '');
    throw new EngineError(`The PJRT plugin ${plugin.file} opens no device: ${reason}`, {
      code: error.code,
      hint: error.hint ?? hint,
      cause: error,
    });
  }
}

/** PJRT's names of the options that an engine has for a device's memory. */
export function clientOptions({ memoryFraction, preallocate }: EngineOptions): ClientOptions {
  return {
    ...(memoryFraction !== undefined && { memory_fraction: memoryFraction }),
    ...(preallocate !== undefined && { preallocate }),
  };
}
