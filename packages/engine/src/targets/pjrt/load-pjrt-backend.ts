import { copyNativeKernels } from '../../kernels/register';
import { refuseAssignments } from '../../trace/assignments';
import { GraftBackend } from '../../trace/backend';
import { KernelBinding } from '../../trace/binding';
import { tf } from '../../tf';
import type { FoundPlugin } from './find-plugin';
import type { Client } from './client';
import { constrainKernel } from './constrain-kernel';
import { openPjrtClient } from './index';
import { PjrtRuntime, type PjrtTensor } from './pjrt-runtime';

/** The name of the tfjs backend. */
export const PJRT_BACKEND = 'pjrt';

/** A client with that many devices or more, if the plugin has them; XLA's plugin for CPUs makes virtual ones. */
function openDevices(plugin: FoundPlugin, devices = 1): Client {
  const client = openPjrtClient(plugin);
  if (client.platform !== 'cpu' || client.devices.length >= devices) return client;
  // Nothing has run on it yet.
  void client.close();
  return openPjrtClient(plugin, { cpu_device_count: devices });
}

/**
 * Opens the devices of a plugin and registers the tfjs backend `pjrt` on the first. Once per process. `devices`: how many
 * are wanted.
 */
export function loadPjrtBackend(plugin: FoundPlugin, devices?: number): GraftBackend<PjrtTensor, PjrtRuntime> {
  const runtime = new PjrtRuntime(openDevices(plugin, devices));
  const binding = new KernelBinding<PjrtTensor, PjrtRuntime>(runtime);
  const backend = new GraftBackend<PjrtTensor, PjrtRuntime>(binding);
  copyNativeKernels(PJRT_BACKEND);
  tf.registerKernel(constrainKernel(PJRT_BACKEND));
  refuseAssignments(binding);
  tf.registerBackend(PJRT_BACKEND, () => backend);
  return backend;
}
