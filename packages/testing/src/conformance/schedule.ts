import type { Schedule } from '@graft/core';
import { check, type Check, type Make } from '../check';

/** What a schedule is tested with. */
export interface ScheduleOptions {
  /** Lengths of the runs to try, in steps. Default: 1, 10 and 1000. */
  readonly totalSteps?: readonly number[];
}

/** Checks of a Schedule: it returns finite factors >= 0, which depend on nothing but the step and the length of the run. */
export function schedule(make: Make<Schedule>, { totalSteps = [1, 10, 1000] }: ScheduleOptions = {}): readonly Check[] {
  const cases = totalSteps.flatMap((total) => Array.from({ length: total }, (_, step) => [step, total] as const));
  return [
    check('schedule', 'factor', 'the factor of every step is a finite number of at least 0', async (broken) => {
      const made = await make();
      for (const [step, total] of cases) {
        const factor = made.factor(step, total);
        if (typeof factor !== 'number' || !Number.isFinite(factor) || factor < 0)
          broken(`factor(${step}, ${total}) returned ${String(factor)}.`);
      }
    }),
    check('schedule', 'factor', 'the factor depends only on the step and the length of the run', async (broken) => {
      const [forward, backward] = [await make(), await make()];
      const factors = cases.map(([step, total]) => forward.factor(step, total));
      for (const [i, [step, total]] of [...cases.entries()].reverse()) {
        const again = backward.factor(step, total);
        if (!Object.is(again, factors[i]))
          broken(`factor(${step}, ${total}) returned ${factors[i]}, and ${again} when a resumed run asked first.`);
      }
    }),
  ];
}
