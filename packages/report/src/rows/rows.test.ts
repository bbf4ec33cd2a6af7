import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, temporaryFolder } from '@graft/test-support';
import type { RunData } from '../read-run';
import { changedRows, mcNemar } from './changed-rows';
import { readAnsweredRows, type AnsweredRow } from './read-rows';
import { changedRowsSection } from './section';

function folderWith(text: string, name = 'arc-easy.jsonl'): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'records'));
  writeFileSync(join(folder, 'records', name), text);
  return folder;
}

const line = (row: object): string => `${JSON.stringify({ prompt: 'Q', target: 'yes', ...row })}\n`;

test('rows are read by task: the choice with the largest likelihood, or the output', async () => {
  const choice = { id: 'a', set: 'easy', choices: [' no', ' yes'], logLikelihoods: [-2, -1], correct: 1 };
  const long = { id: 3, prompt: ['x'.repeat(900), 'end?'], output: 'y'.repeat(900), correct: false };
  const folder = folderWith(line(choice) + line(long) + line({ id: 'without a right answer' }));
  const rows = (await readAnsweredRows(folder)).get('arc-easy')!;
  expect(rows[0]).toEqual({ id: 'easy/a', correct: 1, prompt: 'Q', target: 'yes', answer: ' yes' });
  expect(rows[1]).toMatchObject({ id: '3', correct: 0 });
  expect(rows[1].prompt).toMatch(/^…x+ \| end\?$/);
  expect(rows[1].answer).toHaveLength(201);
  expect(rows).toHaveLength(2);
});

test('a run without records has no rows, and an incomplete last line is one that is being written', async () => {
  expect(await readAnsweredRows(temporaryFolder())).toEqual(new Map());
  const rows = await readAnsweredRows(folderWith(line({ id: 'a', correct: 1 }) + '{"id": "b", "cor'));
  expect(rows.get('arc-easy')).toHaveLength(1);
});

test('any other line that is not a row is named', async () => {
  const folder = folderWith(line({ id: 'a', correct: 1 }) + '{"id": "b"}\n');
  expect(await failureOf(readAnsweredRows(folder))).toMatchObject({
    code: 'report.records',
    message: `${join(folder, 'records', 'arc-easy.jsonl')} has no answered row in line 2.`,
  });
});

const row = (id: string, correct: number, answer = ''): AnsweredRow => ({
  id,
  correct,
  answer,
  prompt: `prompt of ${id}`,
  target: 't',
});
const run = (...rows: AnsweredRow[]): RunData => ({ rows: new Map([['arc-easy', rows]]) }) as unknown as RunData;

test('rows are compared by id with the first run that has answered the task', () => {
  const first = run(row('both', 1), row('lost', 1), row('gained', 0), row('neither', 0.4), row('only here', 1));
  const second = run(row('neither', 0), row('gained', 0.5), row('lost', 0), row('both', 1));
  const none = { rows: new Map() } as unknown as RunData;
  const [changes, ...more] = changedRows([none, first, second]);
  expect(more).toEqual([]);
  expect(changes).toMatchObject({ before: 1, after: 2, bothRight: 1, bothWrong: 1, unmatched: 1, pValue: 1 });
  expect(changes.lost.map(({ before }) => before.id)).toEqual(['lost']);
  expect(changes.gained.map(({ after }) => after.id)).toEqual(['gained']);
});

test("the p-value is that of SciPy's binomtest, also of many rows", () => {
  expect(mcNemar(3, 10)).toBeCloseTo(0.09228515625, 12);
  expect(mcNemar(5, 0)).toBeCloseTo(0.0625, 12);
  expect(mcNemar(800, 700)).toBeCloseTo(0.010559255466711506, 9);
  expect(mcNemar(0, 0)).toBe(1);
});

test('the section shows changed rows as text, and counts those it leaves out', () => {
  const ids = Array.from({ length: 30 }, (_, i) => `row ${i}`);
  const before = run(...ids.map((id) => row(id, 0, '<b>wrong</b>')));
  const after = run(...ids.map((id) => row(id, 1)));
  const html = changedRowsSection([before, after], ['small', 'large']);
  expect(html).toContain('arc-easy: small → large, 30 gained and 0 lost');
  expect(html).toContain('&lt;b&gt;wrong&lt;/b&gt;');
  expect(html).not.toContain('<b>wrong');
  expect(html).toContain('5 more are in the records');
  expect(html).toContain('&lt; 0.001');
  expect(changedRowsSection([before], ['small'])).toBe('');
});
