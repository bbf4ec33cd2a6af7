import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EvaluationRecord } from '@graft/core';
import { ROOT, temporaryFolder } from '../../support';
import { readJson } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const latest = join(folder, 'runs', 'evaluation', 'latest');
const command = ['evaluate', join(folder, 'evaluation.yaml')];

beforeAll(async () => {
  const source = join(ROOT, 'examples', 'evaluation');
  cpSync(source, folder, { recursive: true, filter: (path) => path !== join(source, 'runs') });
  await graftSucceeds([...command, '--set', `evaluators.0.answers=${join(folder, 'answers')}`], folder);
});

test('the example asks two benchmarks, generates, and measures latency and cost', () => {
  const numbers = Object.fromEntries(
    readJson<EvaluationRecord[]>(join(latest, 'evaluations.json')).map(({ evaluator, metrics }) => [
      evaluator,
      metrics,
    ]),
  );
  expect(numbers.benchmarks).toMatchObject({ 'boolq/rows': 3, 'gsm8k/rows': 3 });
  expect(numbers.generate).toMatchObject({ rows: 4, newTokens: 16 });
  expect(numbers.latency).toMatchObject({ 'batch1.inputTokens': 32 });
  expect(numbers.cost['all/flops']).toBeGreaterThan(numbers.cost['token/flops']);
});

test('every row and every output is in the run folder', () => {
  const lines = (...path: string[]): Record<string, unknown>[] =>
    readFileSync(join(latest, ...path), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines('records', 'boolq.jsonl')[0]).toMatchObject({
    prompt: expect.stringMatching(/^The lake -- .*\nQuestion: can people .*\?\nAnswer:$/s) as string,
    choices: [' no', ' yes'],
    target: ['yes'],
  });
  expect(lines('records', 'gsm8k.jsonl')).toHaveLength(3);
  const [samples] = readdirSync(join(latest, 'samples')).filter((name) => name.endsWith('.jsonl'));
  expect(lines('samples', samples)).toHaveLength(4);
});
