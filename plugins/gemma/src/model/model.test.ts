import type { BatchTensors, HostArray, Parameters } from '@graft/core';
import { openEngine, tf, valueAndGradients } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { ints, ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { asGemma, type GemmaModel } from './model';
import { mapName } from '../adapt/name-mapping';

const SOURCE = [
  [5, 9, 4, 30, 8, 7, 36, 3],
  [11, 6, 22, 7, 9, 13, 8, 2],
];
const TARGET = [
  [2, 14, 9, 33, 5, 6, 7],
  [2, 8, 8, 21, 4, 30, 12],
];

function tensors(fields: Record<string, readonly (readonly number[])[]>): BatchTensors {
  return Object.fromEntries(
    Object.entries(fields).map(([name, rows]) => {
      const { values, shape }: HostArray = ints(rows);
      return [name, tf.tensor(values, [...shape], 'int32')];
    }),
  );
}

/** [batch][position][width] */
type Rows = number[][][];
const rowsOf = (tensor: tf.Tensor): Rows => tensor.arraySync() as Rows;
const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i])));

/** Which positions of row 0 differ. */
function changed(a: Rows, b: Rows): number[] {
  return a[0].map((_, i) => i).filter((i) => distance(a[0][i], b[0][i]) > 1e-6);
}

const replaced = (rows: number[][], row: number, position: number, token: number): number[][] =>
  rows.map((ids, r) => ids.map((id, i) => (r === row && i === position ? token : id)));

