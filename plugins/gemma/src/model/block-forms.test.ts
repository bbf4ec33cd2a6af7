/** Every family in every form in which its layers can be computed. Shapes as in layers.ts. */
import { runForward, type HostFields } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { numbers, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import { blocked, whole } from './attention';
import { crossRule, mergedRules, sideRules } from './attention-mask';
import type { GemmaModel } from './model';
import { crossMask, decoderSpans, mergedMasks, sideMasks } from './masks';

const SIDE = { layers: 7, hidden: 20, feedForward: 26, heads: 4, keyValueHeads: 2, headDim: 6, slidingWindow: 5 };
const TOKENS = { vocabularySize: 37, padTokenId: 0, bosTokenId: 2, eosTokenId: 1 };

const ids = (seed: number, length: number): Int32Array =>
  Int32Array.from(numbers(seed, 2 * length), (value) => 3 + Math.floor(((value + 1) / 2) * 33));
const field = (values: Int32Array, length: number) => ({ dtype: 'int32' as const, shape: [2, length], values });
/** The second row ends in padding. */
const mask = (length: number) =>
  field(
    Int32Array.from({ length: 2 * length }, (_, i) => Number(i < 2 * length - 3)),
    length,
  );

function inputsOf(model: GemmaModel): HostFields {
  const labels = { labels: field(ids(7, 11), 11) };
  if (model.kind === 'decoder-only') return { input_ids: field(ids(3, 11), 11), attention_mask: mask(11), ...labels };
  return {
    input_ids: field(ids(3, 9), 9),
    attention_mask: mask(9),
    decoder_input_ids: field(ids(5, 11), 11),
    decoder_attention_mask: mask(11),
    ...labels,
  };
}

describe.each(['gemma3', 't5gemma2', 'llama', 'qwen3'])('a model of the family %s', (family) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  async function loss(options: object): Promise<Record<string, Float32Array>> {
    const model = tinyGemma({ family, ...TOKENS, decoder: SIDE, ...options });
    const parameters = tinyParameters(model);
    const got = await runForward({
      engine,
      model,
      parameters,
      inputs: inputsOf(model),
      outputs: ['loss', 'gradients'],
    });
    tf.dispose(parameters);
    return Object.fromEntries(Object.entries(got).map(([name, { values }]) => [name, values as Float32Array]));
  }

  it('has the same loss and gradients whole, in blocks, and with blocks computed again', async () => {
    const expected = await loss({ attention: 'whole' });
    for (const options of [{ attention: 'blocked' }, { rematerialize: 'block' }]) {
      const got = await loss(options);
      for (const [name, values] of Object.entries(expected)) {
        const scale = Math.max(1e-3, ...values.map(Math.abs));
        const worst = Math.max(...values.map((value, i) => Math.abs(value - got[name][i])));
        if (!(worst <= 1e-4 * scale)) throw new Error(`${name} is off by ${worst} with ${JSON.stringify(options)}.`);
      }
    }
  });

  it('drops numbers in training by the same key alike, with blocks computed again', async () => {
    const key = tf.tensor1d([3, 4], 'int32');
    const rates = { attentionDropout: 0.3, ...(family === 't5gemma2' ? { dropout: 0.2 } : {}) };
    const logits = [{}, { rematerialize: 'block' }, {}].map((options, i) => {
      const model = tinyGemma({ family, ...TOKENS, decoder: SIDE, ...rates, ...options });
      const parameters = tinyParameters(model);
      const fields = Object.fromEntries(
        Object.entries(inputsOf(model)).map(([name, { values, shape }]) => [
          name,
          tf.tensor(values, [...shape], 'int32'),
        ]),
      );
      const how = i < 2 ? { training: true, randomKey: key } : {};
      const values = tf.tidy(() => model.forward(parameters, fields, how).logits.dataSync());
      tf.dispose([parameters, fields]);
      return Array.from(values);
    });
    expect(logits[1]).toEqual(logits[0]);
    expect(logits[2]).not.toEqual(logits[0]);
  });
});

describe('merged attention', () => {
  it('in blocks of four queries is what it is as a whole, with windows, padding and segments', async () => {
    await openEngine({ mode: 'portable' });
    const { config } = tinyGemma({ family: 't5gemma2', ...TOKENS, decoder: SIDE });
    const side = config.decoder;
    const [targets, sources] = [11, 9];
    const tensor = (seed: number, ...shape: number[]): tf.Tensor =>
      tf.tensor(
        numbers(
          seed,
          shape.reduce((a, b) => a * b, 1),
        ),
        shape,
      );
    const made = {
      keys: tensor(1, 2, side.keyValueHeads, targets + sources, side.headDim),
      values: tensor(2, 2, side.keyValueHeads, targets + sources, side.headDim),
    };
    const queries = tensor(3, 2, targets, side.heads, side.headDim);
    const numbered = (length: number, parts: number): tf.Tensor =>
      tf.tensor2d(
        Array.from({ length: 2 }, () => Array.from({ length }, (_, i) => 1 + Math.floor((i * parts) / length))),
        undefined,
        'int32',
      );
    const ones = (length: number): tf.Tensor =>
      tf.tensor2d([Array(length).fill(1), [...Array(length - 2).fill(1), 0, 0]] as number[][], undefined, 'int32');
    for (const [own, source] of [
      [{}, {}],
      [{ attention: ones(targets) }, { attention: ones(sources) }],
      [
        { attention: ones(targets), segments: numbered(targets, 2) },
        { attention: ones(sources), segments: numbered(sources, 2) },
      ],
    ]) {
      const spans = decoderSpans(targets, side.slidingWindow);
      const masks = mergedMasks(sideMasks(spans, targets, own), targets, {
        mask: crossMask(source, own),
        length: sources,
      });
      const rules = mergedRules(sideRules(spans, own), crossRule(source, own), sources);
      for (const type of ['full_attention', 'sliding_attention'] as const) {
        const expected = whole(masks[type]).rows(side, queries, made).dataSync();
        const got = blocked(rules[type], 4).rows(side, queries, made).dataSync();
        expect(Math.max(...got.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(1e-5);
      }
    }
  });
});
