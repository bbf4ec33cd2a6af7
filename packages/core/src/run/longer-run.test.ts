import { describeLonger, stepsIn } from './longer-run';

const linear = { factor: (step: number, total: number) => 1 - step / total };

test('the sentence on a longer run has the factors before and after', () => {
  expect(describeLonger(linear, { step: 80, before: 100, now: 200 })).toBe(
    'train.steps was 100 and is 200: from here on the schedule is that of a run of 200 steps (step 80 had the factor 0.21, step 81 has 0.6).',
  );
  expect(describeLonger(linear, { step: 0, before: 100, now: 200 })).toContain('(step 1 has the factor 1)');
});

test('a schedule that does not depend on the length of the run goes on', () => {
  const fixed = { factor: (step: number) => 1 / (1 + step) };
  for (const before of [1, 2, 1000])
    expect(describeLonger(fixed, { step: before, before, now: 2000 })).toBe(
      `train.steps was ${before} and is 2000: the schedule goes on as it would have; it does not depend on train.steps.`,
    );
});

test('nothing is said of a run that is not longer', () => {
  expect(describeLonger(linear, { step: 80, before: 100, now: 100 })).toBeUndefined();
  expect(describeLonger(linear, { step: 80, before: undefined, now: 100 })).toBeUndefined();
  expect([stepsIn({ train: { steps: 5 } }), stepsIn({}), stepsIn({ train: { steps: 'x' } })]).toEqual([
    5,
    undefined,
    undefined,
  ]);
});
