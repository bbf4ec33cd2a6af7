/** Every pair of families, at tiny size: adapted, loaded, trained, saved and loaded again; and what is refused. */
import { CheckpointReader, readTokenizerFiles, writeCheckpoint } from '@graft/checkpoint';
import { checkTensors, createRandom, fillParameters, runForward, silentLogger, streamParameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { temporaryFolder, worstDifference } from '@graft/test-support';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ints, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { describeModel } from '../families/describe';
import { loadModel } from '../load/load-model';
import { readModelConfig, toCheckpointConfig } from '../model/config';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';
import { adaptCheckpoint, type AdaptReport, type AdaptRequest } from './adapt-checkpoint';
import { AdaptInitializer, adaptOptions } from './adapt-initializer';

const base = temporaryFolder();
const FAMILIES = ['gemma2', 'gemma3', 'llama', 'qwen3'] as const;
type FamilyId = (typeof FAMILIES)[number];

/** Widths by family all differ, and so do heads: nothing fits by accident. */
const SIZES: Readonly<Record<FamilyId, object>> = {
  gemma2: { layers: 2, hidden: 20, feedForward: 26, heads: 3, keyValueHeads: 1, headDim: 6, slidingWindow: 3 },
  gemma3: { layers: 7, hidden: 18, feedForward: 22, heads: 4, keyValueHeads: 2, headDim: 4, slidingWindow: 3 },
  llama: { layers: 2, hidden: 24, feedForward: 30, heads: 2, keyValueHeads: 1, headDim: 12 },
  qwen3: { layers: 3, hidden: 16, feedForward: 34, heads: 2, keyValueHeads: 2, headDim: 10 },
};
const TOKENS = { bosTokenId: 2, eosTokenId: 1, padTokenId: 0 };

function decoderOnly(family: FamilyId, decoder: object = SIZES[family], vocabularySize = 37): GemmaModel {
  return tinyGemma({ kind: 'decoder-only', family, decoder, vocabularySize, ...TOKENS });
}
const written = (name: string, family: FamilyId, decoder?: object, vocabularySize?: number, seed = 1) =>
  writeTiny(join(base, name), { config: decoderOnly(family, decoder, vocabularySize).config, seed });

const inputs = {
  input_ids: ints([[5, 9, 4, 30, 8, 7, 36, 3], [4, 4, 9, 11, 12, 0, 0, 0]]), // prettier-ignore
  attention_mask: ints([[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0, 0]]), // prettier-ignore
  decoder_input_ids: ints([[2, 14, 9, 33, 5], [2, 6, 7, 8, 9]]), // prettier-ignore
  labels: ints([[14, 9, 33, 5, 1], [6, 7, 8, 9, 1]]), // prettier-ignore
};

let engine: Engine;
const sources = {} as Record<FamilyId, string>;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
  for (const family of FAMILIES) sources[family] = await written(family, family);
});

let made = 0;
const adapt = (request: Omit<AdaptRequest, 'out'>): Promise<AdaptReport> =>
  adaptCheckpoint({ ...request, out: join(base, `out${made++}`) });

/** A model, saved as a run saves it, and read again. */
async function savedAgain(model: GemmaModel, parameters: Readonly<Record<string, tf.Tensor>>): Promise<string> {
  const out = join(base, `saved${made++}`);
  await writeCheckpoint(out, {
    config: model.checkpointConfig,
    tensors: Object.entries(parameters).map(([name, value]) => ({
      name,
      dtype: 'F32' as const,
      shape: value.shape,
      data: () => value.dataSync().slice() as Float32Array,
    })),
  });
  return out;
}

/** In the fast tests each family is with the next one; in the slow ones with all. */
const PAIRS = FAMILIES.flatMap((encoder, i) =>
  FAMILIES.filter((_, j) => process.env.GRAFT_SLOW || j === (i + 1) % FAMILIES.length).map(
    (decoder) => [encoder, decoder] as const,
  ),
);

