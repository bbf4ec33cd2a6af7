import { unsupportedGguf } from './problems';

/** rope_scaling of config.json in Llama 3's form. */
export interface Llama3Scaling {
  readonly rope_type: 'llama3';
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** What llama.cpp's converter assumes; only its ratios to the other two numbers have an effect. */
const ORIGINAL_POSITIONS = 8192;
/** The numbers of all published models. */
const PUBLISHED = { low_freq_factor: 1, high_freq_factor: 4 };
/** Largest relative difference between a stored divisor and the computed one: float32, computed in another order. */
const TOLERANCE = 1e-5;

/**
 * The numbers with which a table of divisors of rotary frequencies was computed, one for each pair of positions in a
 * head. Throws CheckpointError if no such numbers give this table.
 */
export function llama3Scaling(file: string, divisors: Float32Array, theta: number, headDim: number): Llama3Scaling {
  const turns = Array.from(
    { length: headDim / 2 },
    (_, i) => (ORIGINAL_POSITIONS * theta ** ((-2 * i) / headDim)) / (2 * Math.PI),
  );
  const factor = shortest(Math.max(...divisors));
  const scaling = (bounds: typeof PUBLISHED): Llama3Scaling => ({
    rope_type: 'llama3',
    factor,
    ...bounds,
    original_max_position_embeddings: ORIGINAL_POSITIONS,
  });
  for (const bounds of [PUBLISHED, ...fitted(divisors, turns, factor)]) {
    const fits =
      divisors.length === turns.length &&
      turns.every((turn, i) => Math.abs(divisorOf(turn, factor, bounds) / divisors[i] - 1) <= TOLERANCE);
    if (fits) return scaling(bounds);
  }
  throw unsupportedGguf(file, `the divisors of its rotary frequencies ("rope_freqs.weight") are not in Llama 3's form`);
}

function divisorOf(turn: number, factor: number, bounds: typeof PUBLISHED): number {
  const { low_freq_factor: low, high_freq_factor: high } = bounds;
  const share = Math.min(1, Math.max(0, (turn - low) / (high - low)));
  return 1 / (share + (1 - share) / factor);
}

/** Bounds from the frequencies between them, whose share grows linearly: the line through the first and last of these. */
function fitted(divisors: Float32Array, turns: readonly number[], factor: number): (typeof PUBLISHED)[] {
  const between = [...divisors.keys()].filter((i) => divisors[i] > 1 && divisors[i] < factor * (1 - TOLERANCE));
  if (between.length < 2) return [];
  const share = (i: number): number => (1 / divisors[i] - 1 / factor) / (1 - 1 / factor);
  const [first, last] = [between[0], between[between.length - 1]];
  const slope = (share(first) - share(last)) / (turns[first] - turns[last]);
  const low = turns[first] - share(first) / slope;
  return [{ low_freq_factor: shortest(low), high_freq_factor: shortest(low + 1 / slope) }];
}

/** The number without the noise of float32. */
const shortest = (value: number): number => Number(value.toPrecision(5));
