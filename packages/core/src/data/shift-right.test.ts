import type { HostArray } from '../interfaces';
import { shiftRight } from './shift-right';

const rows = (values: number[][]): HostArray => ({
  dtype: 'int32',
  shape: [values.length, values[0].length],
  values: Int32Array.from(values.flat()),
});

test('decoder inputs are the labels shifted right after the start token, with padding for ignored labels', () => {
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

test('each segment starts with its own start token, and padding stays padding', () => {
  expect(shiftRight(rows([[5, 1, 6, 1, -100]]), 2, 0, rows([[1, 1, 2, 2, 0]]))).toEqual(rows([[2, 5, 2, 6, 0]]));
});
