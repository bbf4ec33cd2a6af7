import { shortened } from '@graft/core/internal';
import { maskCase, maskYoung } from './characters';
import { Translation, type OnigurumaParser } from './oniguruma';
import { endsSoon } from './pattern-cost';
import { PUBLISHED_PATTERNS } from './published-patterns';
import { Excessive, Unsupported } from './unsupported';
import { TookTooLong, withinTime } from './within-time';

/** Characters of a pattern; published ones have some hundreds. */
const MAX_PATTERN_CHARACTERS = 10_000;
/** Of a search in one text, that of a pattern which is not known to be harmless. Published ones take some milliseconds. */
const SEARCH_MS = 1000;

export interface Match {
  readonly start: number;
  readonly end: number;
}

/** Finds what a component of tokenizer.json is about: a text, or what a regular expression matches. */
export interface Finder {
  /** From the left, without overlap. */
  find(text: string): Match[];
  /** Whether no match ever takes or looks at both of two characters, the one behind the other. */
  separates(before: string, after: string): boolean;
  /** Whether a match can end, or begin, with a character. */
  endsWith(character: string): boolean;
  beginsWith(character: string): boolean;
  /** Whether a character that `separates` from the next one is always the end of a match. */
  takes(character: string): boolean;
  /** Whether a match always begins with a character that `separates` from the one before. */
  opens(character: string): boolean;
}

/** A text with its matches replaced. */
export function replaceMatches(text: string, matches: readonly Match[], content: string): string {
  let result = '';
  let at = 0;
  for (const { start, end } of matches) {
    result += text.slice(at, start) + content;
    at = end;
  }
  return result + text.slice(at);
}

class TextFinder implements Finder {
  private readonly characters: readonly string[];

  constructor(private readonly wanted: string) {
    this.characters = Array.from(wanted);
  }

  find(text: string): Match[] {
    const found: Match[] = [];
    const { length } = this.wanted;
    for (let at = text.indexOf(this.wanted); at >= 0; at = text.indexOf(this.wanted, at + length))
      found.push({ start: at, end: at + length });
    return found;
  }

  separates(before: string, after: string): boolean {
    return this.characters.every((character, i) => i === 0 || this.characters[i - 1] !== before || character !== after);
  }

  endsWith(character: string): boolean {
    return this.characters.at(-1) === character;
  }

  beginsWith(character: string): boolean {
    return this.characters[0] === character;
  }

  takes(character: string): boolean {
    return this.wanted === character;
  }

  opens(character: string): boolean {
    return this.wanted === character;
  }
}

class PatternFinder implements Finder {
  private readonly expression: RegExp;
  private readonly alone: RegExp;
  /** Whether its time is known to grow with the text's length alone. */
  private readonly isPublished: boolean;

  constructor(
    private readonly translation: Translation,
    private readonly where: string,
    private readonly pattern: string,
  ) {
    const { source } = translation.whole;
    this.isPublished = PUBLISHED_PATTERNS.has(pattern);
    try {
      this.expression = new RegExp(source, 'gu');
      this.alone = new RegExp(source, 'uy');
      // Compiled by the first search, and a second time for texts beyond Latin-1.
      for (const text of ['', '\u4e00']) this.searched(text);
    } catch (cause) {
      if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
      throw new Unsupported(where, `its pattern ${shortened(JSON.stringify(pattern), 120)} is too large`);
    }
  }

  find(text: string): Match[] {
    if (this.isPublished || endsSoon(this.translation.whole.cost, text.length)) return this.searched(text);
    try {
      return withinTime(() => this.searched(text), SEARCH_MS);
    } catch (cause) {
      if (!(cause instanceof TookTooLong)) throw cause;
      const pattern = shortened(JSON.stringify(this.pattern), 120);
      throw new Excessive(
        `its ${this.where} has the pattern ${pattern}, whose search did not end within ${SEARCH_MS / 1000} s in a text of ` +
          `${text.length.toLocaleString('en')} characters (${shortened(JSON.stringify(text), 60)})`,
        { cause },
      );
    }
  }

  private searched(text: string): Match[] {
    const found: Match[] = [];
    for (const match of maskCase(maskYoung(text)).matchAll(this.expression))
      found.push({ start: match.index, end: match.index + match[0].length });
    return found;
  }

  separates(before: string, after: string): boolean {
    const { looksAround, pairs } = this.translation;
    return !looksAround && !pairs.some(([one, other]) => one.takes(before) && other.takes(after));
  }

  endsWith(character: string): boolean {
    return this.translation.whole.last.some((step) => step.takes(character));
  }

  beginsWith(character: string): boolean {
    return this.translation.whole.first.some((step) => step.takes(character));
  }

  takes(character: string): boolean {
    this.alone.lastIndex = 0;
    return this.alone.exec(maskCase(maskYoung(character)))?.[0].length === character.length;
  }

  /** What follows may have a say in it. */
  opens(): boolean {
    return false;
  }
}

/** The finder of a `pattern` in tokenizer.json: `{ String: ... }` or `{ Regex: ... }`. */
export function createFinder(pattern: unknown, where: string, parse: OnigurumaParser): Finder {
  const { String: text, Regex: regex } = (pattern ?? {}) as { String?: unknown; Regex?: unknown };
  if (typeof text === 'string') {
    if (text === '') throw new Unsupported(where, 'its pattern is empty');
    return new TextFinder(text);
  }
  if (typeof regex !== 'string') throw new Unsupported(where, 'it has neither a String nor a Regex as pattern');
  if (regex.length > MAX_PATTERN_CHARACTERS)
    throw new Unsupported(
      where,
      `its pattern has ${regex.length} characters; Graft takes at most ${MAX_PATTERN_CHARACTERS}`,
    );
  let translation: Translation;
  try {
    translation = new Translation(parse(regex), where);
  } catch (cause) {
    if (cause instanceof Unsupported) throw cause;
    const pattern = shortened(JSON.stringify(regex), 120);
    throw new Unsupported(where, `its pattern ${pattern} cannot be read (${(cause as Error).message})`);
  }
  if (translation.whole.canBeEmpty) throw new Unsupported(where, 'its pattern matches the empty text');
  return new PatternFinder(translation, where, regex);
}
