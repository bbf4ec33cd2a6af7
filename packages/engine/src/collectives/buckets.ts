/** Tensors that travel together, as one. */
export interface Bucket {
  /** Places in the list, in order. */
  readonly members: readonly number[];
  readonly elements: number;
}

/**
 * Shares tensors out into buckets of at most `most` elements, in their order; a larger tensor is a bucket of its own, which
 * needs no copy. `kinds`: only equal ones share a bucket.
 */
export function planBuckets(sizes: readonly number[], most: number, kinds?: readonly string[]): Bucket[] {
  const buckets: Bucket[] = [];
  /** The one that is being filled, of each kind. */
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
    // A large tensor does not close a bucket that has room.
    if (size < most) open.set(kind, bucket);
  });
  return buckets;
}
