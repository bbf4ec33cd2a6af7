/** Text behind its start token, as the published tokenizers give it by default: the published losses, alone and packed. */
import { createRandom, modelInput, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine, type Jitted, type EngineMode } from '@graft/engine';
import { loadModel, type LoadedModel } from '@graft/gemma';
import { CausalLm } from '@graft/objectives';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTokenizer } from '../../plugins/text/test-support/datasets';
import { describeIf, SHARED } from '../support';
import { describeWithTokenizer } from '../support/real-tokenizers';
import { expectedTensors, fixture, MISSING, NATIVE_MODES, SLOW_PJRT_MODES, TOLERANCE } from './reference';

const ids = (values: readonly number[]): HostArray => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});

/** Nats of each id but the first of a row, by the published logits [rows, length, vocabulary]. */
function publishedLosses({ logits, input_ids: { values, shape }, attention_mask: mask }: HostFields): number[][] {
  const [rows, length] = shape;
  const vocabulary = logits.shape[2];
  return Array.from({ length: rows }, (_, row) => {
    const positions = Array.from({ length: length - 1 }, (__, i) => row * length + i);
    return positions
      .filter((at) => mask.values[at] === 1 && mask.values[at + 1] === 1)
      .map((at) => {
        const own = Array.from(logits.values.subarray(at * vocabulary, (at + 1) * vocabulary));
        const most = Math.max(...own);
        return most + Math.log(own.reduce((sum, x) => sum + Math.exp(x - most), 0)) - own[values[at + 1]];
      });
  });
}

const folder = fixture('gemma2-tiny');

describeIf(folder !== undefined, MISSING, 'causal-lm on texts without a start token', () => {
  const objective = new CausalLm({ padToMultipleOf: 8, labelSmoothing: 0, zLoss: 0 });
  let expected: HostFields;
  let texts: number[][];
  let losses: number[][];
  let loaded: LoadedModel;

  beforeAll(async () => {
    await openEngine();
    expected = await expectedTensors(folder!);
    losses = publishedLosses(expected);
    const { values, shape } = expected.input_ids;
    // Without the start token that the published tokenizer put there.
    texts = losses.map((row, i) => Array.from(values.subarray(i * shape[1] + 1, i * shape[1] + 1 + row.length)));
    loaded = await loadModel(folder!);
  });
  afterAll(() => loaded.dispose());

  type Loss = Jitted<[Parameters, Record<string, tf.Tensor>], tf.Scalar>;
  const compile = (engine: Engine): Loss =>
    engine.jit(
      (own: Parameters, given: Record<string, tf.Tensor>) =>
        objective.loss(loaded.model, own, given, { training: false }).loss,
      { name: 'startToken' },
    );

  async function lossOf(compute: Loss, examples: readonly HostFields[]): Promise<number> {
    const { model, parameters } = loaded;
    const context = { model, random: createRandom(0) };
    const fields = objective.prepare({ kind: 'examples', examples }, context);
    const batch = Object.fromEntries(
      Object.entries(fields).map(([name, { values, shape, dtype }]) => [name, tf.tensor(values, [...shape], dtype)]),
    );
    const loss = await compute.async(parameters, batch);
    const [value] = await loss.data();
    tf.dispose([loss, ...Object.values(batch)]);
    return value;
  }

  test.each<EngineMode>([...NATIVE_MODES, 'portable', ...SLOW_PJRT_MODES])(
    'each text, and both together, have the published loss on %s',
    async (mode) => {
      const compute = compile(await openEngine({ mode }));
      const all = losses.flat();
      const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
      for (const [i, text] of texts.entries())
        expect(Math.abs((await lossOf(compute, [{ tokens: ids(text) }])) - mean(losses[i]))).toBeLessThan(
          TOLERANCE.loss,
        );
      const both = await lossOf(
        compute,
        texts.map((text) => ({ tokens: ids(text) })),
      );
      expect(Math.abs(both - mean(all))).toBeLessThan(TOLERANCE.loss);
      const segments = ids([...texts.flatMap((text, i) => text.map(() => i + 1)), 0, 0]);
      const packed = await lossOf(compute, [{ tokens: ids([...texts.flat(), 0, 0]), segments }]);
      expect(Math.abs(packed - mean(all))).toBeLessThan(TOLERANCE.loss);
      // A text that brings its start token is the same text.
      const withOwnStart = await lossOf(
        compute,
        texts.map((text) => ({ tokens: ids([2, ...text]) })),
      );
      expect(Math.abs(withOwnStart - mean(all))).toBeLessThan(TOLERANCE.loss);
      compute.dispose();
    },
  );
});

const real = join(SHARED ?? '', 'fixtures2', 'real', 'expected.json');

describeIf(SHARED !== undefined, 'the reference numbers are not beside the repository', 'published token ids', () => {
  describeWithTokenizer('gemma3', "Gemma 3's tokenizer", (path) => {
    it('a decoder-only model reads a text as the published tokenizer encodes it', async () => {
      const cases = JSON.parse(readFileSync(real, 'utf8')) as Record<string, { text: string; ids: number[] }[]>;
      const tokenizer = await openTokenizer(path);
      const specialTokens = { pad: 0, start: 2, eos: [1] };
      for (const { text, ids: published } of cases['gemma-3-270m']) {
        const read = modelInput({ kind: 'decoder-only', specialTokens }, tokenizer.encode(text));
        expect([...read]).toEqual(published);
      }
    });
  });
});
