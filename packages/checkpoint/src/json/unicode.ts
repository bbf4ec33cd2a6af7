import { isUtf8 } from 'node:buffer';

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** UTF-8 as text, code point by code point, a byte order mark included; undefined if it is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? bufferOf(bytes).toString('utf8') : undefined;
}

/** Offset of the first byte of the first sequence that is not UTF-8. Undefined if all of it is. */
export function invalidUtf8At(bytes: Uint8Array): number | undefined {
  if (isUtf8(bytes)) return undefined;
  // Decoding replaces invalid bytes by U+FFFD; after it, all bytes may differ.
  const decoded = Buffer.from(bufferOf(bytes).toString('utf8'));
  let at = 0;
  while (decoded[at] === bytes[at]) at++;
  // The first bytes of U+FFFD may agree with those of a sequence that is cut off.
  while (at > 0 && (decoded[at] & 0xc0) === 0x80) at--;
  return at;
}

/** The problem at that offset, for errors: `byte 0xe9 at offset 3`. `from`: offset of the bytes in their file. */
export function describeInvalidUtf8(bytes: Uint8Array, from = 0): string {
  const at = invalidUtf8At(bytes) ?? 0;
  return `byte 0x${bytes[at].toString(16).padStart(2, '0')} at offset ${from + at}`;
}

/**
 * The first half of a surrogate pair without its other half. JavaScript's strings may contain one, Unicode texts must
 * not.
 */
export function loneSurrogate(text: string): string | undefined {
  // With the flag u, whole pairs are one character, which does not match.
  return /[\ud800-\udfff]/u.exec(text)?.[0];
}

/** A surrogate as JSON and YAML write it: `\ud83d`. */
export const escapedUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16)}`;
