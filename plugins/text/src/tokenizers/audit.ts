/** Which tokens of a vocabulary text can give, and which it cannot: only the latter are safe as sentinels. */
import type { NamedToken, Tokenizer } from '@graft/core';
import { byteToken } from './bytes';

/** The interface that an audit needs of a tokenizer. */
export interface AuditedTokenizer extends Tokenizer {
  /** The token itself; undefined for an id that is not used. */
  piece(id: number): string | undefined;
  /** Undefined where the vocabulary lacks the token. Default: no character has a token of its own. */
  idOf?(token: string): number | undefined;
  /** Tokens that the model alone makes of a word, without normalizer or pre-tokenizer. Default: not known. */
  modelTokens?(word: string): readonly string[];
}

/** What is known of an id of a tokenizer. */
export interface TokenAudit {
  readonly id: number;
  /** Undefined: the id is not used. */
  readonly token?: string;
  readonly kind: NamedToken['kind'] | 'byte' | 'piece' | 'none';
  /**
   * Whether text can give it. `spelled`: only text that contains the token's own spelling. `unknown`: none of the texts
   * that were tried does, and nothing proves that none can.
   */
  readonly given: 'yes' | 'spelled' | 'no' | 'unknown';
  /** A text that gives it: it was encoded, and the id was among its tokens. */
  readonly text?: string;
  /** Why no text gives it. */
  readonly reason?: string;
}

const SPACE = '▁';
/** Texts around a token, tried one after the other until it is among the tokens of the whole. */
const CONTEXTS: readonly (readonly [before: string, behind: string])[] = [
  ['', ''],
  ['a', ''],
  ['.', ''],
  ['', 'a'],
  ['a', 'a'],
  [' ', ' '],
  ['a ', ' a'],
];
const CANDIDATES_OF_BYTE = 8;

/** Audits tokens one by one; what it needs of the whole vocabulary is computed on the first use. */
export class TokenAuditor {
  private readonly named: ReadonlyMap<number, NamedToken>;
  private readonly bytes = new Map<string, number>(
    Array.from({ length: 256 }, (_, byte) => [byteToken(byte), byte] as const),
  );
  private charactersOfBytes: readonly string[][] | undefined;

  constructor(private readonly tokenizer: AuditedTokenizer) {
    this.named = new Map((tokenizer.namedTokens ?? []).map((token) => [token.id, token]));
  }

  /** Whether any text is encoded into this id, with such a text or the reason why there is none. */
  audit(id: number): TokenAudit {
    const named = this.named.get(id);
    const token = named?.token ?? this.tokenizer.piece(id);
    if (token === undefined) return { id, kind: 'none', given: 'no', reason: 'no token has this id' };
    if (named) return { id, token, kind: named.kind, ...this.ofNamed(id, token) };
    const byte = this.bytes.get(token);
    if (byte !== undefined) return { id, token, kind: 'byte', ...this.ofByte(id, byte) };
    return { id, token, kind: 'piece', ...this.ofPiece(id, token) };
  }

  private ofNamed(id: number, token: string): Pick<TokenAudit, 'given' | 'text' | 'reason'> {
    const text = this.witness(id, [token]);
    if (text !== undefined) return { given: 'spelled', text };
    return this.refuted(token, 'text is not searched for it') ?? { given: 'unknown' };
  }

  private ofByte(id: number, byte: number): Pick<TokenAudit, 'given' | 'text' | 'reason'> {
    this.charactersOfBytes ??= this.charactersWithoutTokens();
    const candidates = this.charactersOfBytes[byte];
    const text = this.witness(id, candidates);
    if (text !== undefined) return { given: 'yes', text };
    // Otherwise there are more than were tried.
    if (candidates.length === CANDIDATES_OF_BYTE) return { given: 'unknown' };
    const reason =
      candidates.length === 0
        ? 'UTF-8 does not have this byte, or every character with it has a token of its own'
        : 'the characters with this byte are normalised to others';
    return { given: 'no', reason };
  }

  private ofPiece(id: number, token: string): Pick<TokenAudit, 'given' | 'text' | 'reason'> {
    const decoded = this.tokenizer.decode([id], { keepSpecial: true });
    // A piece may be U+FFFD itself; otherwise that is a character which could not be decoded, and not a text to try.
    const isText = (text: string): boolean => text !== '' && (token.includes('\ufffd') || !text.includes('\ufffd'));
    const texts = [decoded, token.replaceAll(SPACE, ' '), token].filter(isText);
    const text = this.witness(id, [...new Set(texts)]) ?? this.witnessOfPart(id, token);
    if (text !== undefined) return { given: 'yes', text };
    const inside = [...this.named.values()].find(
      ({ token: other, kind }) => kind !== 'unused' && other !== token && token.includes(other) && this.isFound(other),
    );
    if (inside) return { given: 'no', reason: `${JSON.stringify(inside.token)} inside it is found first` };
    return this.refuted(token, 'merges do not lead to it') ?? { given: 'unknown' };
  }

