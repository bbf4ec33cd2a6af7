import { fromByteCharacters } from './byte-characters';
import type { Decoder } from './decoders';

/** Stands on both sides of a token, because decoders treat the first and the last one of a text differently. */
const NEIGHBOUR = 'a';

/** `<0x0A>`, as decoders read it. */
const BYTE_TOKEN = /^<0x[0-9A-Fa-f]{2}>$/;

/**
 * The number of UTF-8 bytes by which a token lengthens a text in the middle of which it is decoded. `decoder`:
 * undefined if tokens are joined by spaces. `types`: names of its steps.
 *
 *     '▁the'   ->   4, ' the'
 *     '<0xC3>' ->   1, the first byte of 'é': on its own it would be decoded as U+FFFD, which has 3
 */
export function tokenBytes(token: string, decoder: Decoder | undefined, types: readonly string[]): number {
  // Half a character is a token, too, but no text.
  const spelled = types.includes('ByteLevel') ? fromByteCharacters(token) : undefined;
  if (spelled) return spelled.length;
  if (types.includes('ByteFallback') && BYTE_TOKEN.test(token)) return 1;
  const decode = (tokens: readonly string[]): string => (decoder ? decoder(tokens).join('') : tokens.join(' '));
  const [longer, shorter] = [
    [NEIGHBOUR, token, NEIGHBOUR],
    [NEIGHBOUR, NEIGHBOUR],
  ].map(decode);
  // Some decoders drop a token that repeats its neighbour.
  return Math.max(0, Buffer.byteLength(longer) - Buffer.byteLength(shorter));
}

/** The names of a decoder's steps, whether or not it is a `Sequence`; the file has been checked by `createDecoder`. */
export function decoderTypes(part: unknown): string[] {
  const { type, decoders } = (part ?? {}) as { type?: string; decoders?: readonly unknown[] };
  return [...(type === undefined ? [] : [type]), ...(decoders ?? []).flatMap(decoderTypes)];
}
