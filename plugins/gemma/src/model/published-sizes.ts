/** Published models by name, with their families: what `inspect --preset` and `model.preset` know besides sizes. */
import type { SideConfig } from './config-types';
import type { Preset, PresetSide } from './preset';
import type { RotaryPositions } from './rotary';
import { size, type Size } from './size';

const alike = (positions: RotaryPositions): Pick<SideConfig, 'rotary'> => ({
  rotary: { full_attention: positions, sliding_attention: positions },
});

/** Gemma 3's vocabulary. The class's default has 64 more rows, which the multimodal checkpoints carry. */
const GEMMA3_VOCABULARY = 262_144;

/** A text model of Gemma 3's. `factor`: of the positions of full layers. */
function gemma3Side(sizes: Size, window: number, factor: number, scalar = 256): PresetSide {
  const full: RotaryPositions = {
    theta: 1_000_000,
    ...(factor === 1 ? {} : { scaling: { type: 'linear', factor } }),
  };
  return {
    ...sizes,
    vocabularySize: GEMMA3_VOCABULARY,
    slidingWindow: window,
    queryPreAttentionScalar: scalar,
    rotary: { full_attention: full, sliding_attention: { theta: 10_000 } },
  };
}

const GEMMA3_SIZES = {
  '270m': size(18, 640, 2048, 4, 1, 256),
  '1b': size(26, 1152, 6912, 4, 1, 256),
  '4b': size(34, 2560, 10_240, 8, 4, 256),
  '12b': size(48, 3840, 15_360, 16, 8, 256),
  '27b': size(62, 5376, 21_504, 32, 16, 128),
} as const;

const single = (family: string, side: PresetSide): Preset => ({ family, encoder: side, decoder: side, pair: false });
const pair = (family: string, side: PresetSide): Preset => ({ ...single(family, side), pair: true });

/** Sizes of T5Gemma 2: the text models of Gemma 3, all with positions that are scaled by 8. */
const t5gemma2 = (name: '270m' | '1b' | '4b', window: number): Preset =>
  pair('t5gemma2', gemma3Side(GEMMA3_SIZES[name], window, 8));

/** By the name of the checkpoint. */
export const PUBLISHED: Readonly<Record<string, Preset>> = {
  'gemma-3-270m': single('gemma3', gemma3Side(GEMMA3_SIZES['270m'], 512, 1)),
  'gemma-3-1b': single('gemma3', gemma3Side(GEMMA3_SIZES['1b'], 512, 1)),
  'gemma-3-4b': single('gemma3', gemma3Side(GEMMA3_SIZES['4b'], 1024, 8)),
  'gemma-3-12b': single('gemma3', gemma3Side(GEMMA3_SIZES['12b'], 1024, 8)),
  'gemma-3-27b': single('gemma3', gemma3Side(GEMMA3_SIZES['27b'], 1024, 8, 168)),
  't5gemma-2-270m-270m': t5gemma2('270m', 512),
  't5gemma-2-1b-1b': t5gemma2('1b', 512),
  't5gemma-2-4b-4b': t5gemma2('4b', 1024),
  'smollm2-135m': single('llama', {
    ...size(30, 576, 1536, 9, 3, 64),
    vocabularySize: 49_152,
    maxPositions: 8192,
    rmsNormEpsilon: 1e-5,
    bosTokenId: 0,
    eosTokenIds: [0],
    ...alike({ theta: 100_000 }),
  }),
  'llama-3.2-1b': single('llama', {
    ...size(16, 2048, 8192, 32, 8, 64),
    vocabularySize: 128_256,
    maxPositions: 131_072,
    rmsNormEpsilon: 1e-5,
    bosTokenId: 128_000,
    eosTokenIds: [128_001],
    ...alike({
      theta: 500_000,
      scaling: {
        type: 'llama3',
        factor: 32,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalMaxPositions: 8192,
      },
    }),
  }),
  'qwen3-0.6b': single('qwen3', {
    ...size(28, 1024, 3072, 16, 8, 128),
    maxPositions: 40_960,
    ...alike({ theta: 1_000_000 }),
  }),
};

/** All their names. */
export const PUBLISHED_NAMES: readonly string[] = Object.keys(PUBLISHED);
