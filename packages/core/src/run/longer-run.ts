import type { Schedule } from '../interfaces';

/** Points at which two lengths of a schedule are compared. */
const COMPARED = 200;

const shown = (factor: number): string => String(Number(factor.toPrecision(4)));

/** The number of steps that the config of a run's folder had; undefined if it does not say. */
export function stepsIn(config: Readonly<Record<string, unknown>>): number | undefined {
  const { steps } = (config.train ?? {}) as { readonly steps?: unknown };
  return typeof steps === 'number' ? steps : undefined;
}

/**
 * What more steps than before change for a run that has done `step` of them, as a sentence; undefined if there are not
 * more. Most schedules depend on the length of the run, so that the learning rate jumps here.
 *
 *     linear to 0 over 100 steps, then over 200, after 80   ->   step 80 had the factor 0.21, step 81 has 0.6
 */
export function describeLonger(
  schedule: Schedule,
  { step, before, now }: { readonly step: number; readonly before: number | undefined; readonly now: number },
): string | undefined {
  if (before === undefined || now <= before) return undefined;
  const grown = `train.steps was ${before} and is ${now}`;
  const last = before - 1;
  const points = Array.from({ length: Math.min(COMPARED, before) }, (_, i) =>
    Math.round((i * last) / Math.max(1, Math.min(COMPARED, before) - 1)),
  );
  if (points.every((done) => schedule.factor(done, before) === schedule.factor(done, now)))
    return `${grown}: the schedule goes on as it would have; it does not depend on train.steps.`;
  const had = step > 0 ? `step ${step} had the factor ${shown(schedule.factor(step - 1, before))}, ` : '';
  const has = `step ${step + 1} has ${had ? '' : 'the factor '}${shown(schedule.factor(step, now))}`;
  return `${grown}: from here on the schedule is that of a run of ${now} steps (${had}${has}).`;
}
