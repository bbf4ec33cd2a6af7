/** The function-preserving form: what the decoder-only source computes, and the way from it to the pair's own form. */
import { generate, runForward } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { ints, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { readModelConfig, toCheckpointConfig } from './config';
import type { EncoderDecoderConfig, SideConfig } from './config-types';
import { GemmaModel } from './model';
import { distancesOf, layersMask, maskBetween, statesMask } from './preserving';
import { mapName } from '../adapt/name-mapping';
import { familyOf } from '../families';

const SIDE = { layers: 7, hidden: 20, feedForward: 26, heads: 4, keyValueHeads: 2, headDim: 6, slidingWindow: 4 };
const FAMILIES = ['gemma2', 'gemma3', 'llama', 'qwen3'] as const;
type FamilyId = (typeof FAMILIES)[number];
/** Those whose layers differ most: windows, and norms of queries and keys. The slow tests take all. */
const QUICK = process.env.GRAFT_SLOW ? FAMILIES : (['gemma3'] as const);

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});

/** Real tokens of each row: the source has padding on either side, the target behind. */
const SOURCES = [[5, 9, 4, 30, 8, 7, 36, 3], [4, 9, 11, 12, 13], [6, 31, 22]]; // prettier-ignore
const TARGETS = [[2, 14, 9, 33, 5, 8, 21], [2, 6, 7, 8, 9, 3], [2, 17, 18, 19, 20]]; // prettier-ignore
const padded = (
  rows: readonly (readonly number[])[],
  length: number,
  left = -1,
): { ids: number[][]; mask: number[][] } => {
  const fill = (row: readonly number[], i: number, of: (id: number) => number): number[] => {
    const padding = Array<number>(length - row.length).fill(0);
    return i === left ? [...padding, ...row.map(of)] : [...row.map(of), ...padding];
  };
  return { ids: rows.map((row, i) => fill(row, i, (id) => id)), mask: rows.map((row, i) => fill(row, i, () => 1)) };
};
const source = padded(SOURCES, 8, 2);
const target = padded(TARGETS, 7);
const inputs = {
  input_ids: ints(source.ids),
  attention_mask: ints(source.mask),
  decoder_input_ids: ints(target.ids),
  decoder_attention_mask: ints(target.mask),
  labels: ints(target.ids.map((row) => row.map((id) => (id === 0 ? -100 : id)))),
};

interface Pair {
  readonly alone: GemmaModel;
  readonly ofAlone: Record<string, tf.Tensor>;
  readonly config: EncoderDecoderConfig;
  readonly parameters: Record<string, tf.Tensor>;
  dispose(): void;
}

/** A decoder-only model, and the pair that it becomes. */
function pairOf(family: FamilyId, side: object = SIDE): Pair {
  const alone = tinyGemma({ kind: 'decoder-only', family, decoder: side, bosTokenId: 2, eosTokenId: 1, padTokenId: 0 });
  const ofAlone = tinyParameters(alone, 3);
  const { decoder, initializerRange } = alone.config;
  const own = { ...decoder, family, block: { ...decoder.block, crossAttention: 'merged' as const } };
  const config: EncoderDecoderConfig = {
    kind: 'encoder-decoder',
    family: 'graft',
    encoder: own,
    decoder: own,
    encoderWindow: 'strict',
    tieEncoderEmbedding: false,
    initializerRange,
  };
  const names = { encoder: familyOf(alone.config).names.decoder, decoder: familyOf(alone.config).names.decoder };
  const parameters = Object.fromEntries(
    new GemmaModel(config).parameters.map(({ name }) => [name, ofAlone[mapName(name, names)!.source].clone()]),
  );
  return { alone, ofAlone, config, parameters, dispose: () => tf.dispose([ofAlone, parameters]) };
}

/** The decoder-only model's logits of [source, target] at the target's positions, row by row. */
async function expectedLogits({ alone, ofAlone }: Pair): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (const [i, own] of SOURCES.entries()) {
    const { logits } = await runForward({
      engine,
      model: alone,
      parameters: ofAlone,
      inputs: { input_ids: ints([[...own, ...TARGETS[i]]]) },
    });
    rows.push((logits.values as Float32Array).slice(own.length * 37));
  }
  return rows;
}

