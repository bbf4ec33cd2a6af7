import { evaluationTable } from './evaluation-table';

test('groups are rows, missing metrics are blank, and ungrouped metrics come in a table below', () => {
  const metrics = {
    'cb/accuracy': 0.75,
    'cb/f1': 0.5,
    'wic/accuracy': 2 / 3,
    'wic/learningRate': 0.00003,
    mean: 0.7083,
  };
  expect(evaluationTable(metrics).split('\n')).toEqual([
    '     accuracy  learningRate      f1',
    '---  --------  ------------  ------',
    'cb     0.7500                0.5000',
    'wic    0.6667       0.00003',
    '',
    '       value',
    '----  ------',
    'mean  0.7083',
  ]);
});

test('a metric that only some groups have keeps its column, and fractions keep their decimals', () => {
  const metrics = { 'a/accuracy': 1, 'a/examples': 80, 'b/accuracy': 0.5, 'b/f1': 0, 'b/examples': 90 };
  expect(evaluationTable(metrics).split('\n').slice(2)).toEqual([
    'a    1.0000            80',
    'b    0.5000   0        90',
  ]);
});

test('ungrouped metrics alone form one table', () => {
  expect(evaluationTable({ loss: 2.5, tokens: 640 }).split('\n').slice(2)).toEqual([
    'loss    2.5000',
    'tokens     640',
  ]);
});
