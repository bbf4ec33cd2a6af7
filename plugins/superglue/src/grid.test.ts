import { choose, grid } from './grid';
import type { TrialRecord } from './trial-store';

const record = (learningRate: number, accuracies: number[], diverged?: string): TrialRecord => ({
  task: 'cb',
  trial: { learningRate, batchSize: 8, dropout: 0 },
  epochs: accuracies.map((accuracy, i) => ({ steps: i + 1, trainLoss: 1, scores: { accuracy } })),
  diverged,
  seconds: 1,
});

test('the grid has every combination once', () => {
  const trials = grid({ learningRates: [1, 2, 3], batchSizes: [8, 16], dropouts: [0, 0.1] });
  expect(trials).toHaveLength(12);
  expect(new Set(trials.map((trial) => JSON.stringify(trial))).size).toBe(12);
  expect(trials[0]).toEqual({ learningRate: 1, batchSize: 8, dropout: 0 });
});

test('dropout in the model is searched only if its rates are given', () => {
  const lists = { learningRates: [1, 2], batchSizes: [8], dropouts: [0, 0.1] };
  const trials = grid({ ...lists, modelDropouts: [0, 0.2] });
  expect(new Set(trials.map((trial) => JSON.stringify(trial))).size).toBe(8);
  expect(trials.at(-1)).toEqual({ learningRate: 2, batchSize: 8, dropout: 0.1, modelDropout: 0.2 });
  expect(JSON.stringify(grid(lists)[0])).toBe('{"learningRate":1,"batchSize":8,"dropout":0}');
});

test('the choice best takes the best epoch of the best trial, and of equal ones the earliest', () => {
  const chosen = choose([record(1, [0.5, 0.7, 0.6]), record(2, [0.7, 0.4])], 'best');
  expect(chosen).toMatchObject({ epochNumber: 2, record: { trial: { learningRate: 1 } } });
});

test('the choice last takes the trial with the best last epoch', () => {
  const chosen = choose([record(1, [0.9, 0.5]), record(2, [0.4, 0.6]), record(3, [0.8], 'NaN')], 'last');
  expect(chosen).toMatchObject({ epochNumber: 2, record: { trial: { learningRate: 2 } } });
});

test('a trial that diverged does not count', () => {
  const chosen = choose([record(1, [0.3, 0.8], 'NaN'), record(2, [0.5])], 'best');
  expect(chosen).toMatchObject({ epochNumber: 1, record: { trial: { learningRate: 2 } } });
  expect(choose([record(1, [], 'NaN')], 'best')).toBeUndefined();
});

test('another score can decide', () => {
  const scored = (learningRate: number, accuracy: number, exactMatch: number): TrialRecord => ({
    ...record(learningRate, []),
    epochs: [{ steps: 1, trainLoss: 1, scores: { accuracy, exactMatch } }],
  });
  const records = [scored(1, 0.88, 0.1), scored(2, 0.86, 0.6)];
  expect(choose(records, 'best', 'exactMatch')).toMatchObject({ record: { trial: { learningRate: 2 } } });
});
