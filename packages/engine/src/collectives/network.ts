import { UsageError } from '@graft/errors';
import type { JoinOptions } from './types';

/** The exposure of a group over TensorFlow's server, in one sentence. */
export const NETWORK_EXPOSURE =
  "TensorFlow's server, by which workers on several hosts exchange tensors, listens on every interface of this machine and neither encrypts nor asks who is there: whoever reaches its port reads and writes files with the rights of this run.";

/** Throws UsageError for a group that would start TensorFlow's server without the user's consent. */
export function checkNetwork({ local, insecureNetwork }: Pick<JoinOptions, 'local' | 'insecureNetwork'>): void {
  if (local || insecureNetwork) return;
  throw new UsageError(NETWORK_EXPOSURE, {
    code: 'workers.insecure-network',
    hint: 'Wall the workers in as docs/distributed.md shows, then give --insecure-network (in a program: insecureNetwork: true); on one machine --local-workers does without that server.',
  });
}
