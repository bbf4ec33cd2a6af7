import { koffi } from './koffi';

/** A pointer into native memory; 0n is null. */
export type Pointer = bigint;

let memcpy: ((to: Uint8Array | Pointer, from: Uint8Array | Pointer, length: number) => void) | undefined;

/**
 * Copies bytes between native memory and ours. A view of native memory would save nothing (the bytes are copied once
 * either way), and its memory would only be released in a later turn of the event loop.
 */
export function copyNative(to: Uint8Array | Pointer, from: Uint8Array | Pointer, length: number): void {
  memcpy ??= koffi().load(null).func('void memcpy(void *, const void *, size_t)') as NonNullable<typeof memcpy>;
  if (length > 0) memcpy(to, from, length);
}

export function writeNative(to: Pointer, bytes: Uint8Array): void {
  copyNative(to, bytes, bytes.byteLength);
}

export function readNative(from: Pointer, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  copyNative(bytes, from, length);
  return bytes;
}

/** Native memory as an ArrayBuffer, without a copy. The array does not keep the memory alive. */
export function viewNative(start: Pointer, bytes: number): ArrayBuffer {
  return koffi().view(start, bytes);
}
