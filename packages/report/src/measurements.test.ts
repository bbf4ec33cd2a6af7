import { charts } from './charts';
import { differingCounts, measurements } from './measurements';
import type { RunData, Series } from './read-run';
import { evaluationTables } from './tables';

const heldOut = { use: 'loss', name: 'heldOut', every: 10, batches: 4, dataset: { use: 'text', files: '/a.txt' } };

function run(name: string, config: Record<string, unknown>, metrics: Record<string, number> = { loss: 2 }): RunData {
  const series = Object.entries(metrics).map(([metric, value]): Series => ({
    metric: `heldOut/${metric}`,
    evaluator: 'heldOut',
    steps: [1, 2],
    tokens: [10, 20],
    seconds: [1, 2],
    values: [value + 1, value],
  }));
  return {
    folder: `/runs/${name}/1`,
    title: `${name}/1`,
    record: { name, id: '1', status: 'finished', createdAt: '', updatedAt: '', steps: 2 },
    config: { objective: { use: 'prefix-lm' }, evaluators: [heldOut], ...config },
    training: [{ ...series[0], metric: 'loss', evaluator: undefined }],
    evaluated: series,
    evaluations: [{ step: 2, evaluator: 'heldOut', metrics, seconds: 1 }],
    rows: new Map(),
    totals: { tokens: 20, seconds: 2 },
  };
}

const titlesOf = (...runs: RunData[]): string[] => measurements(runs).map(({ title }) => title);

test('evaluations with the same section are one measurement, however often and under which name they run', () => {
  const other = run('b', { evaluators: [{ ...heldOut, every: 5, batches: 4 }] });
  expect(titlesOf(run('a', {}), other)).toEqual(['heldOut']);
  const renamed = run('c', { evaluators: [{ ...heldOut, name: 'validation' }] });
  const renamedRecord = { ...renamed.evaluations[0], evaluator: 'validation' };
  expect(titlesOf(run('a', {}), { ...renamed, evaluations: [renamedRecord] })).toEqual(['heldOut, validation']);
});

test('evaluations of different data, or of different objectives of the runs, are kept apart and say so', () => {
  const otherData = run('b', { evaluators: [{ ...heldOut, dataset: { use: 'text', files: '/b.txt' } }] });
  expect(titlesOf(run('a', {}), otherData)).toEqual([
    'heldOut (dataset.files /a.txt)',
    'heldOut (dataset.files /b.txt)',
  ]);
  expect(titlesOf(run('a', {}), run('b', { objective: { use: 'ul2' } }))).toEqual([
    'heldOut (objective.use prefix-lm)',
    'heldOut (objective.use ul2)',
  ]);
});

test('the training objective does not count where the evaluator names its own, or uses none', () => {
  const own = { evaluators: [{ ...heldOut, objective: { use: 'causal-lm' } }] };
  expect(titlesOf(run('a', own), run('b', { ...own, objective: { use: 'ul2' } }))).toHaveLength(1);
  const benchmark = { evaluators: [{ use: 'superglue', name: 'heldOut', data: '/data' }] };
  expect(titlesOf(run('a', benchmark), run('b', { ...benchmark, objective: { use: 'ul2' } }))).toHaveLength(1);
});

test('no winner is marked across different data or objectives', () => {
  const both = [run('a', {}, { loss: 2 }), run('b', { objective: { use: 'ul2' } }, { loss: 1 })];
  const html = evaluationTables(both, ['a', 'b']).join('');
  expect(html).not.toContain('class="number best"');
  expect(html).toContain('their numbers do not compare');
  const same = [run('a', {}, { loss: 2 }), run('b', {}, { loss: 1 })];
  expect(evaluationTables(same, ['a', 'b']).join('')).toContain('class="number best"');
});

test('runs that were measured on different numbers of tokens have no winner, and the reader is informed', () => {
  const runs = [run('a', {}, { loss: 2, tokens: 100 }), run('b', {}, { loss: 1, tokens: 120 })];
  expect(differingCounts(measurements(runs)[0].members)).toEqual({ least: 100, most: 120 });
  const html = evaluationTables(runs, ['a', 'b']).join('');
  expect(html).not.toContain('class="number best"');
  expect(html).toContain('measured on 100 to 120 tokens or examples');
});

test('curves of different measurements have charts of their own, with ids of their own', () => {
  const all = charts([run('a', {}), run('b', { objective: { use: 'ul2' } })], ['a', 'b']);
  expect(all.map(({ id, title, lines }) => [id, title, lines.length])).toEqual([
    ['chart-loss', 'Training loss', 2],
    ['chart-heldOut-loss', 'heldOut (objective.use prefix-lm): loss', 1],
    ['chart-heldOut-loss-2', 'heldOut (objective.use ul2): loss', 1],
  ]);
});

test('a unit is shown only if it is that of every line drawn', () => {
  const unitOf = (...runs: RunData[]): unknown[] => {
    const [{ unit, note }] = charts(runs, ['a', 'b']);
    return [unit, note];
  };
  const differ = 'The runs have different objectives, so their losses do not compare.';
  expect(unitOf(run('a', {}))).toEqual(['nats per target token', undefined]);
  expect(unitOf(run('a', {}), run('b', { objective: { use: 'ul2' } }))).toEqual(['nats per target token', differ]);
  expect(unitOf(run('a', {}), run('b', { objective: { use: 'prefix-lm', zLoss: 0.1 } }))).toEqual([undefined, differ]);
  expect(unitOf(run('a', { objective: { use: 'contrastive' } }))).toEqual([undefined, undefined]);
});

test('panels whose lines have no point are not drawn', () => {
  const empty = run('a', {});
  const training = [...empty.training, { ...empty.training[0], metric: 'auxLoss', values: [null, null] }];
  expect(charts([{ ...empty, training }], ['a']).map(({ id }) => id)).not.toContain('chart-auxLoss');
});

test('memory in GiB and processor use have a part of the page, with the lines of the runs that recorded them', () => {
  const [earlier, later] = [run('a', {}), run('b', {})];
  const add = (metric: string, values: number[]): RunData['training'][number] => ({
    ...later.training[0],
    metric,
    values,
  });
  const training = [
    ...later.training,
    add('residentMemoryBytes', [2 ** 30, 3 * 2 ** 29]),
    add('cpuCores', [1.5, 1.75]),
    add('tokensPerSecond', [10, 20]),
  ];
  const all = charts([earlier, { ...later, training }], ['a', 'b']);
  expect(
    all.slice(-3).map(({ id, section, unit, lines }) => [id, section, unit, lines.map(({ run: name }) => name)]),
  ).toEqual([
    ['chart-tokensPerSecond', 'speed', 'tokens per second', ['b']],
    ['chart-residentMemoryBytes', 'hardware', 'GiB', ['b']],
    ['chart-cpuCores', 'hardware', 'cores busy, on average over a step', ['b']],
  ]);
  expect(all.find(({ id }) => id === 'chart-residentMemoryBytes')!.lines[0].values).toEqual([1, 1.5]);
  expect(charts([earlier], ['a']).map(({ section }) => section)).not.toContain('hardware');
});
