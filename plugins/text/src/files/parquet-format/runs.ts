import { Damaged } from './problems';
import { readVarint } from './varint';

/** Bytes of a page that are read in sequence. Throws Damaged at their end. */
export class PageBytes {
  constructor(
    readonly bytes: Uint8Array,
    public at = 0,
    private readonly end = bytes.length,
  ) {}

  get left(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.at >= this.end) throw new Damaged('a page ends too early');
    return this.bytes[this.at++];
  }

  /** Four bytes, little-endian. */
  uint32(): number {
    return this.byte() + this.byte() * 2 ** 8 + this.byte() * 2 ** 16 + this.byte() * 2 ** 24;
  }

  varint(): number {
    return readVarint(this, 'a page');
  }

  /** The next bytes as a reader of their own. */
  part(length: number): PageBytes {
    if (length > this.left) throw new Damaged('a page ends too early');
    const part = new PageBytes(this.bytes, this.at, this.at + length);
    this.at += length;
    return part;
  }
}

/** Bits of the largest level. */
export const bitsOf = (largest: number): number => 32 - Math.clz32(largest);

/**
 * Walks `count` numbers in runs, repeated or packed into `bits` each: the reader after this one trusts every length,
 * and would count to four thousand million. `seen` gets each number with its count.
 */
export function walkRuns(
  from: PageBytes,
  bits: number,
  count: number,
  seen: (value: number, times: number) => void,
): void {
  if (bits > 32) throw new Damaged(`a page has numbers of ${bits} bits`);
  const bytes = Math.ceil(bits / 8);
  for (let left = count; left > 0;) {
    const head = from.varint();
    if (head % 2 === 0) {
      const times = head / 2;
      if (times > left) throw new Damaged(`a page has more than its ${count} values`);
      let value = 0;
      for (let i = 0; i < bytes; i++) value += from.byte() * 2 ** (8 * i);
      if (times > 0) seen(value, times);
      left -= times;
    } else left -= walkPacked(from, bits, ((head - 1) / 2) * 8, left, seen);
  }
}

/** `values` in groups of eight, of which at most `wanted` count; the end of the last group may be missing. */
function walkPacked(
  from: PageBytes,
  bits: number,
  values: number,
  wanted: number,
  seen: (value: number, times: number) => void,
): number {
  const count = Math.min(values, wanted);
  if (Math.ceil((count * bits) / 8) > from.left) throw new Damaged('a page ends too early');
  const packed = from.part(Math.min((values * bits) / 8, from.left));
  let buffer = 0;
  let buffered = 0;
  for (let i = 0; i < count; i++) {
    while (buffered < bits) {
      buffer += packed.byte() * 2 ** buffered;
      buffered += 8;
    }
    const value = buffer % 2 ** bits;
    buffer = (buffer - value) / 2 ** bits;
    buffered -= bits;
    seen(value, 1);
  }
  return count;
}

/** Walks a list of `count` numbers that are stored as differences. */
export function walkDeltas(from: PageBytes, count: number): void {
  const perBlock = from.varint();
  const parts = from.varint();
  const total = from.varint();
  from.varint();
  const perPart = perBlock / parts;
  if (perBlock === 0 || perBlock > 2 ** 20 || perBlock % 128 !== 0 || parts === 0 || perPart % 32 !== 0)
    throw new Damaged(`a page has blocks of ${perBlock} values in ${parts} parts`);
  if (total !== count) throw new Damaged(`a page has ${total} values where it should have ${count}`);
  for (let left = count - 1; left > 0;) {
    from.varint();
    const widths = Array.from({ length: parts }, () => from.byte());
    for (const width of widths) {
      if (left <= 0) break;
      if (width > 64) throw new Damaged(`a page has numbers of ${width} bits`);
      // The last part may end after its last value.
      const needed = Math.ceil((Math.min(left, perPart) * width) / 8);
      if (needed > from.left) throw new Damaged('a page ends too early');
      from.part(Math.min((perPart * width) / 8, from.left));
      left -= perPart;
    }
  }
}
