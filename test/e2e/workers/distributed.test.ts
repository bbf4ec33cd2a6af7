import { chmodSync, existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import {
  graft,
  graftSucceeds,
  metricsReach,
  readJson,
  readMetrics,
  runFolderOf,
  startGraft,
  write,
  type MetricsLine,
  type Outcome,
  type StartedCommand,
} from '../support/graft';
import { sharedProcess } from '../support/shared-process';
import { hasNativeLibrary, nativeTest, workerList } from '../support/workers';

const folder = temporaryFolder();
const STEPS = 6;

// Answers of all lengths: the halves of a batch differ in the labels that count.
const WORDS = ['a', 'grey', 'ultramarine blue', 'red', 'chartreuse, or so', 'b', 'teal', 'off-white', 'x', 'umber'];
write(
  join(folder, 'pairs.jsonl'),
  WORDS.map((answer, i) => JSON.stringify({ question: `colour ${i}?`, answer })).join('\n'),
);

/**
 * Workers of several hosts need the native library; local ones do not, and start faster without it. `threads`: where
 * data threads are not the subject, doing without saves every process the time to start one.
 */
const config = (name: string, train = '', engine: 'portable' | 'graph' = 'portable', threads = 0): string =>
  write(
    join(folder, `${name}.yaml`),
    `name: ${name}
model:
  vocabularySize: 260
  encoder: { layers: 2, hidden: 16, feedForward: 32, heads: 2 }
  decoder: { layers: 2, hidden: 16, feedForward: 32, heads: 2 }
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq, padToMultipleOf: 8 }
dataset: { use: jsonl, files: pairs.jsonl, source: question, target: answer, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01, clipNorm: 1 }
train: { steps: ${STEPS}, batchSize: 4, checkpointEvery: 3, loader: { threads: ${threads} }${train} }
engine: ${engine}
runs: ${folder}/runs
`,
  );

const alone = sharedProcess();

/** Workers are processes of their own; what one process does alone, and what is refused, is asked of one. */
const run = async (name: string, ...more: string[]): Promise<MetricsLine[]> => {
  const { graftSucceeds: succeeds } = more.includes('--local-workers') ? { graftSucceeds } : alone;
  return readMetrics(runFolderOf(await succeeds(['run', `${name}.yaml`, ...more], folder)));
};

function expectSameLosses(lines: readonly MetricsLine[], expected: readonly MetricsLine[]): void {
  expect(lines.map(({ step }) => step)).toEqual(expected.map(({ step }) => step));
  lines.forEach(({ loss, gradNorm }, i) => {
    expect(Math.abs(loss - expected[i].loss)).toBeLessThan(1e-5);
    expect(Math.abs(gradNorm / expected[i].gradNorm - 1)).toBeLessThan(1e-4);
  });
}

const SECRET = write(join(folder, 'secret'), 'known to both workers alone\n');
chmodSync(SECRET, 0o600);

/** What one worker of several hosts is started with. */
const member = (list: string, rank: number): string[] => [
  ...['--workers', list, '--rank', String(rank)],
  ...['--insecure-network', '--worker-secret-file', SECRET],
];

/** Worker 0 and worker 1, each started as on a machine of its own. */
async function twoWorkers(name: string, ...more: string[]): Promise<[StartedCommand, StartedCommand]> {
  const list = await workerList(2);
  const start = (rank: number): StartedCommand =>
    startGraft(['run', `${name}.yaml`, ...member(list, rank), ...more], folder);
  return [start(0), start(1)];
}

const runOf = (name: string): string => join(folder, 'runs', name, 'latest');

const test = nativeTest('runs over several workers');

describe('two workers', () => {
  let whole: MetricsLine[];
  beforeAll(async () => {
    config('whole');
    whole = await run('whole');
  });

  test('two workers with half of the batch each have the losses of one with the whole', async () => {
    config('halves', '', 'graph', 1);
    const outcome = await graftSucceeds(['run', 'halves.yaml', '--local-workers', '2'], folder);
    const lines = readMetrics(runFolderOf(outcome));
    expectSameLosses(lines, whole);
    expect(readJson(join(runFolderOf(outcome), 'run.json'))).toMatchObject({ status: 'finished', workers: 2 });
  });

  it('workers on one machine do not need the native library', async () => {
    config('portableHalves');
    expectSameLosses(await run('portableHalves', '--local-workers', '2'), whole);
  });

  it('dropout is the same as on one worker, in micro-batches too', async () => {
    // Rows that all workers pad to one length.
    const dropping = (name: string, train = ''): string =>
      write(
        join(folder, `${name}.yaml`),
        readFileSync(config(name, train), 'utf8')
          .replace('initializer:', '  dropout: 0.2\n  attentionDropout: 0.2\ninitializer:')
          .replace('padToMultipleOf: 8', 'padToMultipleOf: 32'),
      );
    dropping('dropping');
    dropping('droppingParts', ', microBatches: 2');
    const expected = await run('dropping');
    expect(Math.abs(expected[0].loss - whole[0].loss)).toBeGreaterThan(1e-4);
    expectSameLosses(await run('droppingParts'), expected);
    const outcome = await graftSucceeds(['run', 'droppingParts.yaml', '--local-workers', '2'], folder);
    expectSameLosses(readMetrics(runFolderOf(outcome)), expected);
  });

  it('two workers can shard the optimizer’s state, and one worker resumes their run', async () => {
    config('shares', ', shardOptimizer: true, averageDecay: 0.9, microBatches: 2');
    config('average', ', averageDecay: 0.9');
    const data =
      '{"use":"jsonl","files":"pairs.jsonl","source":"question","target":"answer","tokenizer":"bytes","repeat":false}';
    const half = ['--set', 'train.steps=3', '--set', `evaluators=[{"use":"loss","dataset":${data},"batchSize":5}]`];
    const first = await graftSucceeds(['run', 'shares.yaml', '--local-workers', '2', ...half], folder);
    const [, here, all] = /optimizer state ([\d,]+) of ([\d,]+) bytes here/.exec(first.stderr)!;
    const share = Number(here.replaceAll(',', '')) / Number(all.replaceAll(',', ''));
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
    expectSameLosses(await run('shares', '--resume'), whole);
    await run('average', ...half);
    const evaluations = ['shares', 'average'].map(
      (name) =>
        readJson<{ metrics: Record<string, number> }[]>(join(folder, 'runs', name, 'latest', 'evaluations.json'))[0]
          .metrics,
    );
    for (const [name, value] of Object.entries(evaluations[0])) expect(value).toBeCloseTo(evaluations[1][name], 4);
  });

  it('a slice of a batch may have only ignored labels, but not the whole batch', async () => {
    const lines = (learnt: (i: number) => boolean): string =>
      WORDS.map((answer, i) => JSON.stringify({ question: `colour ${i}?`, answer, weights: learnt(i) ? 1 : 0 })).join(
        '\n',
      );
    // Examples come in the order of the file: every other pair, so that each batch of four has a worker with nothing to learn.
    write(
      join(folder, 'some.jsonl'),
      lines((i) => i % 4 < 2),
    );
    write(
      join(folder, 'none.jsonl'),
      lines(() => false),
    );
    const dataset = (file: string): string[] => [
      '--set',
      `dataset={"use":"jsonl","files":"${file}.jsonl","source":"question","target":"answer","weights":"weights","tokenizer":"bytes","appendEos":false,"shuffle":false}`,
      '--set',
      'train.steps=2',
    ];
    config('some');
    config('some-alone');
    config('none');
    const expected = await run('some-alone', ...dataset('some'));
    expectSameLosses(await run('some', ...dataset('some'), '--local-workers', '2'), expected);
    const { status, stderr } = await graft(['run', 'none.yaml', ...dataset('none'), '--local-workers', '2'], folder);
    expect(status).toBe(1);
    expect(stderr).toMatch(/The batch for step 1: every label is -100 \(ignored\)/);
  });

  it('two workers resume a run of one worker with sharded state', async () => {
    config('one', ', averageDecay: 0.9');
    await run('one', '--set', 'train.steps=3');
    // What counts as exploding goes by the run's first loss, for the worker that has no file of it too: here 0.0001 * 1e6.
    const change = (name: string, from: RegExp, to: string): void => {
      const file = join(runOf('one'), name);
      const text = readFileSync(file, 'utf8');
      expect(text).toMatch(from);
      writeFileSync(file, text.replace(from, to));
    };
    change('metrics.jsonl', /"loss":[\d.]+/, '"loss":1e6');
    change('config.json', /"explodingLossFactor": 10\b/, '"explodingLossFactor": 0.0001');
    const more = ['--set', 'train.shardOptimizer=true', '--set', 'train.explodingLossFactor=0.0001'];
    const lines = await run('one', '--resume', '--local-workers', '2', ...more);
    expectSameLosses(lines.slice(1), whole.slice(1));
  });
});

describe('a worker that ends', () => {
  const LONG = ['--set', 'train.steps=100000'];

  async function timed(outcome: Promise<Outcome>): Promise<Outcome> {
    const began = performance.now();
    const result = await outcome;
    // What is promised to users.
    expect(performance.now() - began).toBeLessThan(30_000);
    return result;
  }

  test('a killed worker stops the other, and the run resumes without it', async () => {
    config('killed', '', 'graph');
    const [zero, one] = await twoWorkers('killed', ...LONG);
    await metricsReach(runOf('killed'), 12);
    one.child.kill('SIGKILL');
    const { status, stderr } = await timed(zero.done);
    expect(stderr).toMatch(/graft: Worker 1 \(127\.0\.0\.1:\d+\) was lost: its process has ended\b/);
    expect(stderr).toContain('--resume');
    expect(status).toBe(1);
    expect(readJson(join(runOf('killed'), 'run.json'))).toMatchObject({ status: 'failed' });
    // It was saved at the step that it had done; alone it goes on as it would have gone on.
    const before = readMetrics(realpathSync(runOf('killed')));
    const resumed = startGraft(['run', 'killed.yaml', '--resume', ...LONG], folder);
    await metricsReach(runOf('killed'), before.length + 3);
    resumed.child.kill('SIGINT');
    expect((await resumed.done).status).toBe(130);
    const after = readMetrics(realpathSync(runOf('killed')));
    config('unbroken', '', 'graph');
    const uninterrupted = startGraft(['run', 'unbroken.yaml', ...LONG], folder);
    await metricsReach(runOf('unbroken'), after.length);
    uninterrupted.child.kill('SIGKILL');
    await uninterrupted.done;
    const expected = readMetrics(realpathSync(runOf('unbroken'))).slice(0, after.length);
    // Later, rounding has had time to grow.
    expectSameLosses(after.slice(0, 20), expected.slice(0, 20));
    expect(after.length).toBe(expected.length);
  });

  test('the end of worker 0 stops the other worker', async () => {
    config('headless', '', 'graph');
    const [zero, one] = await twoWorkers('headless', ...LONG);
    await metricsReach(runOf('headless'), 2);
    zero.child.kill('SIGKILL');
    const { status, stderr } = await timed(one.done);
    expect(stderr).toMatch(/graft: Worker 0 \(127\.0\.0\.1:\d+\) was lost/);
    expect(status).toBe(1);
  });

  test('Ctrl-C on one worker stops both at the same step, with a checkpoint', async () => {
    config('stopped', '', 'graph');
    const [zero, one] = await twoWorkers('stopped', ...LONG);
    await metricsReach(runOf('stopped'), 3);
    one.child.kill('SIGINT');
    const outcomes = await Promise.all([zero.done, one.done]);
    expect(outcomes.map(({ status }) => status)).toEqual([130, 130]);
    const stopped = outcomes.map(({ stderr }) => /Stopped at step (\d+)/.exec(stderr)![1]);
    expect(stopped[0]).toBe(stopped[1]);
    const [own, others] = outcomes.map(({ stdout }) => stdout);
    expect(existsSync(join(own.trimEnd(), 'checkpoints', `step-${stopped[0]}`, 'manifest.json'))).toBe(true);
    expect(others).toBe('');
  });
});

describe('workers that do not fit together', () => {
  test('both workers refuse different configs and name the difference', async () => {
    config('misfit', '', 'graph');
    const list = await workerList(2);
    const start = (rank: number, batchSize: number): Promise<Outcome> =>
      graft(['run', 'misfit.yaml', ...member(list, rank), '--set', `train.batchSize=${batchSize}`], folder);
    for (const { status, stderr } of await Promise.all([start(0, 4), start(1, 8)])) {
      expect(stderr).toMatch(/Worker 1 \(.*\) has another config: train\.batchSize is 8, worker 0 has 4\./);
      expect(status).toBe(2);
    }
    expect(existsSync(join(folder, 'runs', 'misfit'))).toBe(false);
  });

  it('a batch that cannot be split evenly is refused before the run is created', async () => {
    config('odd');
    const { status, stderr } = await graft(
      ['run', 'odd.yaml', '--local-workers', '2', '--set', 'train.batchSize=3'],
      folder,
    );
    expect(stderr).toContain('graft: train.batchSize is 3, which 2 workers cannot share out evenly.');
    expect(status).toBe(2);
    expect(existsSync(join(folder, 'runs', 'odd'))).toBe(false);
  });

  test('the error names a worker that never arrives', async () => {
    config('lonely', '', 'graph');
    const list = await workerList(2);
    const { status, stderr } = await graft(['run', 'lonely.yaml', ...member(list, 0), '--worker-timeout', '1'], folder);
    expect(stderr).toContain(`graft: Worker 1 (${list.split(',')[1]}) did not come within 1 s.`);
    expect(status).toBe(1);
  });

  it('invalid options for workers are refused', async () => {
    const refused = async (...options: string[]): Promise<string> => {
      const { status, stderr } = await alone.graft(['run', 'whole.yaml', ...options], folder);
      expect(status).toBe(2);
      return stderr;
    };
    expect(await refused('--workers', 'a:1,b:2')).toContain('--workers and --rank belong together');
    expect(await refused('--workers', 'a:1,b:2', '--rank', '0', '--local-workers', '2')).toContain(
      'a group of its own',
    );
    if (!(await hasNativeLibrary())) return;
    expect(await refused(...member('a:1,b', 0))).toContain('"b" is not the address of a worker');
    expect(await refused(...member('a:1,b:2', 2))).toContain("Rank 2 is none of the 2 workers'");
  });
});
