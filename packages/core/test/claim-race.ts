import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { RunFolder } from '../src/run/folder';
import { createRandom } from '../src/random/streams';
import type { Request } from './claim-runs';

export interface RaceSettings {
  readonly runs: string;
  readonly processes: number;
  readonly rounds: number;
  readonly seed: number;
  /** Processes claim at some instant within this many milliseconds, drawn for each. */
  readonly gapMs: number;
  /** Of the rounds, those whose owner is killed before the next one; the others give the run back. */
  readonly killEvery: number;
}

export interface RaceResult {
  /** Owners of each round; one is right. */
  readonly winners: readonly number[];
  readonly refusals: number;
  readonly kills: number;
  /** Answers that are neither `won` nor `run.busy`. */
  readonly others: readonly string[];
}

async function start(): Promise<ChildProcess> {
  const child = fork(join(__dirname, 'claim-runs.ts'), {
    execArgv: ['--require', join(__dirname, 'register-typescript.cjs')],
  });
  await once(child, 'message');
  return child;
}

async function ask(child: ChildProcess, request: Request): Promise<string> {
  const answered = once(child, 'message');
  child.send(request);
  const [answer] = (await answered) as [string];
  return answer;
}

/** Processes that claim one run at the same time, round after round. */
export async function raceForRun(settings: RaceSettings): Promise<RaceResult> {
  const { runs, processes, rounds, gapMs, killEvery } = settings;
  const random = createRandom(settings.seed).fork('claims');
  const folder = await RunFolder.create(runs, 'race', {});
  await folder.release();
  const children = await Promise.all(Array.from({ length: processes }, start));
  const winners: number[] = [];
  const others: string[] = [];
  let [refusals, kills] = [0, 0];
  try {
    for (let round = 0; round < rounds; round++) {
      const answers = await Promise.all(
        children.map((child) => ask(child, { claim: folder.path, afterMs: random.integer(gapMs + 1) })),
      );
      const owners = [...answers.keys()].filter((i) => answers[i] === 'won');
      winners.push(owners.length);
      refusals += answers.filter((answer) => answer === 'run.busy').length;
      others.push(...answers.filter((answer) => answer !== 'won' && answer !== 'run.busy'));
      for (const owner of owners) {
        if (killEvery > 0 && round % killEvery === killEvery - 1) {
          const gone = once(children[owner], 'exit');
          children[owner].kill('SIGKILL');
          await gone;
          children[owner] = await start();
          kills++;
        } else await ask(children[owner], { release: true });
      }
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
  return { winners, refusals, kills, others };
}
