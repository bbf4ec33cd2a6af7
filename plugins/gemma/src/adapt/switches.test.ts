/**
 * The paper's options for an adaptation: expanded heads, the norms around cross-attention, and the reasons of `auto`.
 */
import { CheckpointReader } from '@graft/checkpoint';
import { readJsonObject } from '@graft/checkpoint/internal';
import { createRandom, fillParameters, runForward, silentLogger } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ints, ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { adaptCheckpoint } from './adapt-checkpoint';
import { AdaptInitializer, adaptOptions } from './adapt-initializer';
import { loadModel } from '../load/load-model';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';

/**
 * Three query heads per key/value head on one side of a pair, two on the other, which reveals a wrong order of repeats.
 */
const GROUPED = { ...ODD_SIDE, heads: 6, keyValueHeads: 2 };
const base = temporaryFolder();
const source = (name: string, decoder: object = {}, options: { dtype?: 'BF16'; seed?: number } = {}): Promise<string> =>
  writeTiny(join(base, name), {
    config: tinyGemma({ kind: 'decoder-only', decoder: { ...GROUPED, ...decoder } }).config,
    ...options,
  });
const inputs = {
  input_ids: ints([[5, 9, 4, 30, 8, 7, 36, 3]]),
  attention_mask: ints([[1, 1, 1, 1, 1, 1, 1, 0]]),
  decoder_input_ids: ints([[2, 14, 9, 33, 5, 6, 7]]),
};

async function logitsOf(folder: string, engine: Awaited<ReturnType<typeof openEngine>>): Promise<Float32Array> {
  const { model, parameters, dispose } = await loadModel(folder);
  const { logits } = await runForward({ engine, model, parameters, inputs });
  dispose();
  return logits.values as Float32Array;
}

const tensor = async (folder: string, name: string): Promise<number[]> => {
  const reader = await CheckpointReader.open(folder);
  const values = [...(await reader.readFloat32(name))];
  await reader.close();
  return values;
};

const built = async (
  options: object,
): Promise<{ model: GemmaModel; values: Record<string, number[]>; logged: string }> => {
  let logged = '';
  const logger = Object.assign(silentLogger(), { info: (line: string) => (logged += line) });
  const initializer = new AdaptInitializer(adaptOptions.parse(options), logger);
  const model = new GemmaModel(resolveModelConfig(modelOptions.parse({}), await initializer.checkpointConfig()));
  const parameters = await fillParameters(model, initializer, createRandom(0));
  const values = Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, [...value.dataSync()]]));
  tf.dispose(parameters);
  return { model, values, logged };
};

