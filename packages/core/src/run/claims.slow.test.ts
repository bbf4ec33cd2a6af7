import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { raceForRun } from '../../test/claim-race';

let runs: string;
beforeEach(async () => void (runs = await mkdtemp(join(tmpdir(), 'graft-claims-'))));
afterEach(() => rm(runs, { recursive: true, force: true }));

it.each([
  { processes: 20, rounds: 300, gapMs: 0, killEvery: 10 },
  { processes: 20, rounds: 300, gapMs: 5, killEvery: 10 },
  { processes: 8, rounds: 500, gapMs: 40, killEvery: 10 },
  { processes: 8, rounds: 60, gapMs: 3, killEvery: 1 },
])(
  'exactly one of $processes processes claims the run in each of $rounds rounds, with gaps up to $gapMs ms and the owner killed in every round of $killEvery',
  async (settings) => {
    const { winners, refusals, kills, others } = await raceForRun({ runs, seed: 7, ...settings });
    console.log(
      `${winners.length} rounds: ${winners.filter((count) => count === 1).length} with exactly one owner, ${refusals} refusals, ${kills} owners killed`,
    );
    expect(winners).toEqual(new Array<number>(settings.rounds).fill(1));
    expect(others).toEqual([]);
  },
  600_000,
);
