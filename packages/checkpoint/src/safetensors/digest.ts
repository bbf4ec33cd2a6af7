import * as zlib from 'node:zlib';

/** The name that a manifest gives to what `crc32` computes. */
export const DIGEST = 'crc32';

const TABLES = 8;

/** tables[k][b]: contribution of byte b followed by k bytes. */
function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: TABLES }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    tables[0][byte] = value;
  }
  for (let k = 1; k < TABLES; k++)
    for (let byte = 0; byte < 256; byte++)
      tables[k][byte] = (tables[k - 1][byte] >>> 8) ^ tables[0][tables[k - 1][byte] & 0xff];
  return tables;
}

let tables: Uint32Array[] | undefined;

/** `zlib.crc32` for Node before 20.15 and 22.2, which lack it: the same numbers, about ten times slower. */
export function portableCrc32(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = (tables ??= makeTables());
  let crc = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const low = crc ^ (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24));
    crc =
      t7[low & 0xff] ^
      t6[(low >>> 8) & 0xff] ^
      t5[(low >>> 16) & 0xff] ^
      t4[low >>> 24] ^
      t3[bytes[i + 4]] ^
      t2[bytes[i + 5]] ^
      t1[bytes[i + 6]] ^
      t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 0xff];
  return ~crc >>> 0;
}

/** Node takes at most 2^32 - 1 bytes at a time. */
const LARGEST_PIECE = 1 << 30;

const ofPiece: (bytes: Uint8Array, before: number) => number = (zlib as Partial<typeof zlib>).crc32 ?? portableCrc32;

/**
 * CRC-32 of bytes, or continued from the bytes that gave `before`. It detects every flipped bit and every error within
 * 32 bits, and misses one in four billion of all others. It protects against disk errors, not against forgery.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  if (bytes.length <= LARGEST_PIECE) return ofPiece(bytes, before);
  let crc = before;
  for (let at = 0; at < bytes.length; at += LARGEST_PIECE) crc = ofPiece(bytes.subarray(at, at + LARGEST_PIECE), crc);
  return crc;
}

/** As a manifest writes it: eight hexadecimal digits. */
export function formatDigest(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

export function digestOf(content: string | Uint8Array): string {
  return formatDigest(crc32(typeof content === 'string' ? Buffer.from(content) : content));
}

export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{8}$/.test(value);
}
