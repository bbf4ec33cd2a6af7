import { chooseSteps, LEAST_STEPS, stepsForRows, stepsForTokens, type Measured } from './plan';

const arm = (stepSeconds: number): Measured => ({ stepSeconds, evaluationSeconds: 4, overheadSeconds: 10 });

it('all arms get the same steps, and together stay within the time with a tenth to spare', () => {
  const arms = [arm(5), arm(3)];
  const steps = chooseSteps({ seconds: 1000, arms, evaluations: 6 });
  const needed = (of: number): number => of * 8 + 2 * (10 + 6 * 4);
  expect(needed(steps)).toBeLessThanOrEqual(900);
  expect(needed(steps + 1)).toBeGreaterThan(900);
});

it('too little time is refused, with the minutes that are enough', () => {
  const request = { seconds: 60, arms: [arm(10)], evaluations: 1 };
  expect(() => chooseSteps(request)).toThrow(
    'Training 1 arm for 5 steps takes 1.2 minutes on this machine, but 1.0 are left for it.',
  );
  expect(chooseSteps({ ...request, seconds: 1.2 * 60 })).toBe(LEAST_STEPS);
});

it('tokens are rounded up to whole steps, and no row is read more than eight times', () => {
  expect(stepsForTokens(10_000, 500, 4)).toBe(5);
  expect(stepsForTokens(10_001, 500, 4)).toBe(6);
  expect(stepsForRows(100, 4)).toBe(200);
});
