import { Layout } from './layout';
import type { SharedMemory } from './memory';
import { Signals } from './signals';

const layout = new Layout(2, 64);
const memory = { words: new Int32Array(layout.headBytes / 4) } as SharedMemory;
const lost = new AbortController();
const signals = new Signals(memory, layout, 0, lost.signal, (rank) => new Error(`${rank} has left`));
const word = layout.added(1);

test('a counter that overflows still counts as ahead of its old value', () => {
  signals.post(word, 2 ** 31 - 1, []);
  expect(signals.hasReached(1, word, 2 ** 31 - 1)).toBe(true);
  expect(signals.hasReached(1, word, 2 ** 31)).toBe(false);
  signals.post(word, 2 ** 31 + 5, []);
  for (const value of [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5]) expect(signals.hasReached(1, word, value)).toBe(true);
  expect(signals.hasReached(1, word, 2 ** 31 + 6)).toBe(false);
});

test('the counters of a worker that has left stay valid', () => {
  signals.post(layout.left(1), 1, []);
  expect(signals.hasReached(1, word, 2 ** 31 + 5)).toBe(true);
  expect(() => signals.hasReached(1, word, 2 ** 31 + 6)).toThrow('1 has left');
});
