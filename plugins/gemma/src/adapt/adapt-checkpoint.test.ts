import { CheckpointReader } from '@graft/checkpoint';
import { createRandom, fillParameters, silentLogger } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { adaptCheckpoint, type AdaptProgress } from './adapt-checkpoint';
import { AdaptInitializer, adaptOptions } from './adapt-initializer';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';
import { mapName } from './name-mapping';

const WIDE = { layers: 2, hidden: 24, feedForward: 10, heads: 4, keyValueHeads: 2, headDim: 4 };
const decoderOnly = (decoder: object = ODD_SIDE, vocabularySize = 37) =>
  tinyGemma({ kind: 'decoder-only', decoder, vocabularySize }).config;

async function allBytes(folder: string): Promise<Record<string, Buffer>> {
  const reader = await CheckpointReader.open(folder);
  const bytes: Record<string, Buffer> = {};
  for (const name of reader.tensors.keys()) bytes[name] = Buffer.from(await reader.readBytes(name));
  await reader.close();
  return bytes;
}

describe('the mapping of parameter names to their sources', () => {
  it.each([
    ['model.encoder.embed_tokens.weight', 'encoder', 'model.embed_tokens.weight', undefined],
    ['model.decoder.norm.weight', 'decoder', 'model.norm.weight', undefined],
    [
      'model.encoder.layers.11.pre_self_attn_layernorm.weight',
      'encoder',
      'model.layers.11.input_layernorm.weight',
      undefined,
    ],
    [
      'model.decoder.layers.0.post_cross_attn_layernorm.weight',
      'decoder',
      'model.layers.0.post_attention_layernorm.weight',
      'norm',
    ],
    [
      'model.decoder.layers.3.cross_attn.k_proj.weight',
      'decoder',
      'model.layers.3.self_attn.k_proj.weight',
      'projection',
    ],
  ])('%s is mapped to its source', (target, side, source, cross) => {
    expect(mapName(target)).toEqual({ side, source, cross });
  });

  it('every parameter of an encoder-decoder has a source, and no other name has one', () => {
    expect(
      tinyGemma()
        .parameters.map(({ name }) => mapName(name))
        .every(Boolean),
    ).toBe(true);
    for (const name of [
      'model.layers.0.mlp.up_proj.weight',
      'model.encoder.layers.0.extra.weight',
      'score.out_proj.weight',
    ]) {
      expect(mapName(name)).toBeUndefined();
    }
  });
});

