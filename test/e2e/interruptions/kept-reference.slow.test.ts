/** Preference tuning that keeps its reference's log-probabilities, killed while it computes them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, temporaryFolder } from '../../support';
import { graftSucceeds, readMetrics, runFolderOf, startGraft } from '../support/graft';

const folder = temporaryFolder();
const kept = join(folder, 'kept');
/** 19 batches are an epoch, of two pairs each. */
const args = (name: string, ...more: string[]): string[] => [
  ...['run', join(ROOT, 'examples', 'tuning', 'dpo.yaml'), '--set', `name=${name}`, '--set', `runs=${folder}`],
  ...['engine=portable', 'train.batchSize=2', 'train.steps=30', 'train.checkpointEvery=3', 'evaluators=[]'].flatMap(
    (setting) => ['--set', setting],
  ),
  ...['--set', 'train.keepBest=null', ...more],
];
const keep = ['--set', `objective.keepReference={ folder: ${kept} }`];

/** The lines that were written to the end. */
function keptLines(): string[] {
  const [digest] = existsSync(kept) ? readdirSync(kept) : [];
  const file = join(kept, digest ?? '', 'preferences-v1.jsonl');
  return digest !== undefined && existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

test('a run that was killed computes no pair twice, and has the losses of one that keeps nothing', async () => {
  const { child, done } = startGraft(args('kept', ...keep), folder);
  for (let waited = 0; waited < 1200 && keptLines().length < 12; waited++) await sleep(50);
  child.kill('SIGKILL');
  await done;
  const before = keptLines();
  expect(before.length).toBeGreaterThanOrEqual(12);
  expect(before.length).toBeLessThan(38);
  const resumed = await graftSucceeds(args('kept', ...keep, '--resume'), folder);
  expect(resumed.stderr).toContain(`: ${before.length} pairs are known, in ${kept}`);
  const after = keptLines();
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after).toHaveLength(38);
  expect(new Set(after.map((line) => (JSON.parse(line) as { key: string }).key)).size).toBe(38);

  const plain = readMetrics(runFolderOf(await graftSucceeds(args('plain'), folder)));
  const losses = readMetrics(runFolderOf(resumed)).map(({ loss }) => loss);
  expect(losses).toHaveLength(30);
  losses.forEach((loss, i) => expect(loss).toBeCloseTo(plain[i].loss, 5));
  // Another run of the same reference computes nothing.
  await graftSucceeds(args('again', ...keep, '--set', 'objective.beta=1'), folder);
  expect(keptLines()).toEqual(after);
});
