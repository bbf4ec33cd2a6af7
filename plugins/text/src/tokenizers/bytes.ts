import { defineComponent, parseOptions, type NamedToken, type Tokenizer } from '@graft/core';
import { z } from 'zod';
import { checkWellFormed } from './tokenizer-json/characters';

const PAD = 0;
const EOS = 1;
const BOS = 2;
const FIRST_BYTE = 3;
const SIZE = FIRST_BYTE + 256;

/** The options of the tokenizer `bytes`. */
export const bytesOptions = z.strictObject({
  vocabularySize: z
    .int()
    .min(SIZE)
    .default(SIZE)
    .describe(
      'Size of the vocabulary; more than 259 leaves ids unused, `<unused0>` and so on: to round a table up, or for sentinels.',
    ),
});

/** What a config or code may write. */
export type BytesOptions = z.input<typeof bytesOptions>;
/** The same with every default filled in. */
export type ResolvedBytesOptions = z.output<typeof bytesOptions>;

const SPECIAL = ['<pad>', '<eos>', '<bos>'];

/** The name of a byte in vocabularies that fall back to bytes: `<0x0A>`. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/**
 * UTF-8 bytes as tokens; needs no file. Ids: pad 0, eos 1, bos 2, byte b is b + 3.
 *
 *     'né'   ->   [113, 198, 172]
 */
export class BytesTokenizer implements Tokenizer {
  readonly vocabularySize: number;
  readonly padId = PAD;
  readonly eosId = EOS;
  readonly bosId = BOS;
  readonly namedTokens: readonly NamedToken[];
  private readonly encoder = new TextEncoder();

  constructor(options: BytesOptions = {}) {
    const { vocabularySize } = parseOptions(bytesOptions, options, 'BytesTokenizer');
    this.vocabularySize = vocabularySize;
    this.namedTokens = [
      ...SPECIAL.map((token, id) => ({ id, token, kind: 'special' as const })),
      ...Array.from({ length: vocabularySize - SIZE }, (_, i) => ({
        id: SIZE + i,
        token: `<unused${i}>`,
        kind: 'unused' as const,
      })),
    ];
  }

  /** Throws DataError for half of a surrogate pair, which is not a character. */
  encode(text: string): Int32Array {
    checkWellFormed(text);
    return Int32Array.from(this.encoder.encode(text), (byte) => byte + FIRST_BYTE);
  }

  separates(): boolean {
    return true;
  }

  /** `<pad>`, or `<0x0A>` for a byte; undefined for an id that is not used. */
  piece(id: number): string | undefined {
    return id >= FIRST_BYTE && id < SIZE ? byteToken(id - FIRST_BYTE) : SPECIAL[id];
  }

  byteLength(id: number): number {
    return id >= FIRST_BYTE && id < SIZE ? 1 : 0;
  }

  /** Bytes that are not UTF-8 become U+FFFD, unused ids are left out, and special tokens need `keepSpecial`. */
  decode(ids: ArrayLike<number>, { keepSpecial = false }: { keepSpecial?: boolean } = {}): string {
    let text = '';
    let bytes: number[] = [];
    const flush = (): void => {
      text += new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      bytes = [];
    };
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (id >= FIRST_BYTE && id < SIZE) bytes.push(id - FIRST_BYTE);
      else if (keepSpecial && id >= 0 && id < FIRST_BYTE) {
        flush();
        text += SPECIAL[id];
      }
    }
    flush();
    return text;
  }
}

export const bytes = defineComponent({
  interface: 'tokenizer',
  id: 'bytes',
  description: 'UTF-8 bytes; needs no file',
  options: bytesOptions,
  useFactory: ({ options }) => new BytesTokenizer(options),
});
