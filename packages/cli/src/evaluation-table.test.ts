import { evaluationTable } from './evaluation-table';

test('groups are rows, what a group lacks is blank, and numbers without a group come below', () => {
  const metrics = {
    'cb/accuracy': 0.75,
    'cb/f1': 0.5,
    'wic/accuracy': 2 / 3,
    'wic/learningRate': 0.00003,
    mean: 0.7083,
  };
  expect(evaluationTable(metrics).split('\n')).toEqual([
    '     accuracy      f1  learningRate',
    '---  --------  ------  ------------',
    'cb     0.7500  0.5000',
    'wic    0.6667               0.00003',
    '',
    '       value',
    '----  ------',
    'mean  0.7083',
  ]);
});

test('numbers without groups are a table of their own', () => {
  expect(evaluationTable({ loss: 2.5, tokens: 640 }).split('\n').slice(2)).toEqual([
    'loss    2.5000',
    'tokens     640',
  ]);
});