describe('expandHeads: encoder', () => {
  // Equal arithmetic in another order: only rounding may differ.
  it.each([
    ['float32', {}, undefined],
    ['stored bfloat16', { dtype: 'BF16' as const }, undefined],
    ['converted', { dtype: 'BF16' as const }, 'float32'],
  ])('expanded heads give equal logits before the first step, in float32 (%s)', async (name, options, dtype) => {
    const engine = await openEngine({ mode: 'portable' });
    const encoder = await source(`grouped-${name}`, {}, options);
    const [plain, expanded] = [join(base, `plain-${name}`), join(base, `expanded-${name}`)];
    await adaptCheckpoint({ encoder, out: plain, dtype });
    const report = await adaptCheckpoint({ encoder, out: expanded, dtype, expandHeads: 'encoder' });
    expect(report).toMatchObject({ crossAttention: 'copied', expandedHeads: { from: 2, to: 6 }, unused: [] });
    const config = await readJsonObject(join(expanded, 'config.json'));
    expect(config).toMatchObject({ encoder: { num_key_value_heads: 6 }, decoder: { num_key_value_heads: 2 } });
    expect((await readJsonObject(join(expanded, 'graft.json'))).adapted).toMatchObject({
      expandHeads: { side: 'encoder', keyValueHeads: { from: 2, to: 6 } },
    });
    const [before, after] = [await logitsOf(plain, engine), await logitsOf(expanded, engine)];
    expect(Math.max(...before.map(Math.abs))).toBeGreaterThan(1);
    expect(Math.max(...before.map((value, i) => Math.abs(value - after[i])))).toBeLessThan(1e-5);
  });

  it('the initializer expands heads to the same bytes as adaptCheckpoint', async () => {
    await openEngine({ mode: 'portable' });
    const encoder = await source('grouped-initializer');
    const out = join(base, 'expanded-initializer');
    await adaptCheckpoint({ encoder, out, expandHeads: 'encoder' });
    const { model, values, logged } = await built({ encoder, expandHeads: 'encoder' });
    expect(model.checkpointConfig).toMatchObject({ encoder: { num_key_value_heads: 6 } });
    expect(logged).toMatch(/encoder's 2 key\/value heads become 6\./);
    for (const [name, own] of Object.entries(values)) expect([name, await tensor(out, name)]).toEqual([name, own]);
  });

  it('expandHeads changes nothing where every query head has its own key/value head', async () => {
    const encoder = await source('multi-head', { keyValueHeads: 6 });
    const out = join(base, 'expanded-multi-head');
    expect(await adaptCheckpoint({ encoder, out, expandHeads: 'encoder' })).not.toHaveProperty('expandedHeads');
    expect((await readJsonObject(join(out, 'graft.json'))).adapted).toMatchObject({
      expandHeads: { keyValueHeads: { from: 6, to: 6 } },
    });
  });
});

describe('the norms around cross-attention', () => {
  const norm = 'model.decoder.layers.1.post_cross_attn_layernorm.weight';

  it('the norms begin as those around self-attention, or at gain 1 if requested', async () => {
    await openEngine({ mode: 'portable' });
    const [encoder, decoder] = [await source('wide', { hidden: 24 }), await source('narrow', {}, { seed: 9 })];
    const [copied, identity] = [join(base, 'copied'), join(base, 'identity')];
    const plain = await adaptCheckpoint({ encoder, decoder, out: copied });
    expect([plain.crossAttention, plain.crossAttentionNorms]).toEqual(['random', 'copied']);
    expect(await tensor(copied, norm)).toEqual(await tensor(decoder, 'model.layers.1.post_attention_layernorm.weight'));
    const report = await adaptCheckpoint({ encoder, decoder, out: identity, crossAttentionNorms: 'identity' });
    expect(report.crossAttentionNorms).toBe('identity');
    expect(report.random).toContain(norm);
    expect(new Set(await tensor(identity, norm))).toEqual(new Set([0]));
    expect((await readJsonObject(join(identity, 'graft.json'))).adapted).toMatchObject({
      crossAttention: { asked: 'auto', is: 'random', norms: 'identity' },
    });
    // Nothing else changed.
    const q = 'model.decoder.layers.0.cross_attn.q_proj.weight';
    expect(await tensor(identity, q)).toEqual(await tensor(copied, q));
    const { values, logged } = await built({ encoder, decoder, crossAttentionNorms: 'identity' });
    expect(new Set(values[norm])).toEqual(new Set([0]));
    expect(logged).toMatch(/Cross-attention is random: the two sides differ: hidden size 24 .* begin at gain 1/);
  });

  it('the norms can begin at gain 1 with copied projections too', async () => {
    const encoder = await source('balanced');
    const out = join(base, 'balanced-identity');
    const report = await adaptCheckpoint({ encoder, out, crossAttentionNorms: 'identity' });
    expect([report.crossAttention, report.random.length]).toEqual(['copied', 2 * GROUPED.layers]);
  });

  it('a request to copy the norms is refused where cross-attention is a random part', async () => {
    const encoder = await source('contradiction');
    await expect(
      adaptCheckpoint({
        encoder,
        out: join(base, 'never'),
        random: ['cross-attention'],
        crossAttentionNorms: 'copy',
      }),
    ).rejects.toThrow(/norms of cross-attention cannot be copied .* where cross-attention is a random part/);
  });
});

describe('crossAttention: auto', () => {
  const reason = async (name: string, changed: object): Promise<string[]> => {
    const [encoder, decoder] = [await source(`${name}-encoder`), await source(`${name}-decoder`, changed)];
    const report = await adaptCheckpoint({ encoder, decoder, out: join(base, `${name}-out`) });
    const record = (await readJsonObject(join(base, `${name}-out`, 'graft.json'))).adapted as {
      crossAttention: { reason: string };
    };
    expect(record.crossAttention.reason).toBe(report.crossAttentionReason);
    return [report.crossAttention, report.crossAttentionReason];
  };

  it('auto copies although depth or feed-forward width differ, and reports what that means', async () => {
    const [is, words] = await reason('deep', { layers: 2, feedForward: 14 });
    expect(is).toBe('copied');
    expect(words).toMatch(
      /though not in depth 3 \(encoder\) and 2 \(decoder\); feed-forward width 26 \(encoder\) and 14 \(decoder\)/,
    );
    expect(words).toMatch(/Layer l of the decoder takes its own self-attention's projections/);
    expect(words).toMatch(/paper copies for sides of one configuration alone; .*--cross-attention random/);
  });

  it('auto reports why it copies or draws cross-attention', async () => {
    expect(await reason('equal', {})).toEqual([
      'copied',
      'the two sides agree in width, heads, depth and feed-forward',
    ]);
    const [is, words] = await reason('heads', { headDim: 8 });
    expect(is).toBe('random');
    expect(words).toMatch(/differ: head dimension 6 \(encoder\) and 8 \(decoder\); .*crossAttentionWarmupSteps/);
  });

  it('auto compares the heads of the sources, not the expanded ones', async () => {
    const encoder = await source('expanded-auto');
    const report = await adaptCheckpoint({ encoder, out: join(base, 'auto-out'), expandHeads: 'encoder' });
    expect(report.crossAttention).toBe('copied');
  });
});
