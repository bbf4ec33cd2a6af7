import { silentLogger, type Logger } from '../util/logger';
import { formatDuration, timeLeft } from './duration';
import { createProgress } from './progress';

it('durations are formatted', () => {
  expect([0, 59.6, 61, 3599, 3661, 90000].map(formatDuration)).toEqual([
    '0s',
    '1m00s',
    '1m01s',
    '59m59s',
    '1h01m',
    '25h00m',
  ]);
});

it('the time left is estimated from the steps after the first, which compiles', () => {
  let now = 0;
  const left = timeLeft(10, () => now);
  now = 30_000;
  expect(left(1)).toBe('?');
  now = 31_000;
  expect(left(2)).toBe('8s');
  now = 36_000;
  expect(left(4)).toBe('12s');
  expect(left(10)).toBe('0s');
});

it('without a terminal the first line, every n-th and the last are written', () => {
  const logged: string[] = [];
  const logger = Object.assign(Object.create(silentLogger()) as Logger, {
    info: (text: string) => void logged.push(text),
  });
  const terminal = process.stderr.isTTY;
  process.stderr.isTTY = false;
  try {
    const progress = createProgress({ name: 'toy', from: 2, to: 11, logEvery: 4, logger, quiet: false });
    for (let step = 3; step <= 11; step++) progress.step(step, { loss: 1.23456, tokensPerSecond: 12_345 });
    progress.stop();
  } finally {
    process.stderr.isTTY = terminal;
  }
  expect(logged.map((line) => /step (\d+)/.exec(line)![1])).toEqual(['3', '4', '8', '11']);
  expect(logged[3]).toBe('toy: step 11/11, loss 1.2346, 12.3K tokens/s, 0s left');
});
