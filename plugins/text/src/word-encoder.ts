import type { Tokenizer as TokenizerJson } from '@huggingface/tokenizers';
import { byteIds, createWordBpe, isPlainBpe, splitMerge, type BpeModel } from './word-bpe';
import { SPACE } from './word-counts';

/** What of tokenizer.json decides whether a text's words can be taken one by one. */
export interface TokenizerParts {
  readonly model?: BpeModel;
  readonly added_tokens?: readonly AddedToken[];
}

interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special?: boolean;
  readonly normalized?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
}

/** The library's parts, which are called like functions. */
type Normalize = (text: string) => string;
type PreTokenize = (text: string, options: { section_index: number }) => string[];
type Tokenize = (words: readonly string[]) => string[];

/** The library takes several times as long for a word, but preparing half a million merges takes seconds: not for a prompt. */
const OWN_BPE_AFTER = 4096;
/** Twice as many are held at most, some 10 MB, however long a text is. */
const WORDS_KEPT = 1 << 15;
const LONGEST_KEPT = 64;

/**
 * Encodes text as the library does, word by word, and remembers the ids of words: texts are made of few words that come
 * often. Undefined where a tokenizer does something between words for which the whole text is needed.
 */
export function createWordEncoder(
  inner: TokenizerJson,
  parts: TokenizerParts,
  config: Readonly<Record<string, unknown>>,
): ((text: string) => Int32Array) | undefined {
  const { model, added_tokens: added = [] } = parts;
  if (model?.type !== 'BPE' || config.remove_space === true || config.do_lowercase_and_remove_accent === true)
    return undefined;
  if (added.some(({ lstrip, rstrip }) => lstrip || rstrip)) return undefined;
  // Unknown characters beside each other would become one token, also over the end of a word.
  if (model.fuse_unk && !byteIds(model)) return undefined;

  const normalizer = inner.normalizer as unknown as Normalize | null;
  const preTokenizer = inner.pre_tokenizer as unknown as PreTokenize | null;
  const tokenize = inner.model as unknown as Tokenize;
  const unknown = inner.model!.unk_token_id;
  const isNormalized = ({ special, normalized = !special }: AddedToken): boolean => normalized && normalizer !== null;
  const sections = new AddedTokens(added.filter((token) => !isNormalized(token)));
  const subsections = new AddedTokens(
    added.filter(isNormalized).map(({ content, id }) => ({ content: normalizer!(content), id })),
  );
  const cut = new WordCutter(model);
  const idOf = (token: string): number | undefined => inner.token_to_id(token);
  let bpe: ReturnType<typeof createWordBpe>;
  let encoded = 0;
  const encodeWord = (word: string): number[] => {
    if (++encoded === OWN_BPE_AFTER) bpe = createWordBpe(model, idOf);
    const ids = bpe?.(word) ?? tokenize([word]).map((token) => idOf(token) ?? unknown);
    return ids.filter((id) => id !== undefined);
  };
  const cache = new WordCache(encodeWord, WORDS_KEPT, LONGEST_KEPT);

  return (text) => {
    const ids: number[] = [];
    const take = (id: number): void => void ids.push(id);
    const takeWord = (word: string): void => cache.get(word).forEach(take);
    sections.each(text, take, (section, index) => {
      const normal = normalizer ? normalizer(section) : section;
      subsections.each(normal, take, (part) => {
        const pieces = preTokenizer ? preTokenizer(part, { section_index: index }) : [part];
        for (const piece of pieces) cut.each(piece, takeWord);
      });
    });
    return Int32Array.from(ids);
  };
}

/** A bounded memory of words in two generations: a word that is not asked for through a whole generation is forgotten. */
export class WordCache {
  private young = new Map<string, readonly number[]>();
  private old = new Map<string, readonly number[]>();

  constructor(
    private readonly encode: (word: string) => readonly number[],
    /** Words in a generation. */
    private readonly words: number,
    /** Longer words, in UTF-16 units, are seldom met again and not kept. */
    private readonly longest: number,
  ) {}

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(word: string): readonly number[] {
    const known = this.young.get(word);
    if (known) return known;
    const ids = this.old.get(word) ?? this.encode(word);
    if (word.length > this.longest) return ids;
    if (this.young.size >= this.words) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(word, ids);
    return ids;
  }
}

