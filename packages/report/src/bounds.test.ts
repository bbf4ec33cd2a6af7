import { GraftError } from '@graft/core';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { renderReport } from './page';
import { readRun } from './read-run';

const RECORD = { name: 'small', id: 'one', status: 'finished', steps: 2, createdAt: '', updatedAt: '' };

/** A run's folder; texts are written as they are. */
function runFolder(files: Readonly<Record<string, unknown>> = {}): string {
  const folder = join(temporaryFolder(), 'runs', 'small', 'one');
  mkdirSync(folder, { recursive: true });
  const usual = { 'run.json': RECORD, 'config.json': {} };
  for (const [name, value] of Object.entries({ ...usual, ...files }))
    writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));
  return folder;
}

const evaluation = (metrics: unknown): object => ({ step: 1, evaluator: 'heldOut', metrics, seconds: 1 });
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const many = (count: number, value: unknown): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, value]));

it.each<[string, Record<string, unknown>, RegExp]>([
  ['a record that is a list', { 'run.json': [] }, /run\.json does not hold a JSON object/],
  [
    'a name that is not a text',
    { 'run.json': { ...RECORD, name: {} } },
    /run\.json is not the record of a run: "name": /,
  ],
  [
    'an error that is not a text',
    { 'run.json': { ...RECORD, error: { a: 1 } } },
    /run\.json is not the record of a run: "error": /,
  ],
  ['a record of megabytes', { 'run.json': ' '.repeat(2 ** 21) }, /run\.json cannot be read: it has 2\.0 MiB/],
  ['a config that is a number', { 'config.json': 7 }, /config\.json is not what a run writes/],
  ['a config of many levels', { 'config.json': deep(100) }, /more than 64 objects and lists within each other/],
  [
    'a config of more levels',
    { 'config.json': deep(100_000) },
    /config\.json does not hold JSON: it has more than 500/,
  ],
  ['evaluations without metrics', { 'evaluations.json': [{ step: 1, evaluator: 'a' }] }, /: 0\.metrics: /],
  ['a metric that is a text', { 'evaluations.json': [evaluation({ loss: '1' })] }, /: 0\.metrics\.loss: /],
  [
    'a million evaluations',
    { 'evaluations.json': Array.from({ length: 100_001 }, () => 0) },
    /it has 100001 evaluations; a report shows at most 100000/,
  ],
  ['thousands of metrics', { 'evaluations.json': [evaluation(many(3000, 1))] }, /it has 3000 different metrics/],
  ['metrics that are a list', { 'metrics.jsonl': '[1]\n' }, /metrics\.jsonl has no metrics of a step in line 1\./],
  ['metrics without a step', { 'metrics.jsonl': '{"step":1}\n{"loss":1}\n' }, /in line 2\./],
  ['a loss that is an object', { 'metrics.jsonl': '{"step":1,"loss":{}}\n' }, /in line 1\./],
  ['half a line in the middle', { 'metrics.jsonl': '{"step":1}\n{"ste\n{"step":3}\n' }, /in line 2\./],
  ['a line of megabytes', { 'metrics.jsonl': `{"step":1}\n${' '.repeat(2 ** 21)}` }, /1,048,576 bytes in line 2\./],
  [
    'thousands of metrics of training',
    { 'metrics.jsonl': JSON.stringify({ step: 1, ...many(2000, 1) }) },
    /more than 1000 metrics/,
  ],
])('a report rejects %s', async (_, files, message) => {
  const reading = readRun(runFolder(files));
  await expect(reading).rejects.toBeInstanceOf(GraftError);
  await expect(reading).rejects.toThrow(message);
});

it('a report rejects gigabytes of metrics before reading them', async () => {
  const folder = runFolder({ 'metrics.jsonl': '' });
  truncateSync(join(folder, 'metrics.jsonl'), 2 ** 31);
  await expect(readRun(folder)).rejects.toThrow(/metrics\.jsonl has 2147483648 bytes; a report reads at most/);
});

it('a report rejects a device in place of the metrics', async () => {
  const folder = runFolder();
  symlinkSync('/dev/zero', join(folder, 'metrics.jsonl'));
  await expect(readRun(folder)).rejects.toThrow(/metrics\.jsonl cannot be read: it is a device/);
});

it('a report shows HTML in names, errors and configs as text', async () => {
  const html = '</script><script>alert(1)</script><img src=x onerror="alert(1)">';
  const folder = runFolder({
    'run.json': { ...RECORD, name: html, id: html, error: html },
    'config.json': { [html]: html, objective: { use: html }, initializer: { use: { html } }, seed: html },
    'evaluations.json': [1, 2].map((step) => ({ ...evaluation({ [html]: step }), evaluator: html, step })),
    'metrics.jsonl': `${JSON.stringify({ step: 1, [html]: 1 })}\n`,
  });
  const page = renderReport([await readRun(folder)]);
  expect(page).not.toContain('<script>alert');
  expect(page).not.toContain('<img src=x');
});

it('a report draws at most as many points of evaluations as of training', async () => {
  const evaluations = Array.from({ length: 10_000 }, (_, step) => ({ ...evaluation({ loss: step }), step }));
  const { evaluated } = await readRun(runFolder({ 'evaluations.json': evaluations }));
  expect(evaluated[0].values.length).toBeLessThanOrEqual(2000);
  expect(evaluated[0].values.at(-1)).toBe(9999);
});