describe('adaptCheckpoint', () => {
  it('adaptCheckpoint converts to the requested dtype and reports the result', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'source'), {
      config: decoderOnly(),
      extra: { 'model.extra.weight': [3] },
    });
    const seen: AdaptProgress[] = [];
    const out = join(base, 'out');
    const report = await adaptCheckpoint({
      encoder,
      out,
      dtype: 'bf16',
      onProgress: (progress) => seen.push(progress),
    });
    expect(report).toMatchObject({
      dtype: 'bfloat16',
      crossAttention: 'copied',
      random: [],
      unused: ['model.extra.weight'],
    });
    expect(report.bytes).toBe(2 * report.parameters);
    expect(new Set(seen.map(({ doneTensors }) => doneTensors)).size).toBe(report.tensors + 1);
    expect(seen.every(({ doneBytes }, i) => i === 0 || doneBytes >= seen[i - 1].doneBytes)).toBe(true);
    expect(seen.at(-1)).toMatchObject({ doneTensors: report.tensors, doneBytes: report.bytes });
    const [before, after] = [await allBytes(encoder), await allBytes(out)];
    const name = 'model.layers.2.mlp.up_proj.weight';
    const value = new Float32Array(new Uint8Array(before[name]).buffer)[5];
    const word = after['model.encoder.layers.2.mlp.up_proj.weight'].readUInt16LE(10) << 16;
    const stored = new Float32Array(Int32Array.of(word).buffer)[0];
    expect(Math.abs(stored - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8);
  });

  it('adaptCheckpoint keeps the dtype of sources that agree, and uses float32 where they differ', async () => {
    const base = temporaryFolder();
    const half = await writeTiny(join(base, 'half'), { config: decoderOnly(), dtype: 'BF16' });
    const full = await writeTiny(join(base, 'full'), { config: decoderOnly() });
    expect((await adaptCheckpoint({ encoder: half, out: join(base, 'a') })).dtype).toBe('bfloat16');
    const mixed = await adaptCheckpoint({ encoder: half, decoder: full, out: join(base, 'b') });
    expect(mixed.dtype).toBe('float32');
    const [source, made] = [await allBytes(full), await allBytes(join(base, 'b'))];
    expect(made['model.decoder.norm.weight'].equals(source['model.norm.weight'])).toBe(true);
  });

  it('adaptCheckpoint draws parameters that cannot be copied with the given standard deviation', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'wide'), { config: decoderOnly(WIDE) });
    const decoder = await writeTiny(join(base, 'odd'), { config: decoderOnly() });
    const out = join(base, 'out');
    const report = await adaptCheckpoint({ encoder, decoder, out, std: 0.5 });
    expect(report.random).toHaveLength(4 * ODD_SIDE.layers);
    const values = Object.entries(await allBytes(out)).flatMap(([name, bytes]) =>
      report.random.includes(name) ? Array.from(new Float32Array(new Uint8Array(bytes).buffer)) : [],
    );
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeGreaterThan(0.47);
    expect(deviation).toBeLessThan(0.53);
  });

  it('adaptCheckpoint copies the tokenizer of the decoder', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'source'), { config: decoderOnly() });
    writeFileSync(join(encoder, 'tokenizer.json'), '{}');
    await adaptCheckpoint({ encoder, out: join(base, 'out') });
    expect(readdirSync(join(base, 'out')).sort()).toEqual([
      'config.json',
      'graft.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
  });

  it('graft.json records the sources and settings of an adaptation, and why cross-attention is random', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'wide'), { config: decoderOnly(WIDE) });
    const decoder = await writeTiny(join(base, 'odd'), { config: decoderOnly() });
    const report = await adaptCheckpoint({ encoder, decoder, out: join(base, 'out'), seed: 3 });
    expect(report.crossAttentionReason).toMatch(/^the two sides differ: hidden size 24 \(encoder\) and 20 \(decoder\)/);
    expect(JSON.parse(readFileSync(join(base, 'out', 'graft.json'), 'utf8'))).toEqual({
      adapted: {
        encoder,
        decoder,
        crossAttention: { asked: 'auto', is: 'random', norms: 'copied', reason: report.crossAttentionReason },
        random: [],
        seed: 3,
        std: 0.02,
        dtype: 'float32',
      },
    });
  });

  it('random parts get random matrices and norms of gain 1, and all other parameters are copied', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const out = join(base, 'out');
    const report = await adaptCheckpoint({ encoder, out, random: ['encoder', 'embedding'], std: 0.5 });
    const [source, made] = [await allBytes(encoder), await allBytes(out)];
    expect(report.random).toEqual(
      Object.keys(made).filter((name) => name.includes('.encoder.') || name.includes('embed_tokens')),
    );
    expect(made['model.encoder.norm.weight'].every((byte) => byte === 0)).toBe(true);
    for (const [name, bytes] of Object.entries(made)) {
      const mapped = mapName(name)!;
      const copied = source[mapped.source].equals(bytes);
      if (!name.endsWith('norm.weight')) expect([name, copied]).toEqual([name, !report.random.includes(name)]);
    }
    const again = join(base, 'again');
    await adaptCheckpoint({ encoder, out: again, random: ['encoder', 'embedding'], std: 0.5 });
    expect(await allBytes(again)).toEqual(made);
  });

  it('an interrupted adaptation keeps finished files and resumes to the same folder', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const request = { encoder, random: ['decoder'] as const, maxShardBytes: 20_000 };
    await adaptCheckpoint({ ...request, out: join(base, 'straight') });
    const out = join(base, 'out');
    const controller = new AbortController();
    const stopped = adaptCheckpoint({
      ...request,
      out,
      signal: controller.signal,
      onProgress: ({ doneBytes, bytes }) => doneBytes > 0.6 * bytes && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({
      code: 'gemma.adapt-interrupted',
      message: expect.stringMatching(/out was interrupted at 6\d %/) as string,
    });
    const kept = readdirSync(`${out}.unfinished`).filter((name) => name.endsWith('.safetensors'));
    expect(kept.length).toBeGreaterThan(1);
    await expect(adaptCheckpoint({ ...request, out })).rejects.toThrow(/out\.unfinished holds the unfinished work/);
    await expect(adaptCheckpoint({ ...request, out, resume: true, seed: 5 })).rejects.toThrow(/seed was 0, is 5/);
    const seen: AdaptProgress[] = [];
    await adaptCheckpoint({ ...request, out, resume: true, onProgress: (progress) => seen.push(progress) });
    expect(seen[0].doneBytes).toBeGreaterThan(0);
    expect(seen.at(-1)!.doneBytes).toBe(seen[0].bytes);
    expect(await allBytes(out)).toEqual(await allBytes(join(base, 'straight')));
    expect(readdirSync(base).sort()).toEqual(['one', 'out', 'straight']);
  });

  it('a resumed adaptation refuses a source that has changed', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const request = { encoder, out: join(base, 'out'), maxShardBytes: 20_000 };
    const controller = new AbortController();
    await expect(
      adaptCheckpoint({
        ...request,
        signal: controller.signal,
        onProgress: ({ doneBytes, bytes }) => doneBytes > 0.6 * bytes && controller.abort(),
      }),
    ).rejects.toThrow(/interrupted/);
    await fs.utimes(join(encoder, 'model.safetensors'), 1, 1);
    await expect(adaptCheckpoint({ ...request, resume: true })).rejects.toThrow(
      /begun with other settings or sources: sources changed/,
    );
  });

  it('random cross-attention includes its norms', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const out = join(base, 'out');
    const report = await adaptCheckpoint({ encoder, out, random: ['cross-attention'] });
    expect([report.crossAttention, report.crossAttentionReason]).toEqual(['random', 'as asked for']);
    expect(report.random).toHaveLength(6 * ODD_SIDE.layers);
    expect(report.random.every((name) => name.includes('cross_attn'))).toBe(true);
    const made = await allBytes(out);
    expect(made['model.decoder.layers.0.pre_cross_attn_layernorm.weight'].every((byte) => byte === 0)).toBe(true);
  });

  it('adaptCheckpoint checks the free disk space before it writes', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const statfs = jest.spyOn(fs, 'statfs').mockResolvedValue({ bavail: 3, bsize: 1000 } as never);
    try {
      await expect(adaptCheckpoint({ encoder, out: join(base, 'deep', 'out') })).rejects.toThrow(
        /out would take 0\.0 GB, but .*deep has 0\.0 GB left/,
      );
    } finally {
      statfs.mockRestore();
    }
    expect(readdirSync(base)).toEqual(['one']);
  });

  it('adaptCheckpoint refuses sources that do not fit, names their sizes and leaves no files', async () => {
    const base = temporaryFolder();
    const odd = await writeTiny(join(base, 'odd'), { config: decoderOnly() });
    const wide = await writeTiny(join(base, 'wide'), { config: decoderOnly(WIDE) });
    const other = await writeTiny(join(base, 'other'), { config: decoderOnly(ODD_SIDE, 41) });
    const done = await writeTiny(join(base, 'done'), { config: tinyGemma().config });
    const lacking = await writeTiny(join(base, 'lacking'), { config: decoderOnly({ ...ODD_SIDE, layers: 2 }) });
    const config = JSON.parse(readFileSync(join(lacking, 'config.json'), 'utf8')) as Record<string, unknown>;
    writeFileSync(
      join(lacking, 'config.json'),
      JSON.stringify({ ...config, num_hidden_layers: 3, layer_types: undefined }),
    );
    const out = join(base, 'out');
    mkdirSync(join(base, 'taken'));
    const fails = async (request: object, message: RegExp): Promise<void> => {
      await expect(adaptCheckpoint({ encoder: odd, out, ...request })).rejects.toThrow(message);
    };
    await fails({ decoder: other, tieEncoderEmbedding: true }, /encoder's vocabulary has 37 tokens, the decoder's 41/);
    await fails({ encoder: wide, decoder: odd, crossAttention: 'copy' }, /\[6, 20\].*hidden size 24 wants \[6, 24\]/);
    await fails({ encoder: done }, /done holds an encoder-decoder already/);
    await fails(
      { encoder: lacking },
      /lacking\/config\.json does not describe the tensors beside it: "model\.layers\.2\./,
    );
    await fails({ encoder: join(base, 'nowhere') }, /nowhere cannot be read/);
    await fails({ dtype: 'int8' }, /int8/);
    await fails({ out: join(base, 'taken') }, /taken exists already/);
    expect(readdirSync(base).sort()).toEqual(['done', 'lacking', 'odd', 'other', 'taken', 'wide']);
  });
});

