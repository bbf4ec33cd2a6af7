import type { Dataset, Model } from '../interfaces';
import { checkAmountOfData, checkEvaluators } from './before-first-step';

const dataset = (facts: Partial<Dataset>): Dataset => ({ kind: 'examples', ...facts }) as Dataset;
const amount = (facts: Partial<Dataset>, steps: number, batchSize: number): string | undefined =>
  checkAmountOfData({ steps, batchSize }, dataset(facts), 'dataset "jsonl"');

describe('the amount of data', () => {
  it('steps beyond data that end are an error that says how many are possible', () => {
    expect(amount({ length: 100, repeats: false }, 25, 4)).toBeUndefined();
    expect(() => amount({ length: 102, repeats: false }, 50, 4)).toThrow(
      expect.objectContaining({
        code: 'data.too-few',
        exitCode: 2,
        message:
          'train.steps 50 with train.batchSize 4 needs 200 examples, but dataset "jsonl" ends after 102 examples, enough for 25 (the last 2 do not fill a batch).',
        hint: 'Lower train.steps to 25 or less, give more data, or let the dataset repeat.',
      }),
    );
  });

  it('a batch beyond data that end is an error', () => {
    expect(() => amount({ length: 3, repeats: false }, 1, 4)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('ends after 3 examples, not enough for one.'),
        hint: expect.stringContaining('Lower train.batchSize to 3 or less'),
      }),
    );
  });

  it('a batch that repeats examples is worth a warning', () => {
    expect(amount({ length: 4, repeats: true }, 1000, 4)).toBeUndefined();
    expect(amount({ length: 3, repeats: true }, 1000, 4)).toBe(
      'train.batchSize is 4, but dataset "jsonl" has 3 examples: every batch has some of them more than once. Lower train.batchSize to 3 or less.',
    );
  });

  it('ready batches are counted, whatever the batch size', () => {
    expect(amount({ kind: 'batch', length: 5, repeats: false }, 5, 64)).toBeUndefined();
    expect(() => amount({ kind: 'batch', length: 5, repeats: false }, 6, 64)).toThrow(
      'train.steps is 6, but dataset "jsonl" ends after 5 batches.',
    );
  });

  it('nothing is claimed of a dataset that does not tell, or that has items for each variant', () => {
    expect(amount({ length: 3 }, 1000, 4)).toBeUndefined();
    expect(amount({ repeats: false }, 1000, 4)).toBeUndefined();
    expect(amount({ length: 3, repeats: false, select: () => [] }, 1000, 4)).toBeUndefined();
    const cut = dataset({ length: 3, repeats: false, cut: () => undefined });
    const asks = { exampleTokens: () => 2 };
    expect(checkAmountOfData({ steps: 1000, batchSize: 4 }, cut, 'dataset "text"', asks)).toBeUndefined();
    expect(() => checkAmountOfData({ steps: 1000, batchSize: 4 }, cut, 'dataset "text"', {})).toThrow('ends after 3');
  });
});

it('an evaluator that lacks what it needs is named before the first step', async () => {
  const check = (): Promise<void> => Promise.reject(new Error('no file'));
  const evaluate = (): Promise<Record<string, number>> => Promise.resolve({});
  const evaluators = [
    { name: 'unchecked', every: 0, evaluator: { evaluate } },
    { name: 'broken', every: 0, evaluator: { evaluate, check } },
  ];
  await expect(checkEvaluators(evaluators, {} as Model)).rejects.toThrow(/^Evaluator "broken" failed: no file/);
});
