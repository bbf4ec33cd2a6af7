import { readNative, type Pointer } from '../../foreign/memory';
import { koffi } from '../../foreign/koffi';

export { readNative, type Pointer };

/**
 * Where the memory of a typed array begins. It stays there for as long as the array is referenced; an empty array has
 * none (0n).
 */
export function addressOf(array: ArrayBufferView): Pointer {
  return koffi().address(array);
}

/** Bytes of native memory as UTF-8. */
export function readText(from: Pointer, bytes: number): string {
  return Buffer.from(readNative(from, bytes)).toString();
}

/** Pointers or unsigned 64-bit integers of native memory. */
export function readWords(from: Pointer, count: number): BigUint64Array {
  return new BigUint64Array(readNative(from, count * 8).buffer);
}

/** 64-bit integers or pointers for native code. */
export function words(values: readonly (number | bigint)[]): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt.asIntN(64, BigInt(value)));
}
