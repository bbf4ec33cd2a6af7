import type { Place, StructLayout } from './layout';
import { addressOf } from './memory';

/** Memory that native code may read or write, and all that it points to. */
export interface NativeMemory {
  readonly bytes: ArrayBufferView;
}

/** What a field holds: a pointer or 64-bit integer (0n is null), a small number, or the address of some memory. */
export type Word = bigint | number | ArrayBufferView | NativeMemory;

/** Names of a layout's fields. */
export type FieldOf<L extends StructLayout> = Extract<keyof L['fields'], string>;

/**
 * A struct of the header, in memory of JavaScript's that native code reads and writes while it is called. It references
 * the arrays and structs to which its fields were set: otherwise they could be collected while native code uses them.
 */
export class Struct<F extends string = string> implements NativeMemory {
  readonly bytes: Buffer;
  private references: object[] = [];
  private readonly fields: Readonly<Record<string, Place>>;

  /** In memory of its own, or at an offset of an array of structs. */
  constructor(layout: StructLayout, within?: { readonly array: Buffer; readonly offset: number }) {
    this.fields = layout.fields;
    this.bytes = within?.array.subarray(within.offset, within.offset + layout.size) ?? Buffer.alloc(layout.size);
    this.fill({});
  }

  /** Zeros, but for the struct's size and the given fields. */
  fill(values: Partial<Record<F, Word>>): this {
    this.release();
    this.bytes.fill(0);
    this.bytes.writeBigUInt64LE(BigInt(this.bytes.length), 0);
    for (const field in values) this.set(field, values[field]!);
    return this;
  }

  /** References nothing any more. */
  release(): void {
    if (this.references.length > 0) this.references = [];
  }

  set(field: F, value: Word): void {
    const [offset, bytes] = this.fields[field];
    if (typeof value === 'object') {
      this.references.push(value);
      this.bytes.writeBigUInt64LE(addressOf('bytes' in value ? value.bytes : value), offset);
    } else if (field === 'float_value') this.bytes.writeFloatLE(Number(value), offset);
    else if (bytes === 8) this.bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), offset);
    else if (bytes === 4) this.bytes.writeInt32LE(Number(value), offset);
    else this.bytes.writeUInt8(Number(value), offset);
  }

  pointer(field: F): bigint {
    return this.bytes.readBigUInt64LE(this.fields[field][0]);
  }

  /** A signed integer of any width. */
  number(field: F): number {
    const [offset, bytes] = this.fields[field];
    if (bytes === 8) return Number(this.bytes.readBigInt64LE(offset));
    return bytes === 4 ? this.bytes.readInt32LE(offset) : this.bytes.readUInt8(offset);
  }

  has(field: string): field is F {
    return field in this.fields;
  }
}