test.each(PAIRS)(
  'an encoder of %s and a decoder of %s become a model that learns and is read back',
  async (...pair) => {
    const [encoder, decoder] = pair;
    const { out, family, crossAttention } = await adapt({ encoder: sources[encoder], decoder: sources[decoder] });
    const own = { gemma2: 't5gemma', gemma3: 't5gemma2' } as Record<string, string>;
    expect(family).toBe(encoder === decoder ? (own[encoder] ?? 'graft') : 'graft');
    expect(crossAttention).toBe(encoder !== decoder ? 'random' : encoder === 'gemma3' ? 'merged' : 'copied');
    const before = tf.memory().numTensors;
    const { model, parameters, dispose, unknownTensors } = await loadModel(out);
    expect(unknownTensors).toEqual([]);
    expect(readModelConfig(toCheckpointConfig(model.config))).toEqual(model.config);
    const wanted = ['loss', 'gradients'] as const;
    const first = await runForward({ engine, model, parameters, inputs, outputs: wanted });
    const trained = Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => {
        const { values, shape } = first[`grad.${name}`];
        return [name, tf.tidy(() => tf.sub(value, tf.mul(tf.tensor(values as Float32Array, [...shape]), 1e-3)))];
      }),
    );
    const then = await runForward({ engine, model, parameters: trained, inputs, outputs: ['loss'] });
    expect(then.loss.values[0]).toBeLessThan(first.loss.values[0]);
    const again = await loadModel(await savedAgain(model, trained));
    expect(again.model.config).toEqual(model.config);
    const reread = await runForward({ engine, model: again.model, parameters: again.parameters, inputs });
    expect(worstDifference(reread.logits.values, then.logits.values)).toBe(0);
    again.dispose();
    dispose();
    tf.dispose(trained);
    expect(tf.memory().numTensors).toBe(before);
  },
);

test.each(FAMILIES)(
  'each side of a pair of %s is its source: with a causal encoder, its states are the same',
  async (family) => {
    const { out } = await adapt({ encoder: sources[family], crossAttentionForm: 'separate' });
    const pair = await loadModel(out, { encoderAttention: 'causal', encoderWindow: 'strict' });
    const alone = await loadModel(sources[family]);
    const [states, expected] = [
      pair.model.encode(pair.parameters, fields()),
      alone.model.decoderStates(alone.parameters, fields()),
    ];
    expect(worstDifference(states.dataSync(), expected.dataSync())).toBeLessThan(1e-5);
    pair.dispose();
    alone.dispose();
  },
);
const fields = (): Record<string, tf.Tensor> => ({
  input_ids: tf.tensor(inputs.input_ids.values.slice(0, 8), [1, 8], 'int32'),
});

test('norms within copied cross-attention are copied, and those of random cross-attention begin at gain 1', async () => {
  const name = 'model.decoder.layers.1.cross_attn.k_norm.weight';
  const read = async ({ out }: AdaptReport, of: string): Promise<number[]> => {
    const reader = await CheckpointReader.open(out);
    const values = Array.from(await reader.readFloat32(of));
    await reader.close();
    return values;
  };
  const copied = await adapt({ encoder: sources.qwen3 });
  expect(await read(copied, name)).toEqual(await read(copied, name.replace('cross_attn', 'self_attn')));
  const fresh = await adapt({ encoder: sources.qwen3, crossAttention: 'random' });
  expect(new Set(await read(fresh, name))).toEqual(new Set([1]));
});

test('the initializer provides what adaptCheckpoint writes, and says how it was made', async () => {
  const pair = { encoder: sources.llama, decoder: sources.gemma3, random: ['cross-attention'] as const };
  const { out, crossAttentionReason } = await adapt(pair);
  const initializer = new AdaptInitializer(adaptOptions.parse(pair), silentLogger());
  const model = new GemmaModel(resolveModelConfig(modelOptions.parse({}), await initializer.checkpointConfig()));
  const parameters = await fillParameters(model, initializer, createRandom(0).fork('adapt'));
  const reader = await CheckpointReader.open(out);
  expect(await checkTensors(model, reader)).toEqual([]);
  for await (const [name, value] of streamParameters(model, reader)) {
    expect([name, worstDifference(parameters[name].dataSync(), value.dataSync())]).toEqual([name, 0]);
    value.dispose();
  }
  await reader.close();
  tf.dispose(parameters);
  const { adapted } = JSON.parse(readFileSync(join(out, 'graft.json'), 'utf8')) as { adapted: object };
  const { seed: _seed, dtype: _dtype, ...shared } = adapted as Record<string, unknown>;
  expect(await initializer.record(model)).toEqual({ adapted: shared });
  expect(shared).toMatchObject({
    crossAttention: { is: 'random', reason: crossAttentionReason },
    encoder: sources.llama,
  });
});

