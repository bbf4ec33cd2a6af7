import { openEngine, tf, type Engine } from '@graft/engine';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { findLearningRate, RangeTest, type LearningRateOptions, type LearningRateRange } from './learning-rate-range';

let engine: Engine;
beforeAll(async () => void (engine = await openEngine({ mode: 'portable' })));

const find = async (options: LearningRateOptions, runs = temporaryFolder()): Promise<LearningRateRange> => {
  const sections = { evaluators: [{ use: 'norm', every: 1 }], train: { steps: 3, checkpointEvery: 1 } };
  const loaded = await loadConfig({ value: toyConfig(runs, sections), plugins: [toyPlugin] });
  const before = tf.memory().numTensors;
  const range = await findLearningRate(loaded, { engine, ...options });
  expect([tf.memory().numTensors, existsSync(join(runs, 'toy'))]).toEqual([before, false]);
  return range;
};

test('the rates rise at equal ratios, the loss falls, and no folder and no tensor is left', async () => {
  const seen: number[] = [];
  const { points, steepest, lowest, ended } = await find({
    ...{ from: 1e-4, to: 3e-2, steps: 31 },
    onStep: ({ learningRate }, step) => void (seen[step - 1] = learningRate),
  });
  expect(ended).toBe('finished');
  points.forEach(({ learningRate }, i) => expect(learningRate / (1e-4 * 300 ** (i / 30))).toBeCloseTo(1, 5));
  expect(seen).toEqual(points.map(({ learningRate }) => learningRate));
  expect(points.at(-1)!.smoothed).toBeLessThan(points[0].smoothed);
  expect(steepest).toBeGreaterThan(1e-4);
  expect(lowest).toBeGreaterThanOrEqual(steepest!);
});

test('the test ends where the loss diverges, and when it is aborted', async () => {
  const diverged = await find({ from: 1e-3, to: 1e9, steps: 60 });
  expect(diverged.ended).toBe('diverged');
  expect(diverged.points.length).toBeLessThan(60);
  const controller = new AbortController();
  const onStep = (_: unknown, step: number): void => void (step === 4 && controller.abort());
  const aborted = await find({ from: 1e-4, to: 1e-2, signal: controller.signal, onStep });
  expect([aborted.ended, aborted.points.length]).toEqual(['interrupted', 4]);
});

test.each([
  [{ from: 0 }, 'goes from 0 to 1, but must rise from a number above 0'],
  [{ from: 2 }, 'goes from 2 to 1'],
  [{ to: Infinity }, 'goes from 1e-7 to Infinity'],
  [{ steps: 9 }, 'has 9 steps, but needs 10 or more'],
])('the range %j is refused', async (options, message) => {
  expect((await failureOf(find(options))).message).toContain(message);
});

describe('what follows from the losses', () => {
  const measured = (losses: readonly number[]): RangeTest => {
    const range = new RangeTest();
    losses.forEach((loss, i) => range.take(10 ** (i - 5), loss));
    return range;
  };

  it('the smoothed loss is the average of all, later ones weighing more', () => {
    const { points } = measured([4, 2]).result('finished');
    expect(points.map(({ smoothed }) => smoothed)).toEqual([
      expect.closeTo(4, 9),
      expect.closeTo((0.9 * 4 + 2) / 1.9, 9),
    ]);
  });

  it('the steepest rate is that of the largest fall, at most at the lowest loss', () => {
    const { steepest, lowest } = measured([5, 5, 4.9, 2, 1.9, 1.9, 9, 12]).result('diverged');
    expect(steepest).toBeCloseTo(1e-2, 9);
    expect(lowest).toBeCloseTo(1, 9);
  });

  it('a loss that never falls has neither, and one that is not a number diverges', () => {
    expect(measured([1, 2, 3]).result('finished')).toMatchObject({ ended: 'finished' });
    expect(measured([1, 2, 3]).result('finished')).not.toHaveProperty('steepest');
    expect(measured([1, NaN]).isDiverged).toBe(true);
    expect(measured([]).result('interrupted')).toEqual({ points: [], ended: 'interrupted' });
    expect([measured([1, 2, 8]).isDiverged, measured([1, 2, 40]).isDiverged]).toEqual([false, true]);
  });
});
