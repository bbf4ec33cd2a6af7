import { createRandom } from '@graft/core';
import { drawRows } from './train-rows';

const examples = [1, 1, 2, 5, 5, 5, 6].map((line, i) => ({ i, example: { place: { file: 'train.jsonl', line } } }));
const draw = (count: number, seed = 0): readonly number[] =>
  drawRows(examples, count, createRandom(seed)).map(({ i }) => i);

test('whole rows are drawn, in the order of the file, the same from the same stream', () => {
  const rows = [[0, 1], [2], [3, 4, 5], [6]];
  const drawn = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const own = draw(2, seed);
    expect(draw(2, seed)).toEqual(own);
    const whole = rows.filter((row) => own.includes(row[0]));
    expect(whole).toHaveLength(2);
    expect(own).toEqual(whole.flat());
    drawn.add(own.join());
  }
  expect(drawn.size).toBe(6);
  expect(draw(4)).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('fewer rows than requested are an error', () => {
  expect(() => draw(5)).toThrow('train.jsonl has 4 rows to train on, but trainRows is 5.');
});
