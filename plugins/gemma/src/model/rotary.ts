/** Rotary positions: their frequencies, which families scale differently, and the tables for them. */
import { tf } from '@graft/engine';

/** Positions are divided by the factor: a model reads texts that many times as long. */
export interface LinearScaling {
  readonly type: 'linear';
  readonly factor: number;
}

/** Llama 3's scaling: slow rotations are slowed down by the factor, fast ones not, those between by something between. */
export interface Llama3Scaling {
  readonly type: 'llama3';
  readonly factor: number;
  /** Rotations with fewer turns than this over the original length are slow. */
  readonly lowFrequencyFactor: number;
  /** Rotations with more turns are fast. */
  readonly highFrequencyFactor: number;
  /** In tokens. */
  readonly originalMaxPositions: number;
}

/** The rotary positions of a kind of layer. */
export interface RotaryPositions {
  /** The base of the frequencies. */
  readonly theta: number;
  /** Default: none. */
  readonly scaling?: LinearScaling | Llama3Scaling;
}

/** Radians per position of each pair of numbers of a head, float32 as the published implementation forms them. */
export function frequencies(headDim: number, { theta, scaling }: RotaryPositions): readonly number[] {
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = Math.fround(1 / theta ** ((2 * i) / headDim));
    return scaling ? Math.fround(scaled(frequency, scaling)) : frequency;
  });
}

function scaled(frequency: number, scaling: LinearScaling | Llama3Scaling): number {
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  // The share of the rotation that stays as it is (quirk 27 of the second set).
  const share = Math.min(1, Math.max(0, (turns - low) / (high - low)));
  return frequency * (share + (1 - share) / factor);
}

/** Rotary tables [T, 1, C]: x becomes x * cos + swapped(x) * sin, where `swapped` exchanges the two halves. */
export interface RopeTables {
  readonly cos: tf.Tensor;
  /** Negative in its first half. */
  readonly sin: tf.Tensor;
}

/**
 * Tables for `length` positions from `first` on (quirk 9), made on the host: constants of a trace. `scale` multiplies
 * what is rotated, for free.
 */
export function ropeTables(
  length: number,
  headDim: number,
  positions: RotaryPositions,
  scale = 1,
  first = 0,
): RopeTables {
  const half = headDim / 2;
  const cos = new Float32Array(length * headDim);
  const sin = new Float32Array(length * headDim);
  for (const [i, frequency] of frequencies(headDim, positions).entries()) {
    for (let position = 0; position < length; position++) {
      // Angles in float32, as the published implementation forms them (quirk 7).
      const angle = Math.fround((first + position) * frequency);
      const at = position * headDim + i;
      cos[at] = cos[at + half] = scale * Math.cos(angle);
      sin[at + half] = scale * Math.sin(angle);
      sin[at] = -sin[at + half];
    }
  }
  return { cos: tf.tensor(cos, [length, 1, headDim]), sin: tf.tensor(sin, [length, 1, headDim]) };
}

/** Whether two kinds of layers rotate alike, so that they share their tables. */
export function sameRotation(one: RotaryPositions, two: RotaryPositions): boolean {
  return one === two || JSON.stringify(one) === JSON.stringify(two);
}

/** The positions in words, for `graft inspect`. */
export function describeRotary({ theta, scaling }: RotaryPositions): string {
  return `theta ${theta}${scaling ? `, ${scaling.type} x ${scaling.factor}` : ''}`;
}
