import { copyNativeKernels } from '../../kernels/register';
import { refuseAssignments } from '../../trace/assignments';
import { GraftBackend } from '../../trace/backend';
import { KernelBinding } from '../../trace/binding';
import { tf } from '../../tf';
import type { Client } from './client';
import { constrainKernel } from './constrain-kernel';
import { PjrtRuntime, type PjrtTensor } from './pjrt-runtime';

/** The name of the tfjs backend. */
export const PJRT_BACKEND = 'pjrt';

/** Registers the tfjs backend `pjrt` on the first device of a client. Once per process. */
export function loadPjrtBackend(client: Client): GraftBackend<PjrtTensor, PjrtRuntime> {
  const runtime = new PjrtRuntime(client);
  const binding = new KernelBinding<PjrtTensor, PjrtRuntime>(runtime);
  const backend = new GraftBackend<PjrtTensor, PjrtRuntime>(binding);
  copyNativeKernels(PJRT_BACKEND);
  tf.registerKernel(constrainKernel(PJRT_BACKEND));
  refuseAssignments(binding);
  tf.registerBackend(PJRT_BACKEND, () => backend);
  return backend;
}
