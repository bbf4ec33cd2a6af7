import { didYouMean, nearest } from './suggest';

test.each([
  ['learningrate', ['learningRate', 'betas'], 'learningRate'],
  ['ADAMW', ['adamw', 'sgd'], 'adamw'],
  ['cosin', ['constant', 'cosine'], 'cosine'],
  ['ues', ['use'], 'use'],
  ['x', ['of', 'y'], undefined],
  ['something else', ['use'], undefined],
  ['use', [], undefined],
])('the nearest name to %s in %j is %s', (name, known, expected) => {
  expect(nearest(name, known)).toBe(expected);
  expect(didYouMean(name, known)).toBe(expected === undefined ? '' : `; did you mean "${expected}"?`);
});
