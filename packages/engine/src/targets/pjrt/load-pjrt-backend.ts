import { EngineError } from '@graft/errors';
import { copyNativeKernels } from '../../kernels/register';
import { refuseAssignments } from '../../trace/assignments';
import { GraftBackend } from '../../trace/backend';
import { KernelBinding } from '../../trace/binding';
import { tf } from '../../tf';
import type { FoundPlugin } from './find-plugin';
import { openPjrtClient } from './index';
import { PjrtRuntime, type PjrtTensor } from './pjrt-runtime';

/** The name of the tfjs backend. */
export const PJRT_BACKEND = 'pjrt';

/**
 * Options of the client, or flags of XLA's compiler, that a variable of the environment holds as a JSON object. Throws
 * EngineError for anything else.
 */
function environmentOptions(variable: string): Record<string, string | number | boolean> {
  const text = process.env[variable];
  if (!text) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Reported below.
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const isPlain = (entry: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof entry);
  if (isObject && Object.values(value as object).every(isPlain))
    return value as Record<string, string | number | boolean>;
  throw new EngineError(`${variable} must be a JSON object of texts, numbers and booleans, but is ${text}.`, {
    code: 'engine.pjrt-plugin',
    exitCode: 2,
    hint: `For example ${variable}='{"memory_fraction":0.5}'.`,
  });
}

/** Opens the devices of a plugin and registers the tfjs backend `pjrt` on the first. Once per process. */
export function loadPjrtBackend(plugin: FoundPlugin): GraftBackend<PjrtTensor, PjrtRuntime> {
  const flags = { ...plugin.flags, ...environmentOptions('GRAFT_PJRT_FLAGS') };
  const options = { ...plugin.options, ...environmentOptions('GRAFT_PJRT_OPTIONS') };
  const runtime = new PjrtRuntime(openPjrtClient({ ...plugin, flags }, options));
  const binding = new KernelBinding<PjrtTensor, PjrtRuntime>(runtime);
  const backend = new GraftBackend<PjrtTensor, PjrtRuntime>(binding);
  copyNativeKernels(PJRT_BACKEND);
  refuseAssignments(binding);
  tf.registerBackend(PJRT_BACKEND, () => backend);
  return backend;
}
