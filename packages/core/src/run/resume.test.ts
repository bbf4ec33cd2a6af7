import { LOCK_PREFIX } from '@graft/checkpoint/internal';
import { tf } from '@graft/engine';
import { cpSync } from 'node:fs';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failureOf } from '@graft/test-support';
import { events } from '../../test/toy-plugin';
import { finalWeights, losses, newRuns, record, run, runsIn, stopAt } from '../../test/toy-runs';

describe('a resumed run', () => {
  it('50 steps and 50 more give the losses, weights and optimizer state of 100 steps', async () => {
    const whole = await run(newRuns(), { train: { steps: 100 } });
    const runs = newRuns();
    const half = await run(runs, { train: { steps: 50 } });
    const other = await run(runs, { train: { steps: 100 } }, { resume: half.id });
    expect(other).toMatchObject({ id: half.id, folder: half.folder, status: 'finished', steps: 100 });
    expect(await losses(other.folder)).toEqual(await losses(whole.folder));
    expect(await finalWeights(other.folder)).toEqual(await finalWeights(whole.folder));
    const config = JSON.parse(await readFile(join(other.folder, 'config.json'), 'utf8')) as {
      train: { steps: number };
    };
    expect(config.train.steps).toBe(100);
  });

  it('an interrupted run saves a checkpoint and can be resumed', async () => {
    const whole = await run(newRuns());
    const runs = newRuns();
    const stopped = await run(runs, { trackers: ['list'] }, stopAt(4));
    expect(stopped).toMatchObject({ status: 'interrupted', steps: 4 });
    expect(await record(stopped.folder)).toMatchObject({ status: 'interrupted', steps: 4 });
    expect(events.at(-1)).toBe('finish interrupted');
    const newer = await run(runs, { train: { steps: 2 }, seed: 5 });
    const resumed = await run(runs, {}, { resume: true });
    expect(resumed).toMatchObject({ id: stopped.id, status: 'finished', steps: 10 });
    expect(await readlink(join(runs, 'toy', 'latest'))).toBe(stopped.id);
    expect(newer.id).not.toBe(stopped.id);
    expect(await losses(resumed.folder)).toEqual(await losses(whole.folder));
    expect(await finalWeights(resumed.folder)).toEqual(await finalWeights(whole.folder));
  });

  it('a run that fails before its first step affects neither `latest` nor --resume', async () => {
    const runs = newRuns();
    const stopped = await run(runs, {}, stopAt(4));
    const error = await failureOf(run(runs, { train: { microBatches: 3 } }));
    expect(error).toMatchObject({ code: 'data.parts' });
    expect(await runsIn(runs)).toHaveLength(2);
    expect(await readlink(join(runs, 'toy', 'latest'))).toBe(stopped.id);
    const latestAt: Promise<string>[] = [];
    const other = await run(
      runs,
      { seed: 5, train: { steps: 2 } },
      {
        onStep: () => void latestAt.push(readlink(join(runs, 'toy', 'latest'))),
      },
    );
    expect(await Promise.all(latestAt)).toEqual([other.id, other.id]);
    expect(await run(runs, {}, { resume: true })).toMatchObject({ id: stopped.id, status: 'finished', steps: 10 });
  });

  it.each([1, 2, 3, 5, 7, 9])(
    'a run killed in step %i resumes to the results of an uninterrupted run',
    async (step) => {
      const sections = { train: { steps: 9, checkpointEvery: 3 }, evaluators: [{ use: 'norm', every: 3 }] };
      const [runs, copies] = [newRuns(), newRuns()];
      // What a killed process leaves is what lies on the disk at some moment, but for its lock: this process lives.
      const filter = (file: string): boolean => !file.includes(LOCK_PREFIX);
      const whole = await run(runs, sections, {
        onStep: (done) => void (done === step && cpSync(runs, copies, { recursive: true, filter })),
      });
      const killed = join(copies, 'toy', whole.id);
      await writeFile(join(killed, 'metrics.jsonl'), '{"step":99,"lo', { flag: 'a' });
      const before = tf.memory().numTensors;
      const resumed = await run(copies, sections, { resume: true });
      expect(tf.memory().numTensors).toBe(before);
      expect(resumed).toMatchObject({ folder: killed, status: 'finished', steps: 9 });
      expect(await losses(killed)).toEqual(await losses(whole.folder));
      expect(await finalWeights(killed)).toEqual(await finalWeights(whole.folder));
      expect(resumed.evaluations.map(({ step: at, metrics }) => [at, metrics])).toEqual(
        whole.evaluations.map(({ step: at, metrics }) => [at, metrics]),
      );
    },
  );

  it('a resumed run catches up on evaluations that were missed after a checkpoint', async () => {
    const runs = newRuns();
    const failAt = (at?: number) => ({
      train: { steps: 6, checkpointEvery: 3 },
      evaluators: [{ use: 'norm', every: 3, failAt: at }],
    });
    await failureOf(run(runs, failAt(3)));
    events.length = 0;
    const resumed = await run(runs, failAt(), { resume: true });
    expect(events).toEqual(['norm 3', 'norm 6']);
    expect(resumed.evaluations.map(({ step }) => step)).toEqual([3, 6]);
  });

  it('resuming does not run the initializer', async () => {
    const runs = newRuns();
    const stopped = await run(runs, {}, stopAt(4));
    const config = join(stopped.folder, 'config.json');
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace('"use": "random"', '"use": "random", "spoil": "missing"'));
    expect(await run(runs, { initializer: { use: 'random', spoil: 'missing' } }, { resume: true })).toMatchObject({
      status: 'finished',
    });
  });

  it('resuming with another config is rejected with the changed keys', async () => {
    const runs = newRuns();
    await run(runs, {}, stopAt(4));
    const error = await failureOf(
      run(runs, { seed: 1, optimizer: { use: 'momentum', learningRate: 0.5 }, train: { steps: 8 } }, { resume: true }),
    );
    expect(error).toMatchObject({ code: 'run.changed', exitCode: 2 });
    expect(error.message).toContain(
      'seed (was 0, is 1), optimizer.learningRate (was 0.05, is 0.5), train.steps (was 10, is 8)',
    );
    expect(await run(runs, { train: { steps: 12, logEvery: 1 }, trackers: ['list'] }, { resume: true })).toMatchObject({
      steps: 12,
    });
  });

  it('resuming a missing, finished or running run is rejected', async () => {
    const runs = newRuns();
    expect((await failureOf(run(runs, {}, { resume: true }))).message).toMatch(
      /^Nothing to resume: there is no run in /,
    );
    const { id, folder } = await run(runs);
    expect((await failureOf(run(runs, {}, { resume: true }))).message).toContain(`is finished; there is ${id}`);
    const unknown = await failureOf(run(runs, {}, { resume: 'yesterday' }));
    expect(unknown).toMatchObject({ code: 'run.unknown', exitCode: 2 });
    expect(unknown.message).toContain(`There is no run "yesterday" in ${join(runs, 'toy')}; there is ${id}`);
    expect(await failureOf(run(runs, {}, { resume: id }))).toMatchObject({ code: 'run.finished' });
    const busy: Promise<unknown>[] = [];
    await run(
      runs,
      { seed: 2 },
      { onStep: (step) => void (step === 1 && busy.push(failureOf(run(runs, { seed: 2 }, { resume: true })))) },
    );
    expect(await busy[0]).toMatchObject({ code: 'run.busy' });
    expect(await run(runs, { train: { steps: 11 } }, { resume: id })).toMatchObject({ folder, steps: 11 });
  });
});
