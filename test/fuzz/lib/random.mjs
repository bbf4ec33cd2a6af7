/** Numbers that depend on a text alone, so that an input is named by its seed, its target and its number. */
export class Random {
  constructor(name) {
    // FNV-1a.
    this.state = 0x811c9dc5;
    for (const char of Buffer.from(name)) this.state = Math.imul(this.state ^ char, 0x01000193) >>> 0;
  }

  /** 32 bits (mulberry32). */
  bits() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** From 0 to `end` - 1. */
  below(end) {
    return Math.floor((this.bits() / 2 ** 32) * end);
  }

  chance(share) {
    return this.bits() / 2 ** 32 < share;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