describe('GemmaModel', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const run = (model: GemmaModel, parameters: Parameters, fields: Record<string, readonly (readonly number[])[]>) => {
    const { logits, encoderStates } = model.forward(parameters, tensors(fields));
    return { logits: rowsOf(logits), states: encoderStates ? rowsOf(encoderStates) : undefined };
  };

  describe('an encoder-decoder', () => {
    test('every encoder state depends on the last token, and no decoder state depends on later tokens', () => {
      const model = tinyGemma();
      const parameters = tinyParameters(model);
      const base = run(model, parameters, { input_ids: SOURCE, decoder_input_ids: TARGET });
      const source = run(model, parameters, { input_ids: replaced(SOURCE, 0, 7, 1), decoder_input_ids: TARGET });
      expect(changed(base.states!, source.states!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      const target = run(model, parameters, { input_ids: SOURCE, decoder_input_ids: replaced(TARGET, 0, 4, 1) });
      expect(changed(base.logits, target.logits)).toEqual([4, 5, 6]);
      expect(target.states).toEqual(base.states);
    });

    test.each([
      ['strict', [2, 3, 4]],
      ['inclusive', [1, 2, 3, 4, 5]],
    ] as const)('a token changes the states within a %s window of 2', (encoderWindow, expected) => {
      // Only one sliding layer, so that no change spreads further.
      const model = tinyGemma({ encoderWindow, encoder: { ...ODD_SIDE, layers: 1, slidingWindow: 2 } });
      const parameters = tinyParameters(model);
      const before = run(model, parameters, { input_ids: SOURCE, decoder_input_ids: TARGET });
      const after = run(model, parameters, { input_ids: replaced(SOURCE, 0, 3, 1), decoder_input_ids: TARGET });
      expect(changed(before.states!, after.states!)).toEqual(expected);
    });

    test('a causal encoder gives the states of a decoder-only stack with the same weights', () => {
      const decoderOnly = tinyGemma({ kind: 'decoder-only' });
      const weights = tinyParameters(decoderOnly);
      const model = tinyGemma({ encoderAttention: 'causal' });
      const parameters = tinyParameters(model, 5);
      for (const name of Object.keys(parameters)) {
        const mapped = mapName(name)!;
        if (mapped.side === 'encoder') parameters[name] = weights[mapped.source];
      }
      // Longer than the window, a padded row, and two segments in a row.
      const fields = {
        input_ids: SOURCE,
        attention_mask: [SOURCE[0].map(() => 1), [1, 1, 1, 1, 1, 1, 0, 0]],
        segment_ids: [[1, 1, 1, 2, 2, 2, 2, 2], SOURCE[1].map(() => 1)],
      };
      const states = rowsOf(model.encode(parameters, tensors(fields)));
      const expected = rowsOf(decoderOnly.decoderStates(weights, tensors(fields)));
      expect(states).toEqual(expected);
      // `representation` (SuperGLUE, embeddings) and the whole model read the same states.
      expect(rowsOf(model.representation.states(parameters, tensors(fields)))).toEqual(expected);
      const whole = run(model, parameters, { ...fields, decoder_input_ids: TARGET });
      expect(whole.states).toEqual(expected);
      const both = rowsOf(tinyGemma().encode(parameters, tensors(fields)));
      expect(distance(both[0][0], expected[0][0])).toBeGreaterThan(1e-3);
    });

    test('a token changes the logits of a sliding decoder layer of window 3 at its own position and the next two', () => {
      // Without cross-attention's help from the encoder, and one layer: position i sees i-2 .. i.
      const model = tinyGemma({ decoder: { ...ODD_SIDE, layers: 1, slidingWindow: 3 }, encoder: ODD_SIDE });
      const parameters = tinyParameters(model);
      const before = run(model, parameters, { input_ids: SOURCE, decoder_input_ids: TARGET });
      const after = run(model, parameters, { input_ids: SOURCE, decoder_input_ids: replaced(TARGET, 0, 1, 1) });
      expect(changed(before.logits, after.logits)).toEqual([1, 2, 3]);
    });

    test.each(['right', 'left'])('a batch padded on the %s gives what its rows give alone', (where) => {
      const model = tinyGemma();
      const parameters = tinyParameters(model);
      const short = [5, 9, 4, 30, 8];
      // Left padding moves positions (quirk 9), which relative rotations do not see.
      const [padded, mask] =
        where === 'right'
          ? [
              [...short, 0, 0, 0],
              [1, 1, 1, 1, 1, 0, 0, 0],
            ]
          : [
              [0, 0, 0, ...short],
              [0, 0, 0, 1, 1, 1, 1, 1],
            ];
      const target = [2, 14, 9, 33];
      const together = run(model, parameters, {
        input_ids: [padded, SOURCE[1]],
        attention_mask: [mask, SOURCE[1].map(() => 1)],
        decoder_input_ids: [[...target, 0, 0, 0], TARGET[1]],
        decoder_attention_mask: [[1, 1, 1, 1, 0, 0, 0], TARGET[1].map(() => 1)],
      });
      const alone = run(model, parameters, { input_ids: [short], decoder_input_ids: [target] });
      const other = run(model, parameters, { input_ids: [SOURCE[1]], decoder_input_ids: [TARGET[1]] });
      const first = where === 'right' ? 0 : 3;
      short.forEach((_, i) => expect(distance(together.states![0][first + i], alone.states![0][i])).toBeLessThan(2e-5));
      target.forEach((_, i) => expect(distance(together.logits[0][i], alone.logits[0][i])).toBeLessThan(2e-5));
      TARGET[1].forEach((_, i) => expect(distance(together.logits[1][i], other.logits[0][i])).toBeLessThan(2e-5));
    });

    test('a missing mask means all ones, even with pad ids', () => {
      const model = tinyGemma();
      const parameters = tinyParameters(model);
      const source = replaced(SOURCE, 0, 7, 0);
      const ones = (rows: number[][]): number[][] => rows.map((row) => row.map(() => 1));
      const without = run(model, parameters, { input_ids: source, decoder_input_ids: TARGET });
      const masks = { attention_mask: ones(source), decoder_attention_mask: ones(TARGET) };
      const withMasks = run(model, parameters, { input_ids: source, decoder_input_ids: TARGET, ...masks });
      without.logits[0].forEach((row, i) => expect(distance(row, withMasks.logits[0][i])).toBeLessThan(1e-6));
      const masked = run(model, parameters, {
        input_ids: source,
        decoder_input_ids: TARGET,
        attention_mask: replaced(ones(source), 0, 7, 0),
      });
      expect(changed(without.logits, masked.logits).length).toBe(7);
    });

    test('a source of padding alone gives finite logits', () => {
      const model = tinyGemma();
      const fields = {
        input_ids: SOURCE,
        attention_mask: SOURCE.map((row) => row.map(() => 0)),
        decoder_input_ids: TARGET,
      };
      expect(run(model, tinyParameters(model), fields).logits.flat(2).every(Number.isFinite)).toBe(true);
    });

    test('the sides may differ in every size', () => {
      const model = tinyGemma({
        encoder: { layers: 2, hidden: 14, feedForward: 10, heads: 4, keyValueHeads: 2, headDim: 4, slidingWindow: 3 },
      });
      const { logits, states } = run(model, tinyParameters(model), { input_ids: SOURCE, decoder_input_ids: TARGET });
      expect([logits.length, logits[0].length, logits[0][0].length]).toEqual([2, 7, 37]);
      expect(states![0][0].length).toBe(14);
    });

    test('the gradient of a shared table is the sum of the gradients of two equal tables', () => {
      const untied = tinyGemma();
      const tied = tinyGemma({ tieEncoderEmbedding: true });
      const parameters = tinyParameters(untied);
      const [encoderTable, decoderTable] = ['encoder', 'decoder'].map((side) => `model.${side}.embed_tokens.weight`);
      parameters[encoderTable] = parameters[decoderTable].clone();
      const fields = tensors({ input_ids: replaced(SOURCE, 0, 2, 0), decoder_input_ids: replaced(TARGET, 1, 3, 0) });
      const gradientsOf = (model: GemmaModel, own: Parameters): Parameters =>
        valueAndGradients(
          (p) => ({ loss: model.forward(p, fields).logits.square().mean() as tf.Scalar, auxiliary: [] }),
          own,
        ).gradients;
      const separate = gradientsOf(untied, parameters);
      const { [encoderTable]: _table, ...rest } = parameters;
      expect(tied.parameters.map(({ name }) => name)).toEqual(Object.keys(rest));
      const shared = gradientsOf(tied, rest);
      const sum = separate[encoderTable].add(separate[decoderTable]);
      expect(Math.max(...sum.sub(shared[decoderTable]).abs().dataSync())).toBeLessThan(1e-6);
      // Quirk 6: the pad row gets no gradient from either lookup, but does from the tied output.
      const padRow = (gradient: tf.Tensor): number => Math.max(...gradient.slice([0, 0], [1, -1]).abs().dataSync());
      expect(padRow(separate[encoderTable])).toBe(0);
      expect(padRow(separate[decoderTable])).toBeGreaterThan(0);
    });
  });

  test('in a decoder-only model later tokens do not change earlier logits, and padding has no effect', () => {
    const model = tinyGemma({ kind: 'decoder-only' });
    const parameters = tinyParameters(model);
    const before = run(model, parameters, { input_ids: TARGET });
    expect(changed(before.logits, run(model, parameters, { input_ids: replaced(TARGET, 0, 4, 1) }).logits)).toEqual([
      4, 5, 6,
    ]);
    const padded = run(model, parameters, {
      input_ids: [[0, 0, ...TARGET[0]]],
      attention_mask: [[0, 0, 1, 1, 1, 1, 1, 1, 1]],
    });
    TARGET[0].forEach((_, i) => expect(distance(padded.logits[0][i + 2], before.logits[0][i])).toBeLessThan(2e-5));
  });

  test('the error for a missing field names it', () => {
    const model = tinyGemma();
    expect(() => model.forward(tinyParameters(model), tensors({ input_ids: SOURCE }))).toThrow(
      /"decoder_input_ids"; it was given input_ids/,
    );
  });

  test('the operations of a step are counted', () => {
    const model = tinyGemma({
      kind: 'decoder-only',
      decoder: { layers: 1, hidden: 4, feedForward: 8, heads: 1, keyValueHeads: 1, headDim: 4 },
      vocabularySize: 10,
    });
    // Multiply-adds of one row at length 1: projections 4*16, scores and mixing 2*4, feed-forward 3*32, logits 40.
    expect(model.flopsPerStep({ batch: 3, sourceLength: 0, targetLength: 1 })).toBe(6 * 3 * (64 + 8 + 96 + 40));
  });

  test('asGemma refuses other families and other kinds', () => {
    const model = tinyGemma();
    expect(asGemma(model, 'This')).toBe(model);
    expect(() => asGemma(model, 'This', 'decoder-only')).toThrow(
      /This makes decoder-only models, but the config asks for one that is encoder-decoder/,
    );
    expect(() => asGemma({ ...model, config: undefined } as never, 'This')).toThrow(
      /works on the model family "gemma" alone/,
    );
  });
});

test.each(['none', 'block'] as const)(
  'packed rows of merged attention give what each pair gives alone, with rematerialize %s',
  async (rematerialize) => {
    await openEngine({ mode: 'portable' });
    const decoder = { ...ODD_SIDE, layers: 6, slidingWindow: 3 };
    const model = tinyGemma({ family: 't5gemma2', decoder, rematerialize, bosTokenId: 2, eosTokenId: 1 });
    const parameters = tinyParameters(model);
    const ids = (row: readonly number[]): tf.Tensor => tf.tensor2d([[...row]], undefined, 'int32');
    const pairs = [
      { source: [5, 6, 7, 8], target: [2, 11, 12] },
      { source: [9, 10], target: [2, 13, 14, 15, 16] },
    ];
    const numbered = (side: 'source' | 'target'): number[] => pairs.flatMap((pair, i) => pair[side].map(() => i + 1));
    const packed = model.forward(parameters, {
      input_ids: ids([...pairs.flatMap(({ source }) => source), 0]),
      segment_ids: ids([...numbered('source'), 0]),
      decoder_input_ids: ids([...pairs.flatMap(({ target }) => target), 0]),
      decoder_segment_ids: ids([...numbered('target'), 0]),
    });
    let at = 0;
    for (const { source, target } of pairs) {
      const alone = model.forward(parameters, { input_ids: ids(source), decoder_input_ids: ids(target) });
      const own = packed.logits.dataSync().slice(at * 37, (at + target.length) * 37);
      expect(worstDifference(own, alone.logits.dataSync())).toBeLessThan(2e-5);
      at += target.length;
    }
  },
);
