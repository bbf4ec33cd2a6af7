/** The largest numbers of a tensor by their size, found without holding it: by the bits of float32. */

const UPPER = 1 << 15;
const LOWER = 1 << 16;

/** Sizes as 31 bits, in the order of the sizes; infinity and NaN are the largest. */
function sizesOf(values: Float64Array): Uint32Array {
  const bits = new Uint32Array(new Float32Array(values).buffer);
  for (let i = 0; i < bits.length; i++) bits[i] &= 0x7fffffff;
  return bits;
}

/** What to keep of a tensor: all that is larger than a size, and some that equals it. */
export interface Trim {
  readonly size: number;
  /** How many of the numbers of that size are kept: the first ones. */
  readonly ofThatSize: number;
}

/** The bin in which the number of a rank lies, counted from the largest; and its rank there. */
function binOf(counts: Uint32Array, rank: number): { readonly bin: number; readonly rank: number } {
  let left = rank;
  for (let bin = counts.length - 1; bin > 0; bin--) {
    if (left <= counts[bin]) return { bin, rank: left };
    left -= counts[bin];
  }
  return { bin: 0, rank: left };
}

/** Reads the tensor twice: `read` calls its argument with each piece, in order. */
export async function trimTo(
  kept: number,
  read: (use: (values: Float64Array) => void) => Promise<void>,
): Promise<Trim> {
  const upper = new Uint32Array(UPPER);
  await read((values) => {
    for (const bits of sizesOf(values)) upper[bits >>> 16]++;
  });
  const high = binOf(upper, kept);
  const lower = new Uint32Array(LOWER);
  await read((values) => {
    for (const bits of sizesOf(values)) if (bits >>> 16 === high.bin) lower[bits & 0xffff]++;
  });
  const low = binOf(lower, high.rank);
  return { size: high.bin * LOWER + low.bin, ofThatSize: low.rank };
}

/** Replaces by 0 what a trim does not keep, piece after piece. */
export function trimmer({ size, ofThatSize }: Trim): (values: Float64Array) => void {
  let left = ofThatSize;
  return (values) => {
    const sizes = sizesOf(values);
    for (let i = 0; i < values.length; i++) {
      if (sizes[i] > size || (sizes[i] === size && left-- > 0)) continue;
      values[i] = 0;
    }
  };
}
