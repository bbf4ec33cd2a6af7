import { readdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import {
  metricsReach,
  readJson,
  readMetrics,
  runFolderOf,
  startGraft,
  write,
  type MetricsLine,
  tinyTextConfig,
} from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const losses = (lines: readonly MetricsLine[]): number[] => lines.map(({ loss }) => loss);

const runOf = (name: string): string => join(folder, 'runs', name, 'latest');

/** Long enough to be caught in the middle. */
const LONG_STEPS = 150;
const longConfig = (name: string): string =>
  `${tinyTextConfig(name, `steps: ${LONG_STEPS}, checkpointEvery: 20`)}engine: portable
`;

write(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(800));

describe('a run on the default engine', () => {
  const config = write(join(folder, 'short.yaml'), tinyTextConfig('short', 'steps: 10, precision: float32'));
  let run: string;

  beforeAll(async () => {
    const outcome = await graftSucceeds(['run', config], folder);
    run = runFolderOf(outcome);
    expect(outcome.stdout).toBe(`${run}\n`);
  });

  it('the metrics have a line for each step', () => {
    const lines = readMetrics(run);
    expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const line of lines) {
      expect(line.learningRate).toBe(0.001);
      expect(line.tokensPerSecond).toBeGreaterThan(0);
    }
    expect(lines[9].loss).toBeLessThan(lines[0].loss);
  });

  it('the metrics report which steps were compiled, and how long that took', () => {
    const lines = readMetrics(run);
    expect(lines.filter(({ compileSeconds }) => compileSeconds !== undefined).map(({ step }) => step)).toEqual([1]);
    expect(lines[0].compileSeconds).toBeGreaterThan(0);
  });

  it('the run folder has the files that tools read', () => {
    expect(realpathSync(runOf('short'))).toBe(realpathSync(run));
    expect(readJson(join(run, 'run.json'))).toMatchObject({ status: 'finished', steps: 10 });
    const written = readJson<Record<string, unknown>>(join(run, 'config.json'));
    expect(written).toMatchObject({
      seed: 0,
      schedule: { use: 'constant' },
      train: { steps: 10, precision: 'float32' },
    });
    expect(readdirSync(join(run, 'checkpoints'))).toEqual(['step-10']);
    expect(readdirSync(join(run, 'checkpoints', 'step-10'))).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors']),
    );
  });

  it('a finished run is not resumed', async () => {
    const finished = await graft(['run', config, '--resume'], folder);
    expect(finished).toMatchObject({ status: 2, stdout: '' });
    expect(finished.stderr).toMatch(/^graft: Nothing to resume: .*finished/);
  });
});

describe('a run that is stopped', () => {
  let whole: MetricsLine[];

  beforeAll(async () => {
    write(join(folder, 'whole.yaml'), longConfig('whole'));
    whole = readMetrics(runFolderOf(await graftSucceeds(['run', 'whole.yaml'], folder)));
    expect(whole).toHaveLength(LONG_STEPS);
  });

  it('Ctrl-C saves a checkpoint and exits with 130, and --resume gives the same losses', async () => {
    write(join(folder, 'stopped.yaml'), longConfig('stopped'));
    const { child, done } = startGraft(['run', 'stopped.yaml'], folder);
    await metricsReach(runOf('stopped'), 5);
    child.kill('SIGINT');
    const stopped = await done;
    expect(stopped.status).toBe(130);
    const run = runFolderOf(stopped);
    const { status, steps } = readJson<{ status: string; steps: number }>(join(run, 'run.json'));
    expect(status).toBe('interrupted');
    expect(steps).toBeLessThan(LONG_STEPS);
    expect(readdirSync(join(run, 'checkpoints'))).toContain(`step-${steps}`);

    const resumed = await graftSucceeds(['run', 'stopped.yaml', '--resume'], folder);
    expect(runFolderOf(resumed)).toBe(run);
    expect(losses(readMetrics(run))).toEqual(losses(whole));
  });

  it('a run that was killed resumes from its last checkpoint with the same losses', async () => {
    write(join(folder, 'killed.yaml'), longConfig('killed'));
    const { child, done } = startGraft(['run', 'killed.yaml'], folder);
    await metricsReach(runOf('killed'), 30);
    child.kill('SIGKILL');
    expect((await done).status).toBeNull();
    const run = realpathSync(runOf('killed'));
    expect(readMetrics(run).length).toBeLessThan(LONG_STEPS);
    const id = run.split('/').pop()!;

    const resumed = await graftSucceeds(['run', 'killed.yaml', '--resume', id], folder);
    expect(realpathSync(runFolderOf(resumed))).toBe(run);
    expect(losses(readMetrics(run))).toEqual(losses(whole));
    rmSync(join(folder, 'runs'), { recursive: true });
  });
});
