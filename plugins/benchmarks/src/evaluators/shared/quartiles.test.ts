import { quartiles } from './quartiles';

test('quartiles are those of numpy.percentile', () => {
  expect(quartiles([7])).toEqual({ q1: 7, median: 7, q3: 7 });
  expect(quartiles([4, 1, 3, 2])).toEqual({ q1: 1.75, median: 2.5, q3: 3.25 });
  expect(quartiles([10, 20, 30, 40, 50, 60])).toEqual({ q1: 22.5, median: 35, q3: 47.5 });
});
