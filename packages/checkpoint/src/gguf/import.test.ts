import { failureOf, ROOT, temporaryFolder } from '@graft/test-support';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  craftGguf,
  floats,
  stored,
  type CraftedGguf,
  type CraftedTensor,
  type Stored,
} from '../../test-support/gguf-file';
import { CheckpointReader } from '../folder/checkpoint-reader';
import { shortFloat } from './architecture';
import { importGguf } from './import';
import { llama3Scaling } from './rope';

const FIXTURES = join(ROOT, 'test', 'golden', 'fixtures', 'gguf');
const fixture = (name: string): string => join(FIXTURES, `${name}.gguf`);

async function imported(file: string, dtype?: string): Promise<CheckpointReader> {
  const out = join(temporaryFolder(), 'out');
  await importGguf({ file, out, dtype });
  return CheckpointReader.open(out);
}

describe('files as the converter of llama.cpp writes them', () => {
  it.each(['gemma2', 'gemma3', 'llama', 'llama-scores', 'qwen3'])(
    'every tensor of %s has its published name, order of rows and values, to the last bit',
    async (name) => {
      const reader = await imported(fixture(name), 'float32');
      const got: Record<string, unknown> = {};
      for (const { name: tensor, shape } of reader.tensors.values())
        got[tensor] = [
          shape,
          createHash('sha256')
            .update(await reader.readBytes(tensor))
            .digest('hex'),
        ];
      expect(got).toEqual(JSON.parse(readFileSync(join(FIXTURES, `${name}.expected.json`), 'utf8')));
      await reader.close();
    },
  );

  const common = {
    attention_bias: false,
    head_dim: 16,
    hidden_size: 32,
    intermediate_size: 64,
    max_position_embeddings: 512,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  };
  const [sliding, full] = ['sliding_attention', 'full_attention'];
  const gemma = { ...common, bos_token_id: 2, eos_token_id: 1, pad_token_id: 0, sliding_window: 8, rms_norm_eps: 1e-6 };
  const others = { ...common, rms_norm_eps: 1e-5, hidden_act: 'silu', rope_theta: 500_000 };

  it.each<[string, Record<string, unknown>]>([
    [
      'gemma2',
      {
        ...gemma,
        model_type: 'gemma2',
        architectures: ['Gemma2ForCausalLM'],
        num_hidden_layers: 2,
        layer_types: [sliding, full],
        attn_logit_softcapping: 50,
        final_logit_softcapping: 30,
        query_pre_attn_scalar: 16,
        rope_theta: 10_000,
        rope_scaling: null,
        tie_word_embeddings: true,
        dtype: 'float16',
      },
    ],
    [
      'gemma3',
      {
        ...gemma,
        model_type: 'gemma3_text',
        num_hidden_layers: 7,
        layer_types: [sliding, sliding, sliding, sliding, sliding, full, sliding],
        rope_theta: 1_000_000,
        rope_local_base_freq: 10_000,
        rope_scaling: { rope_type: 'linear', factor: 8 },
        dtype: 'float32',
      },
    ],
    [
      'llama',
      {
        ...others,
        model_type: 'llama',
        tie_word_embeddings: true,
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 8192,
        },
      },
    ],
    ['llama-scores', { ...others, model_type: 'llama', tie_word_embeddings: false, rope_scaling: null }],
    ['qwen3', { ...others, model_type: 'qwen3', use_sliding_window: false, dtype: 'bfloat16' }],
  ])('the config.json of %s is the published one', async (name, expected) => {
    const reader = await imported(fixture(name));
    expect(await reader.config()).toMatchObject(expected);
    await reader.close();
  });

  it('a model whose texts have no BOS says so, in the key that every command of Graft follows', async () => {
    const [without, with_] = [await imported(fixture('qwen3')), await imported(fixture('gemma2'))];
    expect(await without.config()).toMatchObject({ special_token_policy: { decoder: { bos: false } } });
    expect(await with_.config()).not.toHaveProperty('special_token_policy');
    await without.close();
    await with_.close();
  });

  it('the ids that end a text are those of the file and of the chat template', async () => {
    const reader = await imported(fixture('qwen3'));
    expect(await reader.generationConfig()).toEqual({ eos_token_id: [0, 2] });
    expect(readdirSync(reader.path).sort()).toEqual([
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'graft.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await reader.close();
  });

  it('a report counts parameters and formats, and says what takes the place of tokens that the file does not name', async () => {
    const file = fixture('llama');
    const report = await importGguf({ file, out: join(temporaryFolder(), 'out'), dtype: 'bf16' });
    expect(report).toMatchObject({ modelType: 'llama', tensors: 20, dtype: 'bfloat16', formats: { Q8_0: 15, F32: 5 } });
    expect(report.bytes).toBe(2 * report.parameters);
    expect(report.notes).toEqual([
      `${file} names no BOS token; "<|end|>" takes its place.`,
      `${file} names no padding token; "<|end|>" takes its place.`,
    ]);
  });

  it('pieces of tensors are in memory, not all of a tensor', async () => {
    const rows = 96_000;
    const shape = [rows, 32];
    const big = craftGguf(
      tiny({
        tensors: { 'token_embd.weight': { name: 'token_embd.weight', shape, data: Buffer.alloc(rows * 128) } },
        rows,
      }),
    );
    const sizes: number[] = [];
    let before = 0;
    await importGguf({
      file: big,
      out: join(temporaryFolder(), 'out'),
      onProgress: ({ doneBytes }) => {
        sizes.push(doneBytes - before);
        before = doneBytes;
      },
    });
    expect(before).toBeGreaterThan(rows * 128);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2 ** 20);
  });
});

