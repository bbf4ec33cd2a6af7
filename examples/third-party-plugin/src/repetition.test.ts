import { createRandom, type Dataset, type JsonValue } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { repeatedShare, Repetition } from './repetition';
import { tableModel, tokens, VOCABULARY } from './test-support/table-model';

describe('repeatedShare', () => {
  it.each([
    ['the docstring example', [[5, 6, 5, 6, 5]], 2, 0.5],
    ['nothing twice', [[5, 6, 7, 8]], 2, 0],
    ['one token over and over', [[5, 5, 5, 5, 5]], 1, 0.8],
    ['too short for a single piece', [[5, 6], []], 3, 0],
    [
      'the same piece in two sequences is no repetition',
      [
        [5, 6],
        [5, 6],
      ],
      2,
      0,
    ],
    ['ids that look alike side by side', [[1, 23, 12, 3]], 2, 0],
  ])('the share of repeated n-grams is right for %s', (_, sequences, n, share) => {
    expect(repeatedShare(sequences, n)).toBeCloseTo(share, 10);
  });
});

describe('Repetition', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  const texts = [[7, 8, 9], [5], [6, 7]];
  function dataset(items = texts, kind: Dataset['kind'] = 'examples'): Dataset {
    let at = 0;
    return {
      kind,
      fields: [{ name: 'tokens', dtype: 'int32', rank: 1 }],
      position: () => at,
      restore: async (position: JsonValue) => void (at = position as number),
      async *[Symbol.asyncIterator]() {
        while (at < items.length) yield { tokens: tokens(...items[at++]) };
      },
    };
  }

  /** A table by which each token is followed by one other for certain. */
  const chain = (next: Readonly<Record<number, number>>): tf.Tensor =>
    tf.tensor2d(
      Array.from({ length: VOCABULARY }, (_, token) =>
        Array.from({ length: VOCABULARY }, (_x, candidate) => (next[token] === candidate ? 5 : 0)),
      ),
    );
  const options = { texts: 3, promptTokens: 2, newTokens: 6, ngram: 2 };
  const context = (table: tf.Tensor, model = tableModel()) => ({
    model,
    parameters: { table },
    step: 0,
    random: createRandom(0),
  });

  it('the evaluator measures the text that the model writes after the start token', async () => {
    const evaluator = new Repetition(engine, dataset(), options);
    // 2 -> 5 6 5 6 5 6: of five pairs two are new.
    expect(await evaluator.evaluate(context(chain({ 2: 5, 5: 6, 6: 5 })))).toEqual({ repeated: 0.6, tokens: 6 });
    evaluator.dispose();
  });

  it('a text ends at the end-of-sequence token', async () => {
    const evaluator = new Repetition(engine, dataset(), options);
    expect(await evaluator.evaluate(context(chain({ 2: 5, 5: 6, 6: 1, 1: 5 })))).toEqual({ repeated: 0, tokens: 2 });
    evaluator.dispose();
  });

  it('every evaluation reads the same texts, as many as configured, and leaks no tensors', async () => {
    const source = dataset();
    const evaluator = new Repetition(engine, source, { ...options, texts: 2 });
    const table = chain({ 2: 5, 5: 5 });
    const first = await evaluator.evaluate(context(table));
    const before = tf.memory().numTensors;
    expect(await evaluator.evaluate(context(table))).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
    expect(source.position()).toBe(2);
    evaluator.dispose();
  });

  it('an evaluation stops when its signal aborts', async () => {
    const evaluator = new Repetition(engine, dataset(), options);
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(evaluator.evaluate({ ...context(chain({})), signal })).rejects.toThrow('stopped');
    evaluator.dispose();
  });

  it('the evaluator rejects ready batches, decoder-only models and an empty dataset', async () => {
    expect(() => new Repetition(engine, dataset(texts, 'batch'), options)).toThrow(/ready batches/);
    const onlyDecoder = new Repetition(engine, dataset(), options);
    await expect(onlyDecoder.evaluate(context(chain({}), tableModel('decoder-only')))).rejects.toThrow(/decoder-only/);
    const nothing = new Repetition(engine, dataset([]), options);
    await expect(nothing.evaluate(context(chain({})))).rejects.toThrow(/gave no text/);
  });
});
