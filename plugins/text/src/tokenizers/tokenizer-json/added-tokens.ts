import { isWhite, isWord, firstOf, lastOf } from './characters';
import { BranchCount, checkCount, checkToken, checkTokenId, MAX_TOKENS } from './limits';
import { growTo, type SpellingNode } from './spelling-tree';
import { listOf, optional, partOf, required, Unsupported } from './unsupported';

/** A token that is found in a text before anything else is done with the text. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Only if no word character is directly before or after it. */
  readonly singleWord: boolean;
  /** Includes the whitespace before it, or after it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Searched for in the normalized text instead of the original. */
  readonly normalized: boolean;
  readonly special: boolean;
}

export function readAddedTokens(value: unknown): AddedToken[] {
  const entries = listOf(value ?? [], 'added_tokens');
  checkCount(entries.length, MAX_TOKENS, 'tokens', 'added_tokens');
  return entries.map((entry) => {
    const part = partOf(entry, 'added token');
    const content = required(part, 'content', 'string', 'added token');
    checkToken(content, 'added token');
    const where = `added token ${JSON.stringify(content)}`;
    const flag = (key: string): boolean => optional(part, key, 'boolean', where) ?? false;
    const special = flag('special');
    const id = required(part, 'id', 'number', where);
    checkTokenId(id, content, where);
    return {
      id,
      content,
      ...{ singleWord: flag('single_word'), lstrip: flag('lstrip'), rstrip: flag('rstrip'), special },
      normalized: optional(part, 'normalized', 'boolean', where) ?? !special,
    };
  });
}

/** Finds added tokens in a text: from the left, the longest at each place, as their flags allow. */
export class AddedTokenFinder {
  private readonly root: SpellingNode<AddedToken> = { next: new Map() };
  private readonly firstUnits = new Uint8Array(1 << 16);
  /** Characters that are next to each other within a token. */
  private readonly inner = new Set<string>();
  /** First and last characters of single-word tokens. */
  private readonly firstOfWords: ReadonlySet<string>;
  private readonly lastOfWords: ReadonlySet<string>;
  private readonly strips: { readonly left: boolean; readonly right: boolean };

  /** Each with its spelling in the texts that are searched. */
  constructor(tokens: readonly (readonly [spelling: string, token: AddedToken])[]) {
    const branches = new BranchCount('added_tokens');
    for (const [spelling, token] of tokens) {
      if (spelling === '')
        throw new Unsupported(`added token ${JSON.stringify(token.content)}`, 'nothing is left of it');
      const node = growTo(this.root, spelling, branches);
      if (node.token && node.token.id !== token.id)
        throw new Unsupported(
          `added token ${JSON.stringify(token.content)}`,
          `it cannot be told from ${JSON.stringify(node.token.content)}`,
        );
      node.token = token;
      this.firstUnits[spelling.charCodeAt(0)] = 1;
      const characters = Array.from(spelling);
      for (let i = 1; i < characters.length; i++) this.inner.add(characters[i - 1] + characters[i]);
    }
    const words = tokens.filter(([, { singleWord }]) => singleWord).map(([spelling]) => spelling);
    this.firstOfWords = new Set(words.map(firstOf));
    this.lastOfWords = new Set(words.map(lastOf));
    const some = (key: 'lstrip' | 'rstrip'): boolean => tokens.some(([, token]) => token[key]);
    this.strips = { left: some('lstrip'), right: some('rstrip') };
  }

  /** Walks through a text: ids of tokens go to `takeId`, the text between them, with its position, to `takeText`. */
  each(text: string, takeId: (id: number) => void, takeText: (text: string, start: number) => void): void {
    let start = 0;
    for (let at = 0; at < text.length;) {
      const found = this.firstUnits[text.charCodeAt(at)] === 1 ? this.longestAt(text, at) : undefined;
      if (!found) {
        at++;
        continue;
      }
      const [end, token] = found;
      const from = at;
      at = end;
      if (token.singleWord && !standsAlone(text, from, end)) continue;
      let [left, right] = [from, end];
      if (token.lstrip) {
        while (left > start && isWhite(text[left - 1])) left--;
        // Whitespace that the previous token has taken is not taken again.
        left = Math.max(left, start);
      }
      if (token.rstrip) while (right < text.length && isWhite(text[right])) right++;
      if (left > start) takeText(text.slice(start, left), start);
      if (left < right) takeId(token.id);
      start = right;
    }
    if (start < text.length) takeText(start === 0 ? text : text.slice(start), start);
  }

  private longestAt(text: string, at: number): [end: number, token: AddedToken] | undefined {
    let found: [number, AddedToken] | undefined;
    let node = this.root.next.get(text.charCodeAt(at));
    for (let end = at + 1; node; node = node.next.get(text.charCodeAt(end++)))
      if (node.token) found = [end, node.token];
    return found;
  }

  /** Whether the tokens on one side of a border between two characters are independent of the other side. */
  separates(before: string, after: string): boolean {
    if (this.inner.has(before + after)) return false;
    if (this.strips.left && isWhite(before)) return false;
    if (this.strips.right && isWhite(after)) return false;
    if (this.firstOfWords.has(after) && isWord(before)) return false;
    return !this.lastOfWords.has(before) || !isWord(after);
  }
}

function standsAlone(text: string, from: number, end: number): boolean {
  return (
    (from === 0 || !isWord(lastOf(text.slice(Math.max(0, from - 2), from)))) &&
    (end === text.length || !isWord(firstOf(text.slice(end, end + 2))))
  );
}