async function logitsOf(model: GemmaModel, parameters: Record<string, tf.Tensor>): Promise<Float32Array[]> {
  const { logits } = await runForward({ engine, model, parameters, inputs });
  return TARGETS.map((row, i) => (logits.values as Float32Array).slice(i * 7 * 37, (i * 7 + row.length) * 37));
}

const worst = (got: readonly Float32Array[], expected: readonly Float32Array[]): number =>
  Math.max(...got.map((row, i) => worstDifference(row, expected[i])));

test.each(FAMILIES)('at its beginning a pair of %s gives the logits of its decoder-only source', async (family) => {
  const pair = pairOf(family);
  const expected = await expectedLogits(pair);
  const form = { ...pair.config, functionPreserving: { done: 0 } };
  expect(worst(await logitsOf(new GemmaModel(form), pair.parameters), expected)).toBeLessThan(1e-4);
  const again = new GemmaModel({ ...form, rematerialize: true });
  expect(worst(await logitsOf(again, pair.parameters), expected)).toBeLessThan(1e-4);
  // Its own form does not.
  expect(worst(await logitsOf(new GemmaModel(pair.config), pair.parameters), expected)).toBeGreaterThan(0.1);
  pair.dispose();
});

test.each(QUICK)(
  'generation in the first form continues a text as the source of a pair of %s does, with its cache',
  async (family) => {
    const pair = pairOf(family);
    const model = new GemmaModel({ ...pair.config, functionPreserving: { done: 0 } });
    const given = [[2, 14, 9], [2], [2, 17]]; // prettier-ignore
    const prompts = given.map((row) => [...Array<number>(3 - row.length).fill(0), ...row]);
    const promptMask = prompts.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
    const fields = { ...inputs, decoder_input_ids: ints(prompts), decoder_attention_mask: ints(promptMask) };
    const { labels: _labels, ...read } = fields;
    const request = { maxNewTokens: 18, eos: [] };
    const got = await generate(engine, model, pair.parameters, { fields: read, ...request });
    for (const [i, own] of SOURCES.entries()) {
      const ids = [...own, ...given[i]];
      const alone = { input_ids: ints([ids]), attention_mask: ints([ids.map(() => 1)]) };
      const [expected] = await generate(engine, pair.alone, pair.ofAlone, { fields: alone, ...request });
      const continued = (row: ArrayLike<number>, from: number): number[] => Array.from(row).slice(from, from + 18);
      expect(continued(got[i], given[i].length)).toEqual(continued(expected, ids.length));
    }
    pair.dispose();
  },
);