interface TrieNode {
  readonly next: Map<number, TrieNode>;
  /** Of the token that ends here. */
  id?: number;
}

/** Finds added tokens in a text: from the left, the longest at each place. */
class AddedTokens {
  private readonly root: TrieNode = { next: new Map() };

  constructor(tokens: readonly { readonly content: string; readonly id: number }[]) {
    for (const { content, id } of tokens) {
      let node = this.root;
      for (let i = 0; i < content.length; i++) {
        const unit = content.charCodeAt(i);
        let next = node.next.get(unit);
        if (!next) node.next.set(unit, (next = { next: new Map() }));
        node = next;
      }
      if (content !== '') node.id = id;
    }
  }

  /** Goes through a text: ids of added tokens to `takeId`, what lies between them, with its number, to `takeText`. */
  each(text: string, takeId: (id: number) => void, takeText: (text: string, index: number) => void): void {
    let index = 0;
    let start = 0;
    for (let at = 0; at < text.length;) {
      let end = at;
      let id: number | undefined;
      let node = this.root.next.get(text.charCodeAt(at));
      for (let ahead = at + 1; node; node = node.next.get(text.charCodeAt(ahead++))) {
        if (node.id === undefined) continue;
        id = node.id;
        end = ahead;
      }
      if (id === undefined) {
        at++;
        continue;
      }
      if (at > start) takeText(text.slice(start, at), index++);
      takeId(id);
      index++;
      at = end;
      start = end;
    }
    if (start < text.length) takeText(text.slice(start), index);
  }
}

/** Kinds of UTF-16 units, as far as cutting between them goes: ASCII each by itself, the others by what they are. */
const [LETTER, SIGN, DIGIT, FIRST_HALF, SECOND_HALF] = [128, 129, 130, 131, 132];
const KIND_BITS = 8;
const kindOf = ((): ((unit: number) => number) => {
  let kinds: Uint8Array | undefined;
  const fill = (): Uint8Array => {
    const all = Uint8Array.from({ length: 1 << 16 }, (_, unit) => {
      if (unit < 128) return unit;
      const character = String.fromCharCode(unit);
      return /[\p{L}\p{M}]/u.test(character) ? LETTER : /\p{Nd}/u.test(character) ? DIGIT : SIGN;
    });
    all.fill(FIRST_HALF, 0xd800, 0xdc00);
    all.fill(SECOND_HALF, 0xdc00, 0xe000);
    all[SPACE.charCodeAt(0)] = 0x20;
    return all;
  };
  return (unit) => (kinds ??= fill())[unit];
})();

/**
 * Cuts text between characters that no merge joins: that changes no token. SentencePiece models, Gemma's among them, cut
 * nothing before BPE, so that a whole document would be one word, seen once; but none of their merges reaches from a word
 * to the space behind it, say. The merges themselves tell which characters they join.
 */
class WordCutter {
  /** By kind of the unit before and of the one behind: 1 where a merge joins such units. */
  private readonly joined = new Uint8Array(1 << (2 * KIND_BITS));

  constructor(model: BpeModel) {
    if (!isPlainBpe(model)) this.joined.fill(1);
    // A character is never cut in two.
    for (let kind = 0; kind <= SECOND_HALF; kind++) this.joined[(kind << KIND_BITS) | SECOND_HALF] = 1;
    for (const merge of model.merges ?? []) {
      const text = splitMerge(merge).join('');
      for (let i = 1; i < text.length; i++) this.joined[this.between(text, i)] = 1;
    }
  }

  each(text: string, take: (word: string) => void): void {
    let start = 0;
    for (let at = 1; at < text.length; at++) {
      if (this.joined[this.between(text, at)] === 1) continue;
      take(text.slice(start, at));
      start = at;
    }
    if (start < text.length) take(text.slice(start));
  }

  private between(text: string, at: number): number {
    return (kindOf(text.charCodeAt(at - 1)) << KIND_BITS) | kindOf(text.charCodeAt(at));
  }
}