describe('the initializer adapt', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  const initializer = (options: object): AdaptInitializer =>
    new AdaptInitializer(adaptOptions.parse(options), silentLogger());

  async function build(
    options: object,
    model: object = {},
  ): Promise<{ model: GemmaModel; bytes: Record<string, Buffer> }> {
    const made = initializer(options);
    const built = new GemmaModel(resolveModelConfig(modelOptions.parse(model), await made.checkpointConfig()));
    const parameters = await fillParameters(built, made, createRandom(0).fork('adapt'));
    const bytes = Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [
        name,
        Buffer.from(new Uint8Array(value.dataSync().slice().buffer)),
      ]),
    );
    tf.dispose(parameters);
    return { model: built, bytes };
  }

  it('the initializer provides the parameters that adaptCheckpoint writes', async () => {
    const base = temporaryFolder();
    const encoder = await writeTiny(join(base, 'wide'), { config: decoderOnly(WIDE), dtype: 'BF16' });
    const decoder = await writeTiny(join(base, 'odd'), { config: decoderOnly() });
    const out = join(base, 'out');
    await adaptCheckpoint({ encoder, decoder, out });
    expect((await build({ encoder, decoder })).bytes).toEqual(await allBytes(out));
  });

  it('a shared embedding table is built from one checkpoint or equal tables, but not from tables that differ', async () => {
    const base = temporaryFolder();
    const one = await writeTiny(join(base, 'one'), { config: decoderOnly() });
    const same = await writeTiny(join(base, 'same'), { config: decoderOnly() });
    const other = await writeTiny(join(base, 'other'), { config: decoderOnly(), seed: 5 });
    const tied = { tieEncoderEmbedding: true };
    expect(Object.keys((await build({ encoder: one }, tied)).bytes)).not.toContain('model.encoder.embed_tokens.weight');
    await build({ encoder: one, decoder: same }, tied);
    await expect(build({ encoder: one, decoder: other }, tied)).rejects.toThrow(
      /asks for one embedding table, but .* differ/,
    );
  });

  it('the model section chooses the encoder window', async () => {
    const encoder = await writeTiny(join(temporaryFolder(), 'one'), { config: decoderOnly() });
    expect((await build({ encoder }, { encoderWindow: 'inclusive' })).model.config).toMatchObject({
      encoderWindow: 'inclusive',
    });
  });

  it('the initializer names the sizes that do not fit after the model section changed them', async () => {
    const encoder = await writeTiny(join(temporaryFolder(), 'one'), { config: decoderOnly() });
    await expect(build({ encoder }, { encoder: { feedForward: 30 } })).rejects.toThrow(
      /has shape \[26, 20\], but "model\.encoder.* should have \[30, 20\]/,
    );
  });
});