it('an import that is interrupted leaves nothing that looks like a checkpoint, and --resume finishes it', async () => {
  const out = join(temporaryFolder(), 'out');
  const file = fixture('gemma3');
  const stop = new AbortController();
  const request = { file, out, maxShardBytes: 40_000 };
  const failure = await failureOf(
    importGguf({ ...request, signal: stop.signal, onProgress: ({ doneBytes }) => doneBytes > 100_000 && stop.abort() }),
  );
  expect(failure).toMatchObject({ code: 'checkpoint.import-interrupted' });
  expect(existsSync(out)).toBe(false);
  const first: number[] = [];
  await importGguf({ ...request, resume: true, onProgress: ({ doneBytes }) => first.push(doneBytes) });
  expect(first[0]).toBeGreaterThan(0);
  const [one, two] = [await CheckpointReader.open(out), await imported(file)];
  for (const name of two.tensors.keys()) expect(await one.readBytes(name)).toEqual(await two.readBytes(name));
  await one.close();
  await two.close();
});

/** A llama with one layer of width 32 and two tokens, apart from what is asked for. */
function tiny(change: {
  readonly keys?: Readonly<Record<string, Stored | undefined>>;
  readonly tensors?: Readonly<Record<string, CraftedTensor | undefined>>;
  readonly rows?: number;
}): CraftedGguf {
  const { rows = 2 } = change;
  const keys: Record<string, Stored | undefined> = {
    'general.architecture': stored.text('llama'),
    'llama.block_count': stored.uint32(1),
    'llama.context_length': stored.uint32(64),
    'llama.embedding_length': stored.uint32(32),
    'llama.feed_forward_length': stored.uint32(8),
    'llama.attention.head_count': stored.uint32(2),
    'llama.rope.freq_base': stored.float32(10_000),
    'tokenizer.ggml.model': stored.text('gpt2'),
    'tokenizer.ggml.pre': stored.text('gpt-2'),
    'tokenizer.ggml.tokens': stored.texts(Array.from({ length: rows }, (_, i) => (i < 2 ? 'ab'[i] : `t${i}`))),
    'tokenizer.ggml.merges': stored.texts([]),
    'tokenizer.ggml.eos_token_id': stored.uint32(1),
    ...change.keys,
  };
  const tensor = (name: string, ...shape: number[]): CraftedTensor => ({
    name,
    shape,
    data: floats(...new Array<number>(shape.reduce((product, size) => product * size)).fill(1)),
  });
  const tensors: Record<string, CraftedTensor | undefined> = Object.fromEntries(
    [
      tensor('token_embd.weight', 2, 32),
      tensor('output_norm.weight', 32),
      tensor('blk.0.attn_norm.weight', 32),
      ...['q', 'k', 'v', 'output'].map((part) => tensor(`blk.0.attn_${part}.weight`, 32, 32)),
      tensor('blk.0.ffn_norm.weight', 32),
      tensor('blk.0.ffn_gate.weight', 8, 32),
      tensor('blk.0.ffn_up.weight', 8, 32),
      tensor('blk.0.ffn_down.weight', 32, 8),
    ].map((one) => [one.name, one]),
  );
  const present = <T>(some: Readonly<Record<string, T | undefined>>): Record<string, T> =>
    Object.fromEntries(Object.entries(some).filter((entry): entry is [string, T] => entry[1] !== undefined));
  return { keys: present(keys), tensors: Object.values(present({ ...tensors, ...change.tensors })) };
}

