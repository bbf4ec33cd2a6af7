import { decodeUtf8 } from '@graft/core/internal';
import { checkGrowth, MAX_TOKEN_CHARACTERS } from './limits';
import type { Normalizer, Sides } from './normalizer';
import { Excessive, Unsupported } from './unsupported';

const WHERE = 'normalizer Precompiled';
const encoder = new TextEncoder();
let segmenter: Intl.Segmenter | undefined;

/** Made at the first use: it takes several milliseconds. */
function graphemes(): Intl.Segmenter {
  return (segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' }));
}

/** ASCII except line ends, which are one grapheme. */
const PLAIN = /^[^\r\n\u007f-\uffff]*$/;

/**
 * The table of replacements that SentencePiece compiles into a model: a double-array trie over bytes, and the texts.
 */
export class PrecompiledMap implements Normalizer {
  readonly dropsCharacters = true;
  private readonly units: Uint32Array;
  private readonly texts: Uint8Array;
  private readonly ofCharacter = new Map<string, string | undefined>();

  constructor(base64: string) {
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length < 4) throw new Unsupported(WHERE, 'its table is empty');
    const trieBytes = bytes.readUInt32LE(0);
    if (trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) throw new Unsupported(WHERE, 'its table is damaged');
    this.units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
    this.texts = bytes.subarray(4 + trieBytes);
  }

  normalize(text: string): string {
    let result = '';
    const parts = PLAIN.test(text) ? text : Array.from(graphemes().segment(text), ({ segment }) => segment);
    for (const part of parts) {
      const whole = encoder.encode(part).length < 6 ? this.find(part) : undefined;
      if (whole !== undefined) result += whole;
      else for (const character of part) result += this.find(character) ?? character;
      checkGrowth(text.length, result.length, WHERE);
    }
    return result;
  }

  sides(before: string, after: string): Sides | undefined {
    if (!PLAIN.test(before) || !PLAIN.test(after)) return undefined;
    const [left, right] = [this.find(before) ?? before, this.find(after) ?? after];
    return left === '' || right === '' ? undefined : [left.at(-1)!, right[0]];
  }

  /** The replacement for the shortest beginning of a text that is in the table; it replaces the whole text. */
  private find(text: string): string | undefined {
    if (!this.ofCharacter.has(text)) {
      if (this.ofCharacter.size > 1 << 16) this.ofCharacter.clear();
      this.ofCharacter.set(text, this.lookUp(encoder.encode(text)));
    }
    return this.ofCharacter.get(text);
  }

  private lookUp(key: Uint8Array): string | undefined {
    const { units } = this;
    const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
    let at = offsetOf(units[0] ?? 0);
    for (const byte of key) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = units[at];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
      at ^= offsetOf(unit);
      if (((unit >>> 8) & 1) === 1) {
        const start = units[at] & 0x7fffffff;
        const end = this.texts.indexOf(0, start);
        const bytes = this.texts.subarray(start, end < 0 ? undefined : end);
        if (bytes.length > MAX_TOKEN_CHARACTERS)
          throw new Excessive(`its ${WHERE} has a text of ${bytes.length} bytes`);
        const replacement = decodeUtf8(bytes);
        if (replacement === undefined) throw new Excessive(`its ${WHERE} has a text that is not UTF-8`);
        return replacement;
      }
    }
    return undefined;
  }
}