describe('the way to the own form', () => {
  const STEPS = 4;
  const started = ({ config }: Pair): GemmaModel =>
    new GemmaModel({ ...config, functionPreserving: { done: 0, steps: STEPS } });

  test('it begins as the first form and ends as the own form, to the last bit', async () => {
    const pair = pairOf('gemma3');
    const { transition, ...model } = { transition: started(pair).transition!, steps: STEPS };
    expect(transition.steps).toBe(model.steps);
    const first = await logitsOf(new GemmaModel({ ...pair.config, functionPreserving: { done: 0 } }), pair.parameters);
    expect(worst(await logitsOf(transition.at(0) as GemmaModel, pair.parameters), first)).toBe(0);
    const end = transition.at(STEPS) as GemmaModel;
    expect(end.config).toEqual(pair.config);
    expect(end.transition).toBeUndefined();
    const own = await logitsOf(new GemmaModel(pair.config), pair.parameters);
    expect(worst(await logitsOf(end, pair.parameters), own)).toBe(0);
    // The last step before the end is on its way.
    const before = worst(await logitsOf(transition.at(STEPS - 1e-4) as GemmaModel, pair.parameters), own);
    expect(before).toBeLessThan(0.05);
    pair.dispose();
  });

  test.each([0, 3])(
    'a compiled step that is given %i steps computes what the model after as many steps does',
    async (steps) => {
      const pair = pairOf('gemma2', { ...SIDE, layers: 2 });
      const { transition } = started(pair);
      const [fixed, given] = [transition!.at(steps), transition!.at(tf.scalar(steps))] as GemmaModel[];
      const outputs = ['loss', 'gradients'] as const;
      const one = await runForward({ engine, model: fixed, parameters: pair.parameters, inputs, outputs });
      const two = await runForward({ engine, model: given, parameters: pair.parameters, inputs, outputs });
      for (const name of Object.keys(one))
        expect([name, worstDifference(two[name].values, one[name].values)]).toEqual([name, expect.closeTo(0, 5)]);
      const again = new GemmaModel({ ...fixed.config, rematerialize: true });
      const three = await runForward({ engine, model: again, parameters: pair.parameters, inputs, outputs });
      for (const name of Object.keys(one))
        expect([name, worstDifference(three[name].values, one[name].values)]).toEqual([name, expect.closeTo(0, 5)]);
      pair.dispose();
    },
  );

  test('the weights of keys that one form sees are those of the progress', () => {
    const weightsOf = (mask: tf.Tensor | undefined): number[] => Array.from(tf.exp(mask!).dataSync());
    const back = { ahead: 0, behind: 1 };
    const around = { ahead: 1, behind: 0 };
    // Of three tokens, the middle one: the first form sees those up to itself, the other one those from itself on.
    for (const progress of [0.25, tf.scalar(0.25)] as const)
      expect(weightsOf(maskBetween(3, [back, around], progress)).slice(3, 6)).toEqual([0.75, 1, 0.25].map(close));
    expect(weightsOf(maskBetween(3, [back, around], tf.scalar(0))).slice(3, 6)).toEqual([1, 1, 0].map(close));
    // Tokens 3, 2 and 1 before a target of two: a window of 3 ends behind the first of them, then behind the second.
    const side = { slidingWindow: 3 } as SideConfig;
    const source = { distances: distancesOf(1, 3), progress: 0.25 };
    const masks = layersMask(side, 'sliding_attention', source, tf.range(0, 2, 1), undefined);
    expect(weightsOf(masks)).toEqual([0, 0.75, 0.75, 0, 0, 0.75].map(close));
    expect(weightsOf(statesMask(0.25, 2, undefined))).toEqual([0.25, 0.25].map(close));
  });
  const close = (value: number): number => expect.closeTo(value, 6) as number;

  test('between the forms generation with its cache chooses what the whole sequence gives', async () => {
    const pair = pairOf('gemma3');
    const model = started(pair).transition!.at(2) as GemmaModel;
    const { input_ids, attention_mask } = inputs;
    const rows = await generate(engine, model, pair.parameters, {
      fields: { input_ids, attention_mask },
      maxNewTokens: 18,
      eos: [],
    });
    const decoder_input_ids = ints(rows.map((row) => [2, ...Array.from(row).slice(-18, -1)]));
    const fields = { input_ids, attention_mask, decoder_input_ids };
    const { logits } = await runForward({ engine, model, parameters: pair.parameters, inputs: fields });
    const best = Array.from({ length: 3 * 18 }, (_, at) => {
      const own = Array.from(logits.values.slice(at * 37, (at + 1) * 37));
      return own.indexOf(Math.max(...own));
    });
    expect(rows.flatMap((row) => Array.from(row).slice(-18))).toEqual(best);
    pair.dispose();
  });

  test('config.json says how far it is, and what it should not say is refused', () => {
    const pair = pairOf('gemma3');
    const later = started(pair).transition!.at(3) as GemmaModel;
    const json = later.checkpointConfig;
    expect(json.function_preserving).toEqual({ done: 3, steps: STEPS });
    expect(readModelConfig(json)).toEqual(later.config);
    expect(new GemmaModel(readModelConfig(json) as EncoderDecoderConfig).transition!.steps).toBe(1);
    const config = toCheckpointConfig(pair.config);
    expect(() => readModelConfig({ ...config, function_preserving: { done: 4, steps: 4 } })).toThrow(
      /with steps above done, but is/,
    );
    const separate = { ...config, cross_attention: 'separate', function_preserving: { done: 0 } };
    expect(() => readModelConfig(separate)).toThrow(/has merged attention, but this pair has separate cross-attention/);
    pair.dispose();
  });

  test('packed rows are refused', () => {
    const pair = pairOf('llama');
    const ids = (rows: readonly (readonly number[])[]): tf.Tensor =>
      tf.tensor2d(rows as number[][], undefined, 'int32');
    const packed = { input_ids: ids(source.ids), segment_ids: ids(source.mask), decoder_input_ids: ids(target.ids) };
    expect(() => started(pair).forward(pair.parameters, packed)).toThrow(
      /reads one sequence in a row, but the rows are packed/,
    );
    tf.dispose(packed);
    pair.dispose();
  });
});
