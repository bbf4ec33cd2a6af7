/** Tensors that are sent together, as one. */
export interface Bucket {
  /** Indexes into the list, in order. */
  readonly members: readonly number[];
  readonly elements: number;
}

/**
 * Splits tensors into buckets of at most `most` elements, in their order; a larger tensor gets its own bucket, which
 * needs no copy. `kinds`: only tensors of the same kind share a bucket.
 */
export function planBuckets(sizes: readonly number[], most: number, kinds?: readonly string[]): Bucket[] {
  const buckets: Bucket[] = [];
  /** The bucket that is being filled, for each kind. */
  const open = new Map<string, { members: number[]; elements: number }>();
  sizes.forEach((size, i) => {
    if (size === 0) return;
    const kind = kinds?.[i] ?? '';
    const current = open.get(kind);
    if (current && current.elements + size <= most) {
      current.members.push(i);
      current.elements += size;
      return;
    }
    const bucket = { members: [i], elements: size };
    buckets.push(bucket);
    // A large tensor does not close a bucket that has space left.
    if (size < most) open.set(kind, bucket);
  });
  return buckets;
}
