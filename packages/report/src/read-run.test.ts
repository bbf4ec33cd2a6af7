import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { readRun } from './read-run';

interface Files {
  record?: object;
  config?: object;
  metrics?: string;
  evaluations?: object[];
}

function runFolder({ record = {}, config = {}, metrics, evaluations }: Files = {}): string {
  const folder = join(temporaryFolder(), 'runs', 'small', 'one');
  mkdirSync(folder, { recursive: true });
  const put = (name: string, value: string | object): void =>
    writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
  const now = '2026-01-01T00:00:00.000Z';
  put('run.json', {
    name: 'small',
    id: 'one',
    status: 'finished',
    createdAt: now,
    updatedAt: now,
    steps: 2,
    ...record,
  });
  put('config.json', config);
  if (metrics !== undefined) put('metrics.jsonl', metrics);
  if (evaluations) put('evaluations.json', evaluations);
  return folder;
}

const line = (step: number, more: object = {}): string =>
  `${JSON.stringify({ step, loss: 4 / step, tokensPerSecond: 100, seconds: 0.5, waitSeconds: 0, ...more })}\n`;

test('a series has steps, tokens and seconds, and evaluations take theirs by step', async () => {
  const evaluations = [{ step: 2, evaluator: 'heldOut', metrics: { loss: 2.5 }, seconds: 1 }];
  const run = await readRun(runFolder({ metrics: line(1) + line(2), evaluations }));
  expect(run.title).toBe('small/one');
  expect(run.training).toEqual([
    { metric: 'loss', steps: [1, 2], tokens: [50, 100], seconds: [0.5, 1], values: [4, 2] },
    { metric: 'tokensPerSecond', steps: [1, 2], tokens: [50, 100], seconds: [0.5, 1], values: [100, 100] },
    { metric: 'stepSeconds', steps: [1, 2], tokens: [50, 100], seconds: [0.5, 1], values: [0.5, 0.5] },
  ]);
  expect(run.evaluated).toEqual([
    { metric: 'heldOut/loss', evaluator: 'heldOut', steps: [2], tokens: [100], seconds: [1], values: [2.5] },
  ]);
  expect(run.totals).toEqual({ tokens: 100, seconds: 1, tokensPerSecond: 100 });
});

test('samples and the time of a step are derived, and compiling is counted apart', async () => {
  const config = { train: { batchSize: 8 }, dataset: { use: 'text' } };
  const metrics = line(1, { seconds: 3, compileSeconds: 2.5 }) + line(2);
  const run = await readRun(runFolder({ config, metrics }));
  const valuesOf = (metric: string): readonly (number | null)[] | undefined =>
    run.training.find((series) => series.metric === metric)?.values;
  expect(run.samplesPerStep).toBe(8);
  expect(valuesOf('samplesPerSecond')).toEqual([8 / 3, 16]);
  expect(valuesOf('stepSeconds')).toEqual([0.5, 0.5]);
  expect(valuesOf('compileSeconds')).toBeUndefined();
  expect(run.training[0]).toMatchObject({ seconds: [3, 3.5], compileSeconds: [2.5, 2.5] });
  expect(run.totals).toMatchObject({ seconds: 3.5, compileSeconds: 2.5 });
});

test('data sets of ready batches have no number of samples', async () => {
  const config = { train: { batchSize: 8 }, dataset: { use: 'tensors' } };
  expect((await readRun(runFolder({ config, metrics: line(1) }))).samplesPerStep).toBeUndefined();
});

test('an evaluation at a step without a line of metrics has no tokens and seconds', async () => {
  const evaluations = [0, 2, 7].map((step) => ({ step, evaluator: 'a', metrics: { loss: 1 }, seconds: 1 }));
  const [series] = (await readRun(runFolder({ metrics: line(1) + line(2), evaluations }))).evaluated;
  expect([series.steps, series.tokens, series.seconds]).toEqual([
    [0, 2, 7],
    [0, 100, null],
    [0, 1, null],
  ]);
});

