/**
 * How byte-level tokenizers spell bytes: those that are printable in Latin-1 as themselves, the others from U+0100 on.
 */
const CHARACTERS: readonly string[] = ((): string[] => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
    return String.fromCharCode(isPrintable ? byte : next++);
  });
})();

const BYTES = new Map(CHARACTERS.map((character, byte) => [character, byte]));
const encoder = new TextEncoder();

/** A text's UTF-8 bytes, as one character each. */
export function toByteCharacters(text: string): string {
  let result = '';
  for (const byte of encoder.encode(text)) result += CHARACTERS[byte];
  return result;
}

/** The bytes that characters spell; undefined if one of them does not spell a byte. */
export function fromByteCharacters(text: string): number[] | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = BYTES.get(character);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return bytes;
}
