import { temporaryFolder } from '@graft/test-support';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const uint64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const float32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const text = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
};

/** A value with its type in front of it, as files store it. */
export type Stored = Buffer;

/** Values of metadata by the type that llama.cpp's converter gives them. */
export const stored = {
  uint32: (value: number): Stored => Buffer.concat([uint32(4), uint32(value)]),
  float32: (value: number): Stored => Buffer.concat([uint32(6), float32(value)]),
  bool: (value: boolean): Stored => Buffer.concat([uint32(7), Buffer.from([value ? 1 : 0])]),
  uint64: (value: bigint): Stored => Buffer.concat([uint32(10), uint64(value)]),
  text: (value: string | Buffer): Stored => Buffer.concat([uint32(8), text(value)]),
  texts: (values: readonly string[], claimed: number | bigint = values.length): Stored =>
    Buffer.concat([uint32(9), uint32(8), uint64(claimed), ...values.map(text)]),
  int32s: (values: readonly number[]): Stored =>
    Buffer.concat([uint32(9), uint32(5), uint64(values.length), ...values.map((value) => uint32(value >>> 0))]),
  float32s: (values: readonly number[]): Stored =>
    Buffer.concat([uint32(9), uint32(6), uint64(values.length), ...values.map(float32)]),
  raw: (type: number, ...rest: readonly Buffer[]): Stored => Buffer.concat([uint32(type), ...rest]),
};

export interface CraftedTensor {
  readonly name: string;
  /** ggml's number; default F32. */
  readonly type?: number;
  /** Slowest axis first. */
  readonly shape: readonly (number | bigint)[];
  readonly data?: Uint8Array;
  /** Where it is said to begin, counted from the beginning of the data. */
  readonly offset?: number | bigint;
}

export interface CraftedGguf {
  readonly magic?: string;
  readonly version?: number;
  readonly keys?: Readonly<Record<string, Stored>> | readonly (readonly [string, Stored])[];
  readonly tensors?: readonly CraftedTensor[];
  readonly claimedKeys?: number | bigint;
  readonly claimedTensors?: number | bigint;
  /** Follows the last tensor. */
  readonly rest?: Uint8Array;
}

const ALIGNMENT = 32;
const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

/** The bytes of a file, whole unless something else is asked for. */
export function ggufBytes(crafted: CraftedGguf): Buffer {
  const { magic = 'GGUF', version = 3, tensors = [], rest = Buffer.alloc(0) } = crafted;
  const keys = Array.isArray(crafted.keys) ? crafted.keys : Object.entries(crafted.keys ?? {});
  const parts = [Buffer.from(magic, 'latin1'), uint32(version)];
  parts.push(uint64(crafted.claimedTensors ?? tensors.length), uint64(crafted.claimedKeys ?? keys.length));
  for (const [key, value] of keys as [string, Stored][]) parts.push(text(key), value);
  const data: Buffer[] = [];
  let at = 0;
  for (const { name, type = 0, shape, data: bytes = new Uint8Array(0), offset = at } of tensors) {
    parts.push(text(name), uint32(shape.length), ...[...shape].reverse().map(uint64), uint32(type), uint64(offset));
    const whole = Buffer.concat([bytes, padding(bytes.length)]);
    data.push(whole);
    at += whole.length;
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, padding(header.length), ...data, rest]);
}

/** The file, in a folder of its own. */
export function craftGguf(crafted: CraftedGguf): string {
  const file = join(temporaryFolder(), 'crafted.gguf');
  writeFileSync(file, ggufBytes(crafted));
  return file;
}

/** Float32 values as a tensor's bytes. */
export const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
