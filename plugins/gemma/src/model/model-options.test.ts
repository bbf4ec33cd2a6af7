import { ConfigError, countParameters } from '@graft/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toCheckpointConfig } from './config';
import type { EncoderDecoderConfig } from './config-types';
import { modelOptions, resolveModelConfig } from './model-options';
import { parameterSpecs } from './parameters';
import type { NAMED_PAIRS } from './sizes';

const resolve = (options: unknown, checkpoint?: Record<string, unknown>) =>
  resolveModelConfig(modelOptions.parse(options), checkpoint);
const tiny = { layers: 2, hidden: 32, feedForward: 48, heads: 4, keyValueHeads: 2, headDim: 8 };

describe('sizes', () => {
  // PAPER 1.4's totals; two of them are also the published presets' own counts.
  const totals: Record<(typeof NAMED_PAIRS)[number], number> = {
    's-s': 312_517_632,
    'b-b': 591_490_560,
    'l-l': 1_241_761_792,
    'ml-ml': 2_200_345_344,
    'xl-xl': 3_766_980_608,
    '2b-2b': 5_596_853_760,
    '9b-2b': 12_292_375_296,
    '9b-9b': 20_333_401_088,
  };

  it.each(Object.entries(totals))('%s has %d parameters', (preset, total) => {
    expect(countParameters({ parameters: parameterSpecs(resolve({ preset })) })).toBe(total);
  });

  it('takes one size for two equal sides, in either case', () => {
    expect(resolve({ preset: 'S' })).toEqual(resolve({ preset: 's-s' }));
  });

  it('takes pairs that were never published', () => {
    const config = resolve({ preset: 'b-s' }) as EncoderDecoderConfig;
    expect([config.encoder.layers, config.decoder.layers]).toEqual([12, 8]);
  });
});

describe('resolveModelConfig', () => {
  it('gives a side of which nothing is said the sizes of the other', () => {
    const config = resolve({ decoder: { ...tiny, slidingWindow: 5 } }) as EncoderDecoderConfig;
    expect(config.encoder).toEqual(config.decoder);
    expect(config.encoder.slidingWindow).toBe(5);
  });

  it('overrides a checkpoint field by field', () => {
    const checkpoint = toCheckpointConfig(
      resolve({ decoder: tiny, encoderWindow: 'inclusive', encoderAttention: 'causal', vocabularySize: 99 }),
    );
    const config = resolve(
      { decoder: { slidingWindow: 7, attentionSoftCap: null } },
      checkpoint,
    ) as EncoderDecoderConfig;
    expect(config.decoder).toMatchObject({ ...tiny, slidingWindow: 7, attentionSoftCap: null, vocabularySize: 99 });
    expect(config.encoder).toMatchObject({ ...tiny, slidingWindow: 4096, attentionSoftCap: 50 });
    expect([config.encoderWindow, config.encoderAttention]).toEqual(['inclusive', 'causal']);
    expect(resolve({ encoderAttention: 'bidirectional' }, checkpoint)).not.toHaveProperty('encoderAttention');
    expect((resolve({ encoderWindow: 'strict' }, checkpoint) as EncoderDecoderConfig).encoderWindow).toBe('strict');
  });

  it('makes decoder-only models', () => {
    expect(resolve({ kind: 'decoder-only', preset: 's' })).toMatchObject({
      kind: 'decoder-only',
      decoder: { hidden: 512 },
    });
  });

  it.each([
    [{}, /encoder\.layers is missing/],
    [{ kind: 'decoder-only', preset: '9b-2b' }, /names two sides/],
    [{ kind: 'decoder-only', decoder: tiny, encoder: tiny }, /has no encoder/],
    [{ kind: 'decoder-only', decoder: tiny, encoderAttention: 'causal' }, /model\.encoderAttention is given/],
    [{ decoder: { ...tiny, keyValueHeads: 3 } }, /keyValueHeads 3 does not divide heads 4/],
    [{ decoder: { ...tiny, layerTypes: ['full_attention'] } }, /lists 1 layers, but layers is 2/],
    [{ decoder: tiny, vocabularySize: 2 }, /bosTokenId is 2, but the vocabulary has 2/],
  ])('%j: %s', (options, message) => {
    expect(() => resolve(options)).toThrow(ConfigError);
    expect(() => resolve(options)).toThrow(message);
  });

  it('names the presets when one is unknown', () => {
    expect(modelOptions.safeParse({ preset: '3b' }).error?.issues[0].message).toMatch(/2b, 9b, s, b/);
  });

  it('refuses another kind than the checkpoint holds', () => {
    const checkpoint = toCheckpointConfig(resolve({ kind: 'decoder-only', decoder: tiny }));
    expect(() => resolve({ kind: 'encoder-decoder' }, checkpoint)).toThrow(/holds a model that is decoder-only/);
  });

  it('takes rates of dropout over those of the checkpoint, and refuses others than [0, 1)', () => {
    const checkpoint = toCheckpointConfig(resolve({ decoder: tiny, dropout: 0.1, attentionDropout: 0.2 }));
    expect(resolve({}, checkpoint).dropout).toEqual({ dropout: 0.1, attentionDropout: 0.2, classifierDropout: 0 });
    expect(resolve({ dropout: 0.3, classifierDropout: 0.4 }, checkpoint).dropout).toEqual({
      dropout: 0.3,
      attentionDropout: 0.2,
      classifierDropout: 0.4,
    });
    expect(resolve({ dropout: 0, attentionDropout: 0 }, checkpoint)).not.toHaveProperty('dropout');
    for (const dropout of [-0.1, 1, NaN]) expect(modelOptions.safeParse({ dropout }).success).toBe(false);
    for (const rates of [{ dropout: 0.1 }, { classifierDropout: 0.1 }])
      expect(() => resolve({ kind: 'decoder-only', decoder: tiny, ...rates })).toThrow(
        /drops probabilities of attention alone/,
      );
    expect(resolve({ kind: 'decoder-only', decoder: tiny, dropout: 0, attentionDropout: 0.1 }).dropout).toMatchObject({
      attentionDropout: 0.1,
    });
  });

  it('refuses one table for two widths', () => {
    expect(() => resolve({ decoder: tiny, encoder: { ...tiny, hidden: 64 }, tieEncoderEmbedding: true })).toThrow(
      /64.*32/,
    );
  });
});

it('docs/models.md names every option, and the values of those that have a few', () => {
  const text = readFileSync(join(__dirname, '../../../../docs/models.md'), 'utf8');
  const names = Object.entries(modelOptions.shape).flatMap(([name, { def }]) => {
    const inner = def.innerType as unknown as { options?: string[] };
    return [name, ...(def.innerType.type === 'enum' ? inner.options! : [])];
  });
  expect(names).toContain('block');
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});
