import type { EvaluationRecord } from '@graft/core';
import { createHash } from 'node:crypto';
import { renderReport } from './page';
import type { RunData, Series } from './read-run';

const series = (metric: string, values: (number | null)[]): Series => ({
  metric,
  steps: values.map((_, i) => i + 1),
  tokens: values.map((_, i) => 10 * (i + 1)),
  seconds: values.map((_, i) => i + 1),
  values,
});
const evaluation = (evaluator: string, metrics: Record<string, number>, step = 2): EvaluationRecord => ({
  step,
  evaluator,
  metrics,
  seconds: 1,
});

function run(name: string, changes: Partial<RunData> = {}): RunData {
  return {
    folder: `/runs/${name}/1`,
    title: `${name}/1`,
    record: { name, id: '1', status: 'finished', createdAt: '', updatedAt: '', steps: 2, parameters: 1234567 },
    config: { name, seed: 3, objective: { use: 'prefix-lm' }, initializer: { use: 'adapt' } },
    training: [series('loss', [3, 2])],
    evaluated: [],
    evaluations: [],
    rows: new Map(),
    totals: { tokens: 20, seconds: 2, tokensPerSecond: 10 },
    ...changes,
  };
}

/** A row of a table by its heading, tags taken away. */
function row(page: string, heading: string): string[] {
  const found = page.split(/<tr[^>]*>/).find((one) => one.includes(`>${heading}</th>`));
  return (found ?? '').split(/<\/t[dh]>/).map((cell) => cell.replace(/<[^>]*>/g, '').trim());
}

test('names and configs of runs are escaped in the page', () => {
  const evil = '</script><script>alert(1)</script><b>';
  const page = renderReport([
    run('x', { title: evil, config: { name: evil }, record: { ...run('x').record, name: evil } }),
  ]);
  expect(page).not.toContain('<script>alert');
  expect(page).not.toContain('</script><b>');
  expect(page).toContain('&lt;/script&gt;&lt;script&gt;alert(1)');
});

test('the page requests no other file', () => {
  // The chart library's own text speaks of elements that it never makes here.
  const page = renderReport([run('x')]).replace(/<script>[\s\S]*?<\/script>/g, '');
  expect(page.match(/<(?:script|link|img)[^>]*(?:src|href)="(?!data:)/g)).toBeNull();
});

test('the best run is marked, with the direction of each metric', () => {
  const page = renderReport([
    run('a', {
      evaluations: [evaluation('heldOut', { loss: 9 }, 1), evaluation('heldOut', { loss: 2.5, tokens: 100 })],
    }),
    run('b', { evaluations: [evaluation('heldOut', { loss: 2.25, tokens: 100 })] }),
  ]);
  expect(row(page, 'a').slice(0, 4)).toEqual(['a', '2', '2.5000', '100']);
  expect(row(page, 'b').slice(0, 4)).toEqual(['b', '2', '2.2500 (best)', '100']);
});

test('grouped metrics become one column per group, and all values are in the details', () => {
  const numbers = (cb: number): Record<string, number> => ({
    'cb/accuracy': cb,
    'cb/f1': 0.1,
    'rte/accuracy': 0.5,
    mean: (cb + 0.5) / 2,
  });
  const page = renderReport([
    run('a', { evaluations: [evaluation('superglue', numbers(0.75), 0)] }),
    run('b', { evaluations: [evaluation('superglue', numbers(0.25), 0)] }),
  ]);
  expect(page).toContain('<caption>superglue: accuracy</caption>');
  expect(row(page, 'a').slice(0, 4)).toEqual(['a', '0.7500 (best)', '0.5000 (best)', '0.6250 (best)']);
  expect(row(page, 'b: cb').slice(0, 3)).toEqual(['b: cb', '0.25', '0.1']);
});

test('the page shows only the config keys that differ', () => {
  const config = (rate: number): Record<string, unknown> => ({
    seed: 3,
    optimizer: { use: 'adamw', learningRate: rate },
    versions: { node: String(rate) },
  });
  const page = renderReport([run('a', { config: config(0.1) }), run('b', { config: config(0.2) })]);
  expect(row(page, 'optimizer.learningRate').slice(0, 3)).toEqual(['optimizer.learningRate', '0.1', '0.2']);
  expect(page).not.toContain('>seed</th>');
  expect(page).not.toContain('>versions.node</th>');
});

test('a page of runs without metrics contains no chart library', () => {
  const page = renderReport([run('x', { training: [], evaluated: [] })]);
  expect(page).toContain('These runs have no metrics to draw.');
  expect(page.length).toBeLessThan(100_000);
});

test('a metric with one point appears only in the table', () => {
  const page = renderReport([
    run('x', {
      evaluations: [evaluation('heldOut', { loss: 2, perplexity: 7 })],
      evaluated: [series('heldOut/loss', [2]), series('heldOut/perplexity', [8, 7])],
    }),
  ]);
  expect(page).not.toContain('id="chart-heldOut-loss"');
  expect(page).toContain('id="chart-heldOut-perplexity"');
});

test('the policy of the page allows only its own scripts', () => {
  const page = renderReport([run('x')]);
  const allowed = /script-src ([^;]+);/.exec(page)![1].split(' ');
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script);
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  expect(allowed).toEqual(hashes);
  expect(scripts).toHaveLength(2);
});
