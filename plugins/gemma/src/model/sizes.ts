import type { Preset } from './preset';
import { PUBLISHED } from './published-sizes';
import { size, type Size } from './size';

export type { Preset, PresetSide } from './preset';
export type { Size } from './size';

/** Gemma 2's two sizes and the five mT5-like ones (paper, section 4, and the published configurations). */
export const SIZES = {
  '2b': size(26, 2304, 9216, 8, 4, 256),
  '9b': size(42, 3584, 14336, 16, 8, 256),
  s: size(8, 512, 1024, 8, 8, 64),
  b: size(12, 768, 2048, 12, 12, 64),
  l: size(24, 1024, 2816, 16, 16, 64),
  ml: size(26, 1152, 6912, 4, 4, 256),
  xl: size(24, 2048, 5120, 32, 32, 64),
} as const satisfies Readonly<Record<string, Size>>;

/** Name of a published size, such as `2b` or `ml`. */
export type SizeName = keyof typeof SIZES;

/** All published sizes. */
export const SIZE_NAMES = Object.keys(SIZES) as readonly SizeName[];

/** The pairs that were published; any other pair of sizes (`s-b`) works too. */
export const NAMED_PAIRS = ['2b-2b', '9b-2b', '9b-9b', 's-s', 'b-b', 'l-l', 'ml-ml', 'xl-xl'] as const;

/** Tokens of Gemma 2's vocabulary, which all published sizes share. */
export const VOCABULARY_SIZE = 256_000;

/**
 * The sizes of a preset, encoder first: `9b-2b`, `s` for two equal sides, or a published model, `gemma-3-270m`; case
 * does not matter. undefined: no such preset.
 */
export function parsePreset(preset: string): Preset | undefined {
  const name = preset.toLowerCase();
  if (Object.hasOwn(PUBLISHED, name)) return PUBLISHED[name];
  const parts = name.split('-');
  const known = (part: string): part is SizeName => Object.hasOwn(SIZES, part);
  if (parts.length > 2 || !parts.every(known)) return undefined;
  const [encoder, decoder = encoder] = parts;
  return { encoder: SIZES[encoder], decoder: SIZES[decoder], pair: parts.length === 2 };
}
