import { createRandom, DataError, uploadBatch, type HostFields } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { lists, listsOf, tableModel, tokens, VOCABULARY } from './test-support/table-model';
import { TokenMasking, tokenMaskingOptions } from './token-masking';

const MASK = 11;
const make = (options: object = {}): TokenMasking =>
  new TokenMasking(tokenMaskingOptions.parse({ maskToken: MASK, padToMultipleOf: 4, ...options }));
const prepare = (objective: TokenMasking, texts: readonly number[][], seed = 0, model = tableModel()): HostFields =>
  objective.prepare(
    { kind: 'examples', examples: texts.map((text) => ({ tokens: tokens(...text) })) },
    { model, random: createRandom(seed) },
  );

describe('a batch of token masking', () => {
  it('a batch contains the text as decoder inputs after the start token and as labels, with padding', () => {
    const { input_ids, ...others } = listsOf(
      prepare(make(), [
        [7, 8, 9, 3, 1],
        [5, 1],
      ]),
    );
    expect(others).toEqual({
      attention_mask: [
        [1, 1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
      ],
      decoder_input_ids: [
        [2, 7, 8, 9, 3, 0, 0, 0],
        [2, 5, 0, 0, 0, 0, 0, 0],
      ],
      decoder_attention_mask: [
        [1, 1, 1, 1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
      ],
      labels: [
        [7, 8, 9, 3, 1, -100, -100, -100],
        [5, 1, -100, -100, -100, -100, -100, -100],
      ],
    });
    expect(input_ids.map((row) => row.length)).toEqual([8, 8]);
  });

  it.each([
    [0.25, 2],
    [0.5, 4],
    [1, 8],
    [0.001, 1],
  ])('a rate of %d masks %d of eight tokens for the encoder and leaves the others unchanged', (rate, hidden) => {
    const text = [3, 4, 5, 6, 7, 8, 9, 10];
    for (let seed = 0; seed < 20; seed++) {
      const [row] = lists(prepare(make({ rate }), [text], seed).input_ids);
      expect(row.filter((token) => token === MASK)).toHaveLength(hidden);
      expect(row.every((token, i) => token === MASK || token === text[i])).toBe(true);
    }
  });

  it('the mask depends only on the random stream and differs between texts', () => {
    const texts = Array.from({ length: 8 }, () => [3, 4, 5, 6, 7, 8, 9, 10]);
    const first = listsOf(prepare(make(), texts, 1));
    expect(listsOf(prepare(make(), texts, 1))).toEqual(first);
    expect(listsOf(prepare(make(), texts, 2))).not.toEqual(first);
    expect(new Set(first.input_ids.map(String)).size).toBeGreaterThan(1);
  });

  it('preparing a batch rejects empty texts, decoder-only models and invalid options', () => {
    expect(() => prepare(make(), [[5], []])).toThrow('Example 1 of the batch has no tokens.');
    expect(() => prepare(make(), [[5]], 0, tableModel('decoder-only'))).toThrow(DataError);
    expect(() => prepare(make({ maskToken: 12 }), [[5]])).toThrow(/maskToken is 12, .* 12 tokens \(0 to 11\)/);
    expect(tokenMaskingOptions.safeParse({ rate: 0 }).success).toBe(false);
    expect(tokenMaskingOptions.safeParse({ maskTokne: 4 }).success).toBe(false);
    expect(make().inputFields('batch')).toBeUndefined();
  });
});

describe('the loss of token masking', () => {
  const model = tableModel();

  /** By the definition, in plain numbers: cross-entropy against (1 - s) one-hot + s / V, over the labels that count. */
  function expected(table: readonly number[][], inputs: number[][], labels: number[][], smoothing: number): number {
    let sum = 0;
    let count = 0;
    labels.forEach((row, b) =>
      row.forEach((label, i) => {
        if (label === -100) return;
        const logits = table[inputs[b][i]];
        const total = logits.reduce((all, logit) => all + Math.exp(logit), 0);
        logits.forEach((logit, token) => {
          const wanted = (token === label ? 1 - smoothing : 0) + smoothing / VOCABULARY;
          sum -= wanted * (logit - Math.log(total));
        });
        count++;
      }),
    );
    return sum / count;
  }

  it.each([0, 0.1])(
    "the loss is the mean over the text's tokens with label smoothing %d, and has the right gradient",
    async (smoothing) => {
      const engine = await openEngine({ mode: 'portable' });
      const table = Array.from({ length: VOCABULARY }, (_, i) =>
        Array.from({ length: VOCABULARY }, (_x, k) => Math.sin(5 * i + k)),
      );
      const objective = make({ labelSmoothing: smoothing });
      const host = prepare(objective, [
        [7, 8, 9, 3, 1],
        [5, 1],
      ]);
      const batch = uploadBatch(host);
      const parameters = { table: tf.tensor2d(table) };
      const loss = engine.jit((given: typeof parameters, fields: typeof batch) => {
        const { loss: value, metrics } = objective.loss(model, given, fields, { training: true });
        const gradient = tf.grad(
          (x: tf.Tensor) => objective.loss(model, { table: x }, fields, { training: true }).loss,
        )(given.table);
        return { value, gradient, accuracy: metrics!.accuracy };
      });
      const { value, gradient, accuracy } = loss(parameters, batch);
      const { decoder_input_ids: inputs, labels } = listsOf(host);
      expect((await value.data())[0]).toBeCloseTo(expected(table, inputs, labels, smoothing), 5);
      const right = labels.flatMap((row, b) =>
        row.filter((label, i) => label === table[inputs[b][i]].indexOf(Math.max(...table[inputs[b][i]]))),
      );
      expect((await accuracy.data())[0]).toBeCloseTo(right.length / 7, 5);
      // Of the start token's row, by a small step in one number.
      const moved = table.map((row) => [...row]);
      moved[2][7] += 1e-4;
      const slope = (expected(moved, inputs, labels, smoothing) - expected(table, inputs, labels, smoothing)) / 1e-4;
      expect(((await gradient.array()) as number[][])[2][7]).toBeCloseTo(slope, 4);
      tf.dispose([batch, parameters, value, gradient, accuracy] as tf.TensorContainer);
      loss.dispose();
    },
  );
});
