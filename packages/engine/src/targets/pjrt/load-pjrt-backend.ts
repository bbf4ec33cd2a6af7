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

/** Opens the devices of a plugin and registers the tfjs backend `pjrt` on the first. Once per process. */
export function loadPjrtBackend(plugin: FoundPlugin): GraftBackend<PjrtTensor, PjrtRuntime> {
  const runtime = new PjrtRuntime(openPjrtClient(plugin));
  const binding = new KernelBinding<PjrtTensor, PjrtRuntime>(runtime);
  const backend = new GraftBackend<PjrtTensor, PjrtRuntime>(binding);
  copyNativeKernels(PJRT_BACKEND);
  refuseAssignments(binding);
  tf.registerBackend(PJRT_BACKEND, () => backend);
  return backend;
}
