import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, runFolderOf, startGraft, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const made = join(folder, 'made');

interface Evaluation {
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Readonly<Record<string, number>>;
}

const evaluations = (run: string): Evaluation[] => readJson(join(run, 'evaluations.json'));

function config(name: string, options: string, more = ''): string {
  return write(
    join(folder, `${name}.yaml`),
    `name: ${name}
engine: graph
model:
  kind: encoder-decoder
  vocabularySize: 259
  decoder: { layers: 1, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }
initializer: { use: scratch, std: 0.1 }
evaluators:
  - { use: superglue, folder: made, tokenizer: bytes, maxTokens: 192, batchSizes: [8], epochs: 2, dropouts: [0], ${options} }
runs: runs
${more}`,
  );
}

beforeAll(async () => {
  const { stdout } = await graftSucceeds(
    ['data', 'make', 'superglue', '--out', made, '--train-rows', '24', '--val-rows', '12'],
    folder,
  );
  expect(stdout).toBe(`${made}\n`);
});

test('the synthetic benchmark has the files of the real one, and is not overwritten', async () => {
  expect(readdirSync(made).sort()).toEqual(['BoolQ', 'CB', 'COPA', 'MultiRC', 'RTE', 'ReCoRD', 'WSC', 'WiC']);
  for (const task of readdirSync(made))
    expect(readdirSync(join(made, task)).sort()).toEqual(['train.jsonl', 'val.jsonl']);
  const { status, stderr } = await graft(['data', 'make', 'superglue', '--out', made], folder);
  expect(status).toBe(2);
  expect(stderr).toContain(`${made} exists already`);
});

test('all eight tasks are fine-tuned and scored, with the mean of seven and ReCoRD apart', async () => {
  const outcome = await graftSucceeds(['evaluate', config('all', 'learningRates: [0.001]')], folder);
  const run = runFolderOf(outcome);
  const [{ step, evaluator, metrics }] = evaluations(run);
  expect({ step, evaluator }).toEqual({ step: 0, evaluator: 'superglue' });
  const seven = ['copa', 'wic', 'wsc', 'rte', 'multirc', 'cb', 'boolq'].map((task) => metrics[`${task}/accuracy`]);
  expect(metrics.mean).toBeCloseTo(seven.reduce((sum, value) => sum + value, 0) / 7, 12);
  expect(metrics['record/accuracy']).toBeGreaterThanOrEqual(0);
  expect(outcome.stdout).toMatch(/^record +[\d.]+ /m);
  expect(outcome.stdout).toContain(`mean  ${metrics.mean.toFixed(4)}`);
  expect(readJson<object>(join(run, 'run.json'))).toMatchObject({ kind: 'evaluation', status: 'finished' });
});

