import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '@graft/test-support';
import { HEARTBEAT_SECONDS } from './heartbeat';
import { FolderLock } from './lock';

it('the heartbeat stops after the release', async () => {
  const folder = join(temporaryFolder(), 'run');
  mkdirSync(folder);
  const lock = await FolderLock.acquire(folder, {
    what: 'The run r',
    code: 'run.busy',
    hint: 'Stop it.',
    onWatch: () => undefined,
  });
  const file = join(folder, '.graft-lock-1');
  const before = statSync(file).mtimeMs;
  while (statSync(file).mtimeMs === before) await sleep(100);
  await lock.release();
  await sleep(200);
  const after = statSync(file).mtimeMs;
  await sleep(HEARTBEAT_SECONDS * 1000 + 500);
  expect(statSync(file).mtimeMs).toBe(after);
});