test('the name of a run resolves to its latest run', async () => {
  const folder = runFolder();
  const name = join(folder, '..');
  symlinkSync('one', join(name, 'latest'));
  expect((await readRun(name)).title).toBe('small/one');
});

test('without a latest link the run with the highest sequence number is the newest', async () => {
  const name = join(runFolder({ record: { sequence: 2 } }), '..');
  // Its id would come later, had the clock not gone back.
  mkdirSync(join(name, 'two'));
  const record = JSON.parse(readFileSync(join(name, 'one', 'run.json'), 'utf8')) as object;
  writeFileSync(join(name, 'two', 'run.json'), JSON.stringify({ ...record, id: 'two', sequence: 1 }));
  mkdirSync(join(name, 'zero'));
  writeFileSync(join(name, 'zero', 'run.json'), '{');
  expect((await readRun(name)).title).toBe('small/one');
});

test.each([
  ['[]', 'does not hold a JSON object'],
  ['{"name": 3}', 'is not the record of a run: "name": '],
])('a run.json with the content %s is rejected in one sentence that names the file', async (text, problem) => {
  const folder = runFolder();
  writeFileSync(join(folder, 'run.json'), text);
  await expect(readRun(folder)).rejects.toThrow(`${join(folder, 'run.json')} ${problem}`);
});

test('a partial last line, a null loss and a metric that starts late are accepted', async () => {
  const metrics = `${line(1, { loss: null })}${line(2, { extra: 7 })}{"step": 3, "lo`;
  const { training } = await readRun(runFolder({ metrics }));
  expect(training.find(({ metric }) => metric === 'loss')!.values).toEqual([null, 2]);
  expect(training.find(({ metric }) => metric === 'extra')!.values).toEqual([null, 7]);
});

test('a run without metrics and evaluations is read', async () => {
  const run = await readRun(runFolder());
  expect([run.training, run.evaluated, run.evaluations]).toEqual([[], [], []]);
  expect(run.totals).toEqual({ tokens: 0, seconds: 0, tokensPerSecond: undefined });
});

test('a long series is downsampled and keeps its spike', async () => {
  const metrics = Array.from({ length: 12_000 }, (_, i) => line(i + 1, { loss: i === 7_777 ? 99 : 1 })).join('');
  const [loss] = (await readRun(runFolder({ metrics }))).training;
  expect(loss.values.length).toBeLessThanOrEqual(2000);
  expect(loss.steps[loss.values.indexOf(99)]).toBe(7_778);
  expect(loss.steps.at(-1)).toBe(12_000);
});

test('a folder that is not a run is rejected with what was expected', async () => {
  const folder = temporaryFolder();
  await expect(readRun(folder)).rejects.toMatchObject({
    message: `${folder} is not a run: there is no run.json in it, nor in its "latest".`,
    exitCode: 2,
  });
  const broken = runFolder();
  writeFileSync(join(broken, 'config.json'), '{');
  await expect(readRun(broken)).rejects.toThrow(/config\.json does not hold JSON/);
});

test('secrets in the clear in runs of earlier versions are masked', async () => {
  const folder = runFolder({
    record: { status: 'failed', error: 'No answer of https://ann:pw@example.org.' },
    config: {
      dataset: { use: 'text', address: 'https://ann:pw@example.org/x?sig=8fa', padToken: '<pad>' },
      trackers: [{ use: 'mlflow', token: 'abc', password: { env: 'PASSWORD' } }],
    },
  });
  const { config, record } = await readRun(folder);
  expect(record.error).toBe('No answer of https://***@example.org.');
  expect(config).toEqual({
    dataset: { use: 'text', address: 'https://***@example.org/x?sig=***', padToken: '<pad>' },
    trackers: [{ use: 'mlflow', token: '***', password: { env: 'PASSWORD' } }],
  });
});
