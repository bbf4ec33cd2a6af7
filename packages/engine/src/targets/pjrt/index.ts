/**
 * PJRT: accelerators (and, for tests, CPUs) through their XLA plugins. The
 * engine `pjrt` (open-engine.ts) runs on it. Nothing native is loaded before `openPjrtClient`.
 */
import type { Client } from './client';
import type { FoundPlugin } from './find-plugin';
import type { ClientOptions } from './options';

export { ProgramCache } from './program-cache';
export type { DeviceBuffer, HostValues } from './buffer';
export type { Client, CompileOptions, LiveObjects } from './client';
export type { Device, DeviceMemory } from './device';
export type { CompiledMemory, Executable, ExecuteOptions } from './executable';
export type { TensorType } from './host-values';
export type { ClientOptions, CompileFlags } from './options';
export { findPlugins, findPythonPlugins, pluginAt, type FoundPlugin } from './find-plugin';
export { cpuPluginFile, installationPlan, installPlugin, pluginBundle, type InstallableDevice } from './setup';

/**
 * Loads a plugin, which stays loaded until the process ends, and opens its devices. `keeps`: whether what it compiles is
 * kept in Graft's cache for later processes. Throws EngineError if it is missing, is not a PJRT plugin, has a version that
 * does not fit, or has no device.
 */
export function openPjrtClient(
  plugin: FoundPlugin,
  options: ClientOptions = {},
  { keeps = false }: { readonly keeps?: boolean } = {},
): Client {
  // Loaded on demand: koffi is not available for every machine on which the portable engine runs.
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
  const { openClient } = require('./open') as typeof import('./open');
  return openClient(plugin, options, keeps);
}
