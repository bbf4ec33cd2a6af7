/** A number for each pair of ids: a hash table in plain arrays, for half a million merges. */
export class PairTable {
  private readonly mask: number;
  /** Left id, right id and the value plus one of each slot; 0 if it is free. */
  private readonly slots: Int32Array;

  constructor(size: number) {
    const capacity = 2 ** Math.ceil(Math.log2(2 * size + 2));
    this.mask = capacity - 1;
    this.slots = new Int32Array(3 * capacity);
  }

  /** Replaces the value of an existing pair. */
  set(left: number, right: number, value: number): void {
    const { slots } = this;
    const at = this.find(left, right);
    slots[at] = left;
    slots[at + 1] = right;
    slots[at + 2] = value + 1;
  }

  /** -1: not found. */
  get(left: number, right: number): number {
    return this.slots[this.find(left, right) + 2] - 1;
  }

  private find(left: number, right: number): number {
    const { slots, mask } = this;
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    for (;;) {
      const at = 3 * slot;
      if (slots[at + 2] === 0 || (slots[at] === left && slots[at + 1] === right)) return at;
      slot = (slot + 1) & mask;
    }
  }
}
