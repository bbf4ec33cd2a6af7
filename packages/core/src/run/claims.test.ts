import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { raceForRun } from '../../test/claim-race';

let runs: string;
beforeEach(async () => void (runs = await mkdtemp(join(tmpdir(), 'graft-claims-'))));
afterEach(() => rm(runs, { recursive: true, force: true }));

it('of processes that resume a run at the same time exactly one succeeds, even if the owner is killed', async () => {
  const rounds = 40;
  const { winners, others, kills } = await raceForRun({ runs, processes: 8, rounds, seed: 1, gapMs: 3, killEvery: 8 });
  expect(winners).toEqual(new Array<number>(rounds).fill(1));
  expect(others).toEqual([]);
  expect(kills).toBe(5);
});
