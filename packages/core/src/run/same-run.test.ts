import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { newRuns, run, stopAt } from '../../test/toy-runs';
import { loadConfig } from '../config';
import { configHash, findSameRun, runsByConfig } from './same-run';

const resolved = async (runs: string, sections: Record<string, unknown> = {}): Promise<object> =>
  (await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin] })).config;

it('the hash depends on what a run computes, but not on the order of keys or where the run is stored', () => {
  const hash = configHash({ seed: 1, train: { steps: 2, batchSize: 3 } });
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
  const elsewhere = { name: 'a', runs: '/b', versions: { node: '20' }, trackers: [{ use: 'x' }], plugins: ['y'] };
  expect(configHash({ ...elsewhere, train: { batchSize: 3, steps: 2 }, seed: 1 })).toBe(hash);
  expect(configHash({ seed: 2, train: { steps: 2, batchSize: 3 } })).not.toBe(hash);
});

it('a run is found by the config from which it came: the finished one, otherwise the newest', async () => {
  const runs = newRuns();
  const parent = join(runs, 'toy');
  const config = await resolved(runs);
  expect(await findSameRun(parent, config)).toBeUndefined();
  const finished = await run(runs);
  const stopped = await run(runs, {}, stopAt(4));
  const other = await run(runs, { seed: 5 }, stopAt(2));
  const later = await run(runs, { seed: 5 }, stopAt(3));
  expect(await findSameRun(parent, config)).toMatchObject({ id: finished.id, isFinished: true });
  expect(await findSameRun(parent, await resolved(runs, { seed: 5 }))).toMatchObject({
    id: later.id,
    isFinished: false,
    record: { steps: 3 },
  });

  const warnings: string[] = [];
  writeFileSync(join(finished.folder, 'config.json'), '{');
  writeFileSync(join(other.folder, 'run.json'), '[]');
  const found = await runsByConfig(parent, { warn: (sentence) => warnings.push(sentence) });
  expect([...found.values()].map(({ id }) => id).sort()).toEqual([stopped.id, later.id].sort());
  expect(warnings).toEqual([
    expect.stringMatching(/run\.json .*It is left out\.$/),
    expect.stringMatching(/config\.json .*The run is left out\.$/),
  ]);
});
