import { shortened } from '@graft/core/internal';
import { byteToken } from '../bytes';
import { Bpe, readVocabulary } from './bpe';
import { BranchCount, checkCount, checkToken, MAX_TOKENS } from './limits';
import { growTo, type SpellingNode } from './spelling-tree';
import { listOf, optional, required, Unsupported, type Part, typeName } from './unsupported';

/** Makes tokens of a piece of text. */
export interface Model {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly unknownToken: string | undefined;
  encode(piece: string): number[];
}

/** A vocabulary, and the token of it that stands for what it does not have. */
function readWords(part: Part, where: string): { vocabulary: Map<string, number>; token: string; id: number } {
  const vocabulary = readVocabulary(part, where);
  const token = required(part, 'unk_token', 'string', where);
  const id = vocabulary.get(token);
  if (id === undefined) throw new Unsupported(where, 'its unk_token is not in the vocabulary');
  return { vocabulary, token, id };
}

/** A piece is a token, or unknown. */
class WordLevel implements Model {
  readonly vocabulary: Map<string, number>;
  readonly unknownToken: string;
  private readonly unknown: number;

  constructor(part: Part) {
    const where = 'model WordLevel';
    ({ vocabulary: this.vocabulary, token: this.unknownToken, id: this.unknown } = readWords(part, where));
  }

  encode(piece: string): number[] {
    return [this.vocabulary.get(piece) ?? this.unknown];
  }
}

/** Characters of a word in WordPiece; published files have 100. */
const MAX_WORD_CHARACTERS = 1000;

/** From the left, the longest token at each place; a piece that cannot be spelled to its end is unknown as a whole. */
class WordPiece implements Model {
  readonly vocabulary: Map<string, number>;
  readonly unknownToken: string;
  private readonly unknown: number;
  private readonly prefix: string;
  private readonly mostCharacters: number;

  constructor(part: Part) {
    const where = 'model WordPiece';
    ({ vocabulary: this.vocabulary, token: this.unknownToken, id: this.unknown } = readWords(part, where));
    this.prefix = required(part, 'continuing_subword_prefix', 'string', where);
    checkToken(this.prefix, where);
    this.mostCharacters = required(part, 'max_input_chars_per_word', 'number', where);
    // Every part of a word is looked up.
    if (!(this.mostCharacters <= MAX_WORD_CHARACTERS))
      throw new Unsupported(
        where,
        `max_input_chars_per_word is ${this.mostCharacters}; Graft takes at most ${MAX_WORD_CHARACTERS}`,
      );
  }

  encode(piece: string): number[] {
    const characters = Array.from(piece);
    if (characters.length > this.mostCharacters) return [this.unknown];
    const ids: number[] = [];
    for (let start = 0; start < characters.length;) {
      let end = characters.length;
      let id: number | undefined;
      for (; end > start; end--) {
        const token = (start > 0 ? this.prefix : '') + characters.slice(start, end).join('');
        id = this.vocabulary.get(token);
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  }
}

/** Below the lowest score, for a character that is not a token. */
const UNKNOWN_PENALTY = 10;

/** The tokens with the highest sum of scores; adjacent unknown characters are one. */
class Unigram implements Model {
  readonly vocabulary = new Map<string, number>();
  readonly unknownToken: string | undefined;
  private readonly scores: Float64Array;
  private readonly unknown: number | undefined;
  private readonly unknownScore: number;
  /** Of ids. */
  private readonly root: SpellingNode<number> = { next: new Map() };
  private readonly bytes: readonly (number | undefined)[] | undefined;

  constructor(part: Part) {
    const where = 'model Unigram';
    const entries = listOf(part.vocab, where).map((entry) => {
      const [token, score] = listOf(entry, where);
      if (typeof token === 'string' && typeof score === 'number' && Number.isFinite(score)) return { token, score };
      throw new Unsupported(
        where,
        `an entry should be a token and a score, found ${shortened(JSON.stringify(entry), 60)}`,
      );
    });
    checkCount(entries.length, MAX_TOKENS, 'tokens', where);
    const branches = new BranchCount(where);
    this.scores = Float64Array.from(entries, ({ score }) => score);
    for (const [id, { token }] of entries.entries()) {
      // The published library identifies tokens by their text: the later of two counts.
      this.vocabulary.set(token, id);
      checkToken(token, where);
      if (token !== '') growTo(this.root, token, branches).token = id;
    }
    this.unknown = optional(part, 'unk_id', 'number', where);
    if (this.unknown === undefined || !entries[this.unknown])
      throw new Unsupported(where, 'it has no unknown token, without which some texts have no tokens');
    this.unknownToken = entries[this.unknown].token;
    this.unknownScore = this.scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY;
    this.bytes =
      optional(part, 'byte_fallback', 'boolean', where) === true
        ? Array.from({ length: 256 }, (_, byte) => this.vocabulary.get(byteToken(byte)))
        : undefined;
  }

  encode(piece: string): number[] {
    const { length } = piece;
    const best = new Float64Array(length + 1);
    const from = new Int32Array(length + 1).fill(-1);
    const ids = new Int32Array(length + 1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      if (from[end] !== -1 && score <= best[end]) return;
      best[end] = score;
      from[end] = start;
      ids[end] = id;
    };
    for (let start = 0; start < length;) {
      const size = piece.codePointAt(start)! > 0xffff ? 2 : 1;
      let isToken = false;
      let node = this.root.next.get(piece.charCodeAt(start));
      for (let end = start + 1; node; node = node.next.get(piece.charCodeAt(end++))) {
        if (node.token === undefined) continue;
        offer(start, end, node.token, this.scores[node.token] + best[start]);
        isToken ||= end === start + size;
      }
      if (!isToken) offer(start, start + size, this.unknown!, this.unknownScore + best[start]);
      start += size;
    }
    return this.backtrack(piece, from, ids);
  }

  private backtrack(piece: string, from: Int32Array, ids: Int32Array): number[] {
    const result: number[] = [];
    for (let end = piece.length; end > 0;) {
      let start = from[end];
      if (ids[end] === this.unknown) while (start > 0 && ids[start] === this.unknown) start = from[start];
      const text = piece.slice(start, end);
      const id = this.vocabulary.get(text);
      if (id !== undefined) result.push(id);
      else {
        const bytes = this.bytes && Array.from(Buffer.from(text), (byte) => this.bytes![byte]);
        if (bytes && !bytes.includes(undefined)) result.push(...(bytes as number[]).reverse());
        else result.push(this.unknown!);
      }
      end = start;
    }
    return result.reverse();
  }
}

/** Old files have no type: their contents determine it, as in the published library. */
function typeOf(part: Part): unknown {
  if (part.type !== undefined) return part.type;
  if (part.merges !== undefined) return 'BPE';
  if (part.continuing_subword_prefix !== undefined) return 'WordPiece';
  return Array.isArray(part.vocab) ? 'Unigram' : 'WordLevel';
}

export function createModel(part: Part): Model {
  const type = typeOf(part);
  switch (type) {
    case 'BPE':
      return new Bpe(part);
    case 'WordPiece':
      return new WordPiece(part);
    case 'WordLevel':
      return new WordLevel(part);
    case 'Unigram':
      return new Unigram(part);
    default:
      throw new Unsupported(`model ${typeName(type)}`, 'Graft does not know this type');
  }
}