test('mode leaderboard scores all eight tasks in words, and writes a submission with the diagnostic sets', async () => {
  const [own, names] = [join(folder, 'tested'), ['BoolQ', 'CB', 'COPA', 'MultiRC', 'ReCoRD', 'RTE', 'WiC', 'WSC']];
  const rows = ['--train-rows', '6', '--val-rows', '2', '--test-rows', '2'];
  await graftSucceeds(['data', 'make', 'superglue', '--out', own, ...rows], folder);
  // Smaller than the example, which has a grid of one point, too.
  const changed = [`evaluators.0.folder=${own}`, 'evaluators.0.trainRows=3', 'evaluators.0.epochs=1'];
  const others = ['evaluators.0.seeds=2', 'engine=graph', `runs=${join(folder, 'runs')}`];
  const sets = [...changed, ...others].flatMap((option) => ['--set', option]);
  const file = join(ROOT, 'examples', 'superglue-leaderboard.yaml');
  const outcome = await graftSucceeds(['evaluate', file, ...sets], folder);
  const run = runFolderOf(outcome);
  const [{ metrics }] = evaluations(run);
  const scores = names.map((name) => metrics[`${name.toLowerCase()}/score`]);
  expect(metrics.mean).toBeCloseTo(scores.reduce((sum, value) => sum + value, 0) / 8, 12);
  expect(Object.keys(metrics)).toEqual(expect.arrayContaining(['axb/matthews', 'axg/parity', 'record/f1', 'meanLow']));
  const submission = join(run, 'submission');
  expect(readdirSync(submission).sort()).toEqual(['AX-b', 'AX-g', ...names].map((name) => `${name}.jsonl`).sort());
  for (const name of readdirSync(submission)) {
    const lines = readFileSync(join(submission, name), 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(name === 'AX-g.jsonl' ? 4 : 2);
    for (const line of lines) expect(Object.keys(JSON.parse(line) as object)[0]).toBe('idx');
  }
});

test('Ctrl-C keeps the finished fine-tunings, and --resume does the others', async () => {
  const file = config('broken', 'tasks: [rte], learningRates: [0.001, 0.002, 0.003]');
  const { child, done } = startGraft(['evaluate', file], folder);
  let sent = false;
  child.stderr!.on('data', (part: Buffer) => {
    if (sent || !part.toString().includes('accuracy by epoch')) return;
    sent = true;
    child.kill('SIGINT');
  });
  const { status, stderr } = await done;
  expect(stderr).toContain('Stopped before the end; continue with --resume');
  expect(status).toBe(130);
  const [id] = readdirSync(join(folder, 'runs', 'broken')).filter((name) => name !== 'latest');
  const trials = join(folder, 'runs', 'broken', id, 'superglue');
  const kept = readdirSync(trials).map((name) => [name, statSync(join(trials, name)).mtimeMs] as const);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThan(3);

  const run = runFolderOf(await graftSucceeds(['evaluate', '--resume', file], folder));
  expect(run.endsWith(id)).toBe(true);
  expect(evaluations(run)[0].metrics).toHaveProperty('partialMean');
  expect(readdirSync(trials)).toHaveLength(3);
  for (const [name, time] of kept) expect(statSync(join(trials, name)).mtimeMs).toBe(time);
});

test('the evaluators of a training config can evaluate another checkpoint', async () => {
  const training = `objective: prefix-lm
dataset: { use: text, files: made/CB/*.jsonl, tokenizer: bytes, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 2, batchSize: 2 }
`;
  const file = config('trained', 'tasks: [rte], learningRates: [0.001]', training);
  const run = runFolderOf(await graftSucceeds(['run', file, '--set', 'evaluators=[]'], folder));
  const checkpoint = join(run, 'checkpoints', 'step-2');
  const evaluated = runFolderOf(await graftSucceeds(['evaluate', file, '--checkpoint', checkpoint], folder));
  expect(evaluated).toContain(join('runs', 'trained-evaluation'));
  expect(readJson<{ initializer: object }>(join(evaluated, 'config.json')).initializer).toMatchObject({
    use: 'load',
    path: checkpoint,
  });
});

test.each<[string, string, RegExp]>([
  ['a missing folder', 'tasks: [cb], folder: nowhere', /nowhere.CB.train\.jsonl cannot be read/],
  ['an unknown task', 'tasks: [glue]', /evaluators\.0\.tasks\.0: .*"glue"/],
  [
    'a text that is too long',
    'tasks: [copa], maxTokens: 40',
    /COPA.train\.jsonl:1 \(idx 0\) takes \d+ tokens, but maxTokens is 40, and its task has no passage to shorten\./,
  ],
])('%s is refused in one sentence with exit 2', async (_, options, message) => {
  const base = config('wrong', 'learningRates: [0.001]');
  const sets = options.split(/, (?=\w+:)/).flatMap((option) => {
    const [key, value] = option.split(': ');
    return ['--set', `evaluators.0.${key}=${value}`];
  });
  const { status, stderr } = await graft(['evaluate', base, ...sets], folder);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(status).toBe(2);
});
