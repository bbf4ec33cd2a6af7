import { messageOf } from '@graft/engine';
import { Interrupted } from '../util/pending';
import type { Trackers } from '../training/trackers';
import type { RunFolder } from './folder';

interface Failed {
  readonly folder: RunFolder;
  /** Whether anything came of the run; the folder of one that never began goes. */
  readonly began: boolean;
  readonly trackers?: Trackers;
}

/** What a run, or an evaluation, leaves when it ends with an error: the record says why, unless the user stopped it. */
export async function recordFailure(error: unknown, { folder, began, trackers }: Failed): Promise<void> {
  const status = error instanceof Interrupted ? 'interrupted' : 'failed';
  const reason = messageOf(error);
  if (began) await folder.update({ status, error: status === 'failed' ? reason : undefined }).catch(() => undefined);
  else await folder.remove().catch(() => undefined);
  await trackers?.finish(status);
}
