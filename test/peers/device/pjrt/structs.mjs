// Native memory, and the structs of the PJRT C API by the names that its header gives them.
//   const args = new Struct('PJRT_Event_Await_Args', { event });
// Pointers are BigInts everywhere. layout.json has the offsets; layout.py makes it from the header.
import koffi from 'koffi';
import { readFileSync } from 'node:fs';

export const layout = JSON.parse(readFileSync(new URL('layout.json', import.meta.url), 'utf8'));

const libc = koffi.load('libc.so.6');
const calloc = libc.func('void* calloc(size_t, size_t)');
const alignedAlloc = libc.func('void* aligned_alloc(size_t, size_t)');
const freeNative = libc.func('void free(void*)');

export const address = (pointer) => (typeof pointer === 'bigint' ? pointer : pointer ? koffi.address(pointer) : 0n);
export const allocate = (bytes) => address(calloc(1, Math.max(8, bytes)));
/** Memory that starts at a page, as pinning wants it; its size must be whole pages. */
export const allocatePages = (bytes) => address(alignedAlloc(4096, bytes));
export const free = (...pointers) => pointers.forEach((pointer) => freeNative(pointer));

/** Native memory as a Buffer, without a copy. */
export const view = (pointer, bytes) => Buffer.from(koffi.view(pointer, bytes));
/** A native copy of these bytes, which the caller frees. */
export function copyOf(bytes) {
  const pointer = allocate(bytes.length);
  if (bytes.length > 0) view(pointer, bytes.length).set(bytes);
  return pointer;
}
export const text = (pointer, bytes) => (bytes > 0 ? view(pointer, Number(bytes)).toString() : '');
/** A native array of 64-bit integers or pointers, which the caller frees. */
export const words = (values) => copyOf(Buffer.from(BigInt64Array.from(values, BigInt).buffer));
export function readWords(pointer, count) {
  const bytes = count > 0 ? view(pointer, count * 8) : Buffer.alloc(0);
  return Array.from({ length: count }, (_, i) => bytes.readBigUInt64LE(i * 8));
}

/** A struct of the header, in native memory. */
export class Struct {
  /** Zeros, but for struct_size and the given fields; the caller frees it. With `pointer`, what is there already. */
  constructor(name, values = {}, pointer = undefined) {
    const known = layout.structs[name];
    if (!known) throw new Error(`layout.json has no struct ${name}`);
    this.name = name;
    this.fields = known.fields;
    this.pointer = pointer ?? allocate(known.size);
    this.bytes = view(this.pointer, known.size);
    if (pointer === undefined && known.fields.struct_size) this.set('struct_size', known.size);
    for (const [field, value] of Object.entries(values)) this.set(field, value);
  }

  #place(field) {
    const place = this.fields[field];
    if (!place) throw new Error(`${this.name} has no field ${field}`);
    return place;
  }

  set(field, value) {
    const [offset, bytes] = this.#place(field);
    if (field === 'float_value') this.bytes.writeFloatLE(value, offset);
    else if (bytes === 8) this.bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), offset);
    else if (bytes === 4) this.bytes.writeInt32LE(Number(value), offset);
    else this.bytes.writeUInt8(Number(value), offset);
  }

  /** Of 8 bytes a BigInt, which may be a pointer; otherwise a number. */
  get(field) {
    const [offset, bytes] = this.#place(field);
    if (field === 'float_value') return this.bytes.readFloatLE(offset);
    if (bytes === 8) return this.bytes.readBigUInt64LE(offset);
    return bytes === 4 ? this.bytes.readInt32LE(offset) : this.bytes.readUInt8(offset);
  }

  /** A signed integer of any width as a number. */
  number(field) {
    const value = this.get(field);
    return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) : value;
  }

  /** The text of a pointer whose length is in the field of the same name with `_size`. */
  string(field) {
    return text(this.get(field), this.get(`${field}_size`));
  }

  free() {
    free(this.pointer);
  }
}