  /** The first text, in some context, that has the id among its tokens. */
  private witness(id: number, texts: readonly string[]): string | undefined {
    for (const text of texts) {
      for (const [before, behind] of CONTEXTS) {
        const whole = before + text + behind;
        if (this.tokenizer.encode(whole).includes(id)) return whole;
      }
    }
    return undefined;
  }

  /** The same for a piece that is some bytes of a character, in vocabularies that write bytes as characters. */
  private witnessOfPart(id: number, token: string): string | undefined {
    const bytes = bytesOf(token);
    if (!bytes) return undefined;
    for (const before of beginningsFor(bytes))
      for (const behind of endingsFor([...before, ...bytes])) {
        const text = decodeStrictly([...before, ...bytes, ...behind]);
        const found = text === undefined ? undefined : this.witness(id, [text]);
        if (found !== undefined) return found;
      }
    return undefined;
  }

  /**
   * A token is merged from its own characters or not at all: until it exists no merge has crossed its ends, so that the
   * text around it did not matter. If the model alone does not make it of them, no text gives it.
   */
  private refuted(token: string, reason: string): { given: 'no'; reason: string } | undefined {
    const made = this.tokenizer.modelTokens?.(token);
    if (!made) return this.tokenizer.modelTokens ? undefined : { given: 'no', reason };
    if (made.length === 1 && made[0] === token) return undefined;
    return { given: 'no', reason: `${reason}: it comes out as ${made.map((one) => JSON.stringify(one)).join(' ')}` };
  }

  private isFound(token: string): boolean {
    const id = this.tokenizer.idOf?.(token);
    const ids = this.tokenizer.encode(token);
    return id !== undefined && ids.length === 1 && ids[0] === id;
  }

  /** For every byte some characters that have it in UTF-8 and no token of their own. */
  private charactersWithoutTokens(): string[][] {
    const found = Array.from({ length: 256 }, (): string[] => []);
    const encoder = new TextEncoder();
    for (let point = 0; point <= 0x10ffff; point++) {
      if (point >= 0xd800 && point < 0xe000) continue;
      const character = String.fromCodePoint(point);
      if (this.tokenizer.idOf?.(character) !== undefined) continue;
      for (const byte of encoder.encode(character))
        if (found[byte].length < CANDIDATES_OF_BYTE) found[byte].push(character);
    }
    return found;
  }
}

/**
 * Bytes by the characters that byte-level vocabularies write for them: visible ones as themselves, others from U+0100
 * on.
 */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = ((): Map<string, number> => {
  const isVisible = (byte: number): boolean =>
    (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte <= 0xff && byte !== 0xad);
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) map.set(String.fromCharCode(isVisible(byte) ? byte : next++), byte);
  return map;
})();

function bytesOf(token: string): number[] | undefined {
  const bytes = [...token].map((character) => BYTE_OF_CHARACTER.get(character));
  return bytes.includes(undefined) ? undefined : (bytes as number[]);
}

const isContinuation = (byte: number): boolean => byte >= 0x80 && byte < 0xc0;

/** Bytes that may precede a piece which begins in the middle of a character. */
function beginningsFor(bytes: readonly number[]): number[][] {
  if (!isContinuation(bytes[0])) return [[]];
  const leads = Array.from({ length: 0xf4 - 0xc2 + 1 }, (_, i) => [0xc2 + i]);
  const withOne = leads
    .filter(([lead]) => lead >= 0xe0)
    .flatMap(([lead]) => [0x80, 0x90, 0xa0, 0xb0].map((one) => [lead, one]));
  return [...leads, ...withOne, ...withOne.filter(([lead]) => lead >= 0xf0).map((two) => [...two, 0x80])];
}

/** Bytes that may follow a beginning which ends in the middle of a character. */
function endingsFor(bytes: readonly number[]): number[][] {
  let lead = bytes.length - 1;
  while (lead >= 0 && isContinuation(bytes[lead])) lead--;
  const first = lead < 0 ? 0 : bytes[lead];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  const missing = length - (bytes.length - lead);
  if (missing <= 0) return [[]];
  const last = [0x80, 0x8f, 0x9f, 0xa0, 0xa5, 0xaf, 0xb5, 0xbf];
  return last.map((byte) => Array.from({ length: missing }, () => byte));
}

function decodeStrictly(bytes: readonly number[]): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}