describe('the form of a pair', () => {
  test('merged attention of other families than Gemma 3 has the layout of Graft, and no parameters of cross-attention', async () => {
    const report = await adapt({ encoder: sources.llama, crossAttentionForm: 'merged' });
    expect(report).toMatchObject({ family: 'graft', crossAttention: 'merged', random: [] });
    expect(report).not.toHaveProperty('crossAttentionNorms');
    const { model, dispose } = await loadModel(report.out);
    expect(model.parameters.filter(({ part }) => part === 'cross-attention')).toEqual([]);
    expect(describeModel(model.config)).toEqual([
      expect.stringMatching(/^encoder: layers of Llama; .*SiLU.*37 tokens$/),
      expect.stringMatching(/^decoder: layers of Llama; .*merged cross-attention.*37 tokens$/),
    ]);
    dispose();
  });

  test('two different Gemma 3 have two tables, unless one is asked for and their tables are equal', async () => {
    const encoder = sources.gemma3;
    const other = await written('gemma3-other', 'gemma3', undefined, undefined, 5);
    expect(await adapt({ encoder, decoder: other })).toMatchObject({ family: 'graft', crossAttention: 'copied' });
    const merged = { encoder, decoder: other, crossAttentionForm: 'merged' } as const;
    expect(await adapt(merged)).toMatchObject({ family: 'graft', crossAttention: 'merged' });
    await expect(adapt({ ...merged, tieEncoderEmbedding: true })).rejects.toMatchObject({ code: 'gemma.tied-tables' });
    const twin = await written('gemma3-twin', 'gemma3');
    const tied = await adapt({ ...merged, decoder: twin, tieEncoderEmbedding: true });
    expect(tied).toMatchObject({ family: 't5gemma2', crossAttention: 'merged' });
    expect(await adapt({ encoder, tieEncoderEmbedding: false })).toMatchObject({ family: 'graft' });
    expect(await adapt({ encoder, crossAttention: 'random' })).toMatchObject({
      family: 'graft',
      crossAttention: 'random',
    });
  });

  test.each([
    [
      'widths in merged attention',
      { encoder: 'llama', decoder: 'qwen3', crossAttentionForm: 'merged' },
      "merged attention reads the encoder's states by the decoder's own projections, but the encoder's hidden size is 24, the decoder's 16",
    ],
    [
      'widths under one table',
      { encoder: 'llama', decoder: 'gemma2', tieEncoderEmbedding: true },
      "the two sides cannot share one embedding table: the encoder's hidden size is 24, the decoder's 20",
    ],
    [
      'a copy between sides of different heads',
      { encoder: 'gemma2', decoder: 'qwen3', crossAttention: 'copy' },
      "its keys and values are [20, 16], but the encoder's hidden size 20 wants [20, 20]",
    ],
    [
      'initial values that merged attention does not have',
      { encoder: 'gemma3', crossAttentionForm: 'merged', crossAttention: 'random', random: ['cross-attention'] },
      'has no parameters of cross-attention, but crossAttention: random and random: [cross-attention] would set',
    ],
  ] as const)('%s are refused with what clashes', async (_what, request, message) => {
    const { encoder, decoder, ...choices }: { encoder: FamilyId; decoder?: FamilyId } & object = request;
    const folders = { encoder: sources[encoder], decoder: decoder && sources[decoder] };
    const refused = adapt({ ...folders, ...choices });
    await expect(refused).rejects.toMatchObject({ message: expect.stringContaining(message) as string, exitCode: 2 });
  });

  test('sides may have vocabularies of their own, but not one table for them', async () => {
    const decoder = await written('qwen3-large', 'qwen3', undefined, 41);
    const { out } = await adapt({ encoder: sources.llama, decoder });
    const { model, dispose } = await loadModel(out);
    expect(model.config).toMatchObject({ encoder: { vocabularySize: 37 }, decoder: { vocabularySize: 41 } });
    dispose();
    const same = await written('llama-large', 'llama', undefined, 41);
    await expect(adapt({ encoder: sources.llama, decoder: same, tieEncoderEmbedding: true })).rejects.toThrow(
      "the encoder's vocabulary has 37 tokens, the decoder's 41; they should be one vocabulary",
    );
  });
});

describe('tokenizers', () => {
  const withTokenizer = async (name: string, tokenizer: object, indent = 0): Promise<string> => {
    const folder = await written(name, 'llama');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer, null, indent));
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ name }));
    return folder;
  };

  test("sides whose tokenizers differ keep both, and those that cut texts alike keep the decoder's", async () => {
    const one = await withTokenizer('words', { model: { vocab: { a: 3, b: 4 } } });
    const alike = await withTokenizer('same-words', { model: { vocab: { b: 4, a: 3 } } }, 2);
    const other = await withTokenizer('other-words', { model: { vocab: { a: 4, b: 3 } } });
    const single = await adapt({ encoder: one, decoder: alike });
    expect(single.hasTwoTokenizers).toBe(false);
    expect(Object.keys(await readTokenizerFiles(single.out))).toEqual(['tokenizer.json', 'tokenizer_config.json']);
    const two = await adapt({ encoder: one, decoder: other });
    expect(two.hasTwoTokenizers).toBe(true);
    const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(two.out, ...path), 'utf8'));
    expect(read('tokenizer_config.json')).toEqual({ name: 'other-words' });
    expect(read('encoder_tokenizer', 'tokenizer_config.json')).toEqual({ name: 'words' });
    expect(read('encoder_tokenizer', 'tokenizer.json')).toEqual({ model: { vocab: { a: 3, b: 4 } } });
    await expect(adapt({ encoder: one, decoder: other, tieEncoderEmbedding: true })).rejects.toMatchObject({
      code: 'gemma.tied-tokenizers',
    });
  });
});
