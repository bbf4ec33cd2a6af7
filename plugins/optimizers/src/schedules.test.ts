import { createComponentFactory, createRandom, Registry, type Logger } from '@graft/core';
import type { Engine } from '@graft/engine';
import { plugin } from './plugin';
import {
  constantOptions,
  constantSchedule,
  cosineOptions,
  cosineSchedule,
  inverseSquareRootSchedule,
  linearOptions,
  linearSchedule,
} from './schedules';

const factors = (schedule: { factor(step: number, total: number): number }, steps: number): number[] =>
  Array.from({ length: steps }, (_, step) => schedule.factor(step, steps));

it('the constant schedule is 1 after a warm-up that begins above 0', () => {
  expect(factors(constantSchedule(constantOptions.parse({})), 3)).toEqual([1, 1, 1]);
  expect(factors(constantSchedule(constantOptions.parse({ warmupSteps: 4 })), 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
});

it('the linear schedule gives the docstring example', () => {
  expect(factors(linearSchedule(linearOptions.parse({ warmupSteps: 2 })), 6)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25]);
});

it('the cosine schedule falls to its final factor and stays there', () => {
  const schedule = cosineSchedule(cosineOptions.parse({ finalFactor: 0.2, decaySteps: 4 }));
  const expected = [1, 0.2 + 0.8 * (0.5 + Math.SQRT1_2 / 2), 0.6, 0.2 + 0.8 * (0.5 - Math.SQRT1_2 / 2), 0.2, 0.2, 0.2];
  factors(schedule, 7).forEach((factor, i) => expect(factor).toBeCloseTo(expected[i], 12));
});

it('the inverse square root schedule gives the docstring example, whatever the length of the run', () => {
  const schedule = inverseSquareRootSchedule(constantOptions.parse({ warmupSteps: 4 }));
  const factor = (step: number, total: number): number => schedule.factor(step, total);
  expect([0, 1, 2, 3].map((step) => factor(step, 9))).toEqual([0.25, 0.5, 0.75, 1]);
  expect(factor(4, 9)).toBeCloseTo(0.894, 3);
  expect([factor(15, 20), factor(15, 2000)]).toEqual([0.5, 0.5]);
  expect(factors(inverseSquareRootSchedule(constantOptions.parse({})), 4)[3]).toBe(0.5);
});

it('the decay takes the rest of the run, and a run may be shorter than its warm-up', () => {
  const schedule = cosineSchedule(cosineOptions.parse({ warmupSteps: 10 }));
  expect(schedule.factor(9, 30)).toBe(1);
  expect(schedule.factor(20, 30)).toBeCloseTo(0.5, 12);
  expect(factors(schedule, 5)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5]);
  expect(schedule.factor(10, 10)).toBe(1);
});

it.each(['constant', 'cosine', 'inverse-sqrt', 'linear'])('%s warns once if its warm-up is too long', async (use) => {
  const lines: string[] = [];
  const registry = new Registry();
  registry.register(plugin, 'here');
  const logger = { warn: (line: string) => lines.push(line) } as unknown as Logger;
  const components = createComponentFactory(registry, { engine: {} as Engine, random: createRandom(0), logger });
  const schedule = await components.create('schedule', { use, warmupSteps: 10 });
  expect(factors(schedule, 10)[9]).toBe(1);
  expect(lines).toEqual([]);
  expect(factors(schedule, 9)[8]).toBe(0.9);
  expect(lines).toEqual([
    'schedule.warmupSteps is 10, but there are 9 steps: the learning rate never gets to its full height.',
  ]);
});

it.each([{ warmupSteps: -1 }, { warmupSteps: 1.5 }, { finalFactor: 2 }, { decaySteps: 0 }, { warmup: 3 }])(
  '%j is refused',
  (options) => {
    expect(cosineOptions.safeParse(options).success).toBe(false);
  },
);
