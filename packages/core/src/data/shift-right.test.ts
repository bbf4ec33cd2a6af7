import type { HostArray } from '../interfaces';
import { shiftRight } from './shift-right';

const rows = (values: number[][]): HostArray => ({
  dtype: 'int32',
  shape: [values.length, values[0].length],
  values: Int32Array.from(values.flat()),
});

test('decoder inputs are the labels, one to the right behind the start token, with pad for ignored ones', () => {
  expect(shiftRight(rows([[7, 8, 1, -100, -100]]), 2, 0)).toEqual(rows([[2, 7, 8, 1, 0]]));
  expect(shiftRight(rows([[7, -100, 8]]), 2, 0)).toEqual(rows([[2, 7, 0]]));
  expect(
    shiftRight(
      rows([
        [5, 6],
        [7, 1],
      ]),
      2,
      0,
    ),
  ).toEqual(
    rows([
      [2, 5],
      [2, 7],
    ]),
  );
});

test('each segment begins with a start token of its own, and padding behind the last one stays padding', () => {
  expect(shiftRight(rows([[5, 1, 6, 1, -100]]), 2, 0, rows([[1, 1, 2, 2, 0]]))).toEqual(rows([[2, 5, 2, 6, 0]]));
});
