import { EvaluationText } from './evaluation-progress';
import { barLine } from './progress-bar';

const rates = { loss: '12.3456', tokensPerSecond: '999.9K', left: '99h59m' };
const state = { name: 'a-long-name-of-a-run-of-somebody', step: 12_345, steps: 100_000, rates };

describe.each([77, 107, 117])('the bar of a run in %d columns', (columns) => {
  it('shows loss, speed and the time left, and fits', () => {
    const line = barLine(state, columns);
    expect(line).toMatch(/12345\/100000 \| loss 12\.3456 \| 999\.9K tok(ens)?\/s \| 99h59m left$/);
    expect(line).toMatch(/^a-long-name/);
    expect(line.length).toBeLessThanOrEqual(columns);
  });

  it('says what is being done instead, with all of its text', () => {
    const line = barLine({ ...state, activity: 'compiling step 1, 12s' }, columns);
    expect(line).toMatch(/^a-long-name.* [█░]+ 12345\/100000 \| compiling step 1, 12s$/);
    expect(line.length).toBeLessThanOrEqual(columns);
  });
});

it('a terminal that is too narrow for all shows the end', () => {
  expect(barLine(state, 50)).toBe('loss 12.3456 | 999.9K tok/s | 99h59m left');
  expect(barLine(state, 20)).toHaveLength(20);
});

it('a bar without steps shows the name and what is being done', () => {
  expect(barLine({ name: 'toy', step: 0, steps: 0, activity: 'superglue: 3s' }, 77)).toBe('toy superglue: 3s');
});

it('an evaluation shows its part, its count and the time left, and its seconds until it reports', () => {
  let now = 0;
  const text = new EvaluationText('superglue', () => now);
  now = 3000;
  expect(text.toString()).toBe('superglue: 3s');
  text.update({ done: 0, total: 100, unit: 'steps', part: 'boolq (1 of 9)' });
  expect(text.toString()).toBe('superglue: boolq (1 of 9): 0/100 steps, 3s');
  now = 5000;
  text.update({ done: 10, total: 100, unit: 'steps', part: 'boolq (1 of 9)' });
  expect(text.toString()).toBe('superglue: boolq (1 of 9): 10/100 steps, 18s left');
  // Another part has a speed of its own.
  text.update({ done: 5, total: 50, unit: 'steps', part: 'cb (2 of 9)' });
  expect(text.toString()).toBe('superglue: cb (2 of 9): 5/50 steps, 5s');
  text.update({ done: 7, unit: 'batches' });
  expect(text.toString()).toBe('superglue: 7 batches, 5s');
});