it('the tiny model of the following tests is imported', async () => {
  const reader = await imported(craftGguf(tiny({})));
  expect(reader.tensors.size).toBe(11);
  await reader.close();
});

const ones = (...shape: number[]): CraftedTensor => ({
  name: 'rope_freqs.weight',
  shape,
  data: floats(...new Array<number>(shape[0]).fill(1)),
});

test.each<[string, Parameters<typeof tiny>[0], RegExp]>([
  [
    'an unknown architecture',
    { keys: { 'general.architecture': stored.text('qwen2') } },
    /cannot be imported: its architecture is "qwen2"; Graft reads gemma2, gemma3, llama, qwen3\./,
  ],
  ['no architecture', { keys: { 'general.architecture': undefined } }, /lacks the key "general.architecture"/],
  ['a part of a model', { keys: { 'split.count': stored.uint32(4) } }, /it is one of 4 parts of a model/],
  [
    'experts',
    { keys: { 'llama.expert_count': stored.uint32(8) } },
    /its layers have 8 experts; Graft reads dense models/,
  ],
  ['a missing key', { keys: { 'llama.block_count': undefined } }, /it lacks the key "llama.block_count"/],
  ['a size of 0', { keys: { 'llama.attention.head_count': stored.uint32(0) } }, /expected an integer of at least 1/],
  [
    'a huge size',
    { keys: { 'llama.block_count': stored.uint32(2 ** 31 - 1) } },
    /"llama.block_count" is 2147483647, expected at most 4096/,
  ],
  [
    'layers of different sizes',
    { keys: { 'llama.attention.head_count_kv': stored.int32s([1, 2]) } },
    /its layers differ in "llama.attention.head_count_kv"/,
  ],
  [
    'a layer too many',
    { keys: { 'llama.block_count': stored.uint32(2) } },
    /it lacks the tensor "blk.1.attn_norm.weight"/,
  ],
  [
    'another shape',
    { keys: { 'llama.feed_forward_length': stored.uint32(9) } },
    /tensor "blk.0.ffn_gate.weight" has the shape \[8, 32\], expected \[9, 32\]/,
  ],
  [
    'a tensor without a place',
    { tensors: { x: { name: 'blk.0.attn_q.bias', shape: [32], data: floats(...new Array<number>(32).fill(0)) } } },
    /it has tensors for which llama has no place: "blk.0.attn_q.bias"\./,
  ],
  [
    'heads that are rotated in part',
    { keys: { 'llama.rope.dimension_count': stored.uint32(8), 'llama.attention.key_length': stored.uint32(16) } },
    /its heads have 16 keys, of which 8 are rotated, and 16 values/,
  ],
  [
    "YaRN's positions",
    { keys: { 'llama.rope.scaling.type': stored.text('yarn'), 'llama.rope.scaling.factor': stored.float32(4) } },
    /its rotary positions are scaled by "yarn" \(factor 4\); Graft reads none, linear and Llama 3's\./,
  ],
  [
    'divisors in another form',
    { tensors: { x: { ...ones(8), data: floats(1, 5, 1, 5, 1, 5, 1, 5) } } },
    /the divisors of its rotary frequencies \("rope_freqs.weight"\) are not in Llama 3's form/,
  ],
  ['too many divisors', { tensors: { x: ones(9000) } }, /tensor "rope_freqs.weight" has 9000 values/],
  [
    'a tokenizer of another kind',
    { keys: { 'tokenizer.ggml.model': stored.text('t5') } },
    /its tokenizer is "t5"; Graft reads "llama" \(scores\) and "gpt2" \(byte-level merges\)/,
  ],
  [
    'an unknown way of cutting texts',
    { keys: { 'tokenizer.ggml.pre': stored.text('kimi-k2') } },
    /its tokenizer cuts texts like "kimi-k2"; Graft knows llama-bpe, .*, smollm, .*, default\./,
  ],
  [
    'a file that does not say how',
    { keys: { 'tokenizer.ggml.pre': undefined } },
    /it lacks the key "tokenizer.ggml.pre"/,
  ],
  [
    'fewer tokens than rows',
    { keys: { 'tokenizer.ggml.tokens': stored.texts(['a']) } },
    /it names 1 tokens, but its embedding has 2 rows/,
  ],
  ['a token twice', { keys: { 'tokenizer.ggml.tokens': stored.texts(['a', 'a']) } }, /it names the token "a" twice/],
  [
    'a special token that is not there',
    { keys: { 'tokenizer.ggml.bos_token_id': stored.uint32(2) } },
    /"tokenizer.ggml.bos_token_id" is 2, expected a token below 2/,
  ],
  [
    'a merge of what are not tokens',
    { keys: { 'tokenizer.ggml.merges': stored.texts(['a b']) } },
    /its merge 0, "a b", does not join two tokens to one/,
  ],
  ['no scores', { keys: { 'tokenizer.ggml.model': stored.text('llama') } }, /it gives scores of 0 tokens, but names 2/],
])('the error for %s names it, and nothing is written', async (_, change, message) => {
  const file = craftGguf(tiny(change));
  const out = join(temporaryFolder(), 'out');
  const failure = await failureOf(importGguf({ file, out }));
  expect(failure).toMatchObject({ name: 'CheckpointError', message: expect.stringMatching(message) as string });
  expect(failure.message).toContain(file);
  expect(existsSync(out)).toBe(false);
});

it('divisors that other numbers than the published ones give are recognized', () => {
  const headDim = 64;
  const theta = 10_000;
  const [factor, low, high, original] = [32, 2, 5, 4096];
  const divisors = Array.from({ length: headDim / 2 }, (_, i) => {
    const turns = (original * theta ** ((-2 * i) / headDim)) / (2 * Math.PI);
    const share = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / (share + (1 - share) / factor);
  });
  const found = llama3Scaling('a.gguf', Float32Array.from(divisors), theta, headDim);
  // Only the ratios to the original length have an effect.
  expect(found).toMatchObject({ factor, original_max_position_embeddings: 8192 });
  expect(found.low_freq_factor).toBeCloseTo(2 * low, 3);
  expect(found.high_freq_factor).toBeCloseTo(2 * high, 3);
});

it('float32 numbers are written as the shortest decimals that they are', () => {
  expect([1e-6, 1e-5, 0.1, 50, 10_000, 1e6].map((value) => shortFloat(Math.fround(value)))).toEqual([
    1e-6, 1e-5, 0.1, 50, 10_000, 1e6,
  ]);
});
