import { ConfigError, countParameters } from '@graft/core';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toCheckpointConfig } from './config';
import type { EncoderDecoderConfig } from './config-types';
import { modelOptions } from './model-options';
import { parameterSpecs } from './parameters';
import { resolveModelConfig } from './resolve-options';
import type { NAMED_PAIRS } from './sizes';

const resolve = (options: unknown, checkpoint?: Record<string, unknown>) =>
  resolveModelConfig(modelOptions.parse(options), checkpoint);
const tiny = { layers: 2, hidden: 32, feedForward: 48, heads: 4, keyValueHeads: 2, headDim: 8 };

describe('presets', () => {
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

  it('one size stands for two equal sides, in upper or lower case', () => {
    expect(resolve({ preset: 'S' })).toEqual(resolve({ preset: 's-s' }));
  });

  it('pairs that were never published are accepted', () => {
    const config = resolve({ preset: 'b-s' }) as EncoderDecoderConfig;
    expect([config.encoder.layers, config.decoder.layers]).toEqual([12, 8]);
  });
});

describe('resolveModelConfig', () => {
  it('a side without options gets the sizes of the other', () => {
    const config = resolve({ decoder: { ...tiny, slidingWindow: 5 } }) as EncoderDecoderConfig;
    expect(config.encoder).toEqual(config.decoder);
    expect(config.encoder.slidingWindow).toBe(5);
  });

  it('options override the checkpoint field by field', () => {
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

  it('decoder-only models are resolved from a preset', () => {
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
  ])('the options %j are refused with %s', (options, message) => {
    expect(() => resolve(options)).toThrow(ConfigError);
    expect(() => resolve(options)).toThrow(message);
  });

  it('the error for an unknown preset names the presets', () => {
    expect(modelOptions.safeParse({ preset: '3b' }).error?.issues[0].message).toMatch(/2b, 9b, s, b/);
  });

  it('a kind that differs from the checkpoint is refused', () => {
    const checkpoint = toCheckpointConfig(resolve({ kind: 'decoder-only', decoder: tiny }));
    expect(() => resolve({ kind: 'encoder-decoder' }, checkpoint)).toThrow(/holds a model that is decoder-only/);
  });

  it('dropout rates override those of the checkpoint, and rates outside [0, 1) are refused', () => {
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

  it('one table for two widths is refused', () => {
    expect(() => resolve({ decoder: tiny, encoder: { ...tiny, hidden: 64 }, tieEncoderEmbedding: true })).toThrow(
      /64.*32/,
    );
  });
});

it('docs/models.md names every option, and the values of every enumeration', () => {
  const text = readFileSync(join(__dirname, '../../../../docs/models.md'), 'utf8');
  const names = Object.entries(modelOptions.shape).flatMap(([name, { def }]) => {
    const inner = def.innerType as unknown as { options?: string[] };
    return [name, ...(def.innerType.type === 'enum' ? inner.options! : [])];
  });
  expect(names).toContain('block');
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});
