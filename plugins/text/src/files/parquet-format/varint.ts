import { Damaged } from './problems';

/**
 * A number of any length, seven bits a byte, the lowest first. Beyond 2^53 it is rounded. Throws Damaged for one of more than 64 bits;
 * `name`: what it stands in.
 */
export function readVarint(bytes: { byte(): number }, name: string): number {
  let value = 0;
  for (let i = 0, factor = 1; i < 10; i++, factor *= 128) {
    const byte = bytes.byte();
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value;
  }
  throw new Damaged(`${name} has a number of more than 64 bits`);
}
