import { Damaged } from './problems';
import { readVarint } from './varint';

/** Fields of a Thrift struct by number. Numbers beyond 2^53 are rounded; binaries are skipped. */
export type ThriftFields = ReadonlyMap<number, ThriftValue>;
export type ThriftValue = boolean | number | undefined | ThriftFields | readonly ThriftValue[];

/** Nesting of structs; Parquet has three levels. */
const DEEPEST = 16;

/** Reads structs in Thrift's compact protocol from bytes that may contain anything. */
export class ThriftReader {
  constructor(
    private readonly bytes: Uint8Array,
    /** Where the next struct begins. */
    public at: number,
    private readonly name = 'a page header',
  ) {}

  /** Throws Damaged. */
  struct(depth = 0): ThriftFields {
    if (depth > DEEPEST) throw new Damaged(`${this.name} has no end`);
    const fields = new Map<number, ThriftValue>();
    for (let id = 0; ;) {
      const head = this.byte();
      const type = head & 0x0f;
      if (type === 0) return fields;
      id = head >> 4 ? id + (head >> 4) : unzigzag(this.varint());
      fields.set(id, this.value(type, depth));
    }
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new Damaged(`${this.name} ends too early`);
    return this.bytes[this.at++];
  }

  private varint(): number {
    return readVarint(this, this.name);
  }

  private skip(bytes: number): undefined {
    if (bytes > this.bytes.length - this.at) throw new Damaged(`${this.name} ends too early`);
    this.at += bytes;
    return undefined;
  }

  private value(type: number, depth: number): ThriftValue {
    if (type === 1 || type === 2) return type === 1;
    if (type === 3) return (this.byte() << 24) >> 24;
    if (type >= 4 && type <= 6) return unzigzag(this.varint());
    if (type === 7) return this.skip(8);
    if (type === 8) return this.skip(this.varint());
    if (type === 12) return this.struct(depth + 1);
    if (type !== 9) throw new Damaged(`${this.name} has a field of the unknown type ${type}`);
    const head = this.byte();
    const length = head >> 4 === 15 ? this.varint() : head >> 4;
    const inner = head & 0x0f;
    if (length > this.bytes.length - this.at) throw new Damaged(`${this.name} ends too early`);
    return Array.from({ length }, () => (inner <= 2 ? this.byte() === 1 : this.value(inner, depth + 1)));
  }
}

/** Exact up to 2^53. */
const unzigzag = (value: number): number => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
