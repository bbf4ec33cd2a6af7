import { toByteCharacters } from './byte-characters';
import { firstOf, isWhite, isWord, lastOf, maskYoung, punctuation } from './characters';
import type { Sides } from './normalizer';
import { createFinder, type Finder, type Match } from './finder';
import type { OnigurumaParser } from './oniguruma';
import { GPT2_WORDS } from './published-patterns';
import { listOf, optional, partOf, required, Unsupported, type Part, typeName } from './unsupported';

/** A border between two characters. */
export interface Border {
  /** Whether the text is always cut there. Otherwise it may be, but neither side affects how the other is cut. */
  readonly isCut: boolean;
  /** The characters after normalization. */
  readonly sides: Sides;
}

/** Splits a text into the pieces that the model turns into tokens separately. */
export interface PreTokenizer {
  /** `isFirst`: the whole text begins here. */
  split(text: string, isFirst: boolean): string[];
  /** Undefined if one side may affect how the other is cut. */
  border(before: string, after: string): Border | undefined;
}

const BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof BEHAVIORS)[number];

type Stretch = Match & { readonly isMatch: boolean };

/** The matches and the text between them; the other way round if inverted. */
function stretchesOf(text: string, matches: readonly Match[], invert: boolean): Stretch[] {
  const all: Stretch[] = [];
  let at = 0;
  for (const { start, end } of matches) {
    if (start > at) all.push({ start: at, end: start, isMatch: invert });
    all.push({ start, end, isMatch: !invert });
    at = end;
  }
  if (at < text.length) all.push({ start: at, end: text.length, isMatch: invert });
  return all;
}

/** A match is joined to its neighbour unless that is a match too: to the one before it in the given order. */
function merged(stretches: readonly Stretch[]): Match[] {
  const pieces: { start: number; end: number }[] = [];
  let previous = false;
  for (const { start, end, isMatch } of stretches) {
    const last = pieces.at(-1);
    if (isMatch && !previous && last) {
      last.start = Math.min(last.start, start);
      last.end = Math.max(last.end, end);
    } else pieces.push({ start, end });
    previous = isMatch;
  }
  return pieces;
}

function piecesOf(stretches: readonly Stretch[], behavior: Behavior): readonly Match[] {
  switch (behavior) {
    case 'Removed':
      return stretches.filter(({ isMatch }) => !isMatch);
    case 'Isolated':
      return stretches;
    case 'MergedWithPrevious':
      return merged(stretches);
    case 'MergedWithNext':
      return merged([...stretches].reverse()).reverse();
    case 'Contiguous': {
      const pieces: { start: number; end: number; isMatch: boolean }[] = [];
      for (const stretch of stretches) {
        const last = pieces.at(-1);
        if (last?.isMatch === stretch.isMatch) last.end = stretch.end;
        else pieces.push({ ...stretch });
      }
      return pieces;
    }
  }
}

class SplitAt implements PreTokenizer {
  constructor(
    private readonly finder: Finder,
    private readonly behavior: Behavior,
    private readonly invert = false,
  ) {}

  split(text: string): string[] {
    const matches = this.finder.find(text);
    if (matches.length === 0 && !(this.invert && this.behavior === 'Removed')) return [text];
    return piecesOf(stretchesOf(text, matches, this.invert), this.behavior).map(({ start, end }) =>
      text.slice(start, end),
    );
  }

  border(before: string, after: string): Border | undefined {
    const { finder, behavior } = this;
    if (!finder.separates(before, after)) return undefined;
    const sides: Sides = [before, after];
    // Certain cases: a match ends there, or none touches the border.
    const touches = finder.endsWith(before) || finder.beginsWith(after);
    if (behavior === 'Isolated' || behavior === 'Removed')
      return { isCut: finder.takes(before) || finder.opens(after), sides };
    return touches ? undefined : { isCut: false, sides };
  }
}

/** Finds single characters. */
class CharacterFinder implements Finder {
  constructor(private readonly isWanted: (character: string) => boolean) {}

  find(text: string): Match[] {
    const found: Match[] = [];
    let start = 0;
    for (const character of text) {
      const end = start + character.length;
      if (this.isWanted(character)) found.push({ start, end });
      start = end;
    }
    return found;
  }

  separates = (): boolean => true;
  endsWith = (character: string): boolean => this.isWanted(character);
  beginsWith = (character: string): boolean => this.isWanted(character);
  takes = (character: string): boolean => this.isWanted(character);
  opens = (character: string): boolean => this.isWanted(character);
}

const isPunctuation = (character: string): boolean => punctuation.has(character.codePointAt(0)!);
const NUMERIC = /\p{N}/u;
const isNumeric = (character: string): boolean => NUMERIC.test(character);

/** Runs of word characters, and runs of others, without whitespace. */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;

const whitespace: PreTokenizer = {
  split: (text) =>
    Array.from(maskYoung(text).matchAll(WORDS), ({ index, 0: { length } }) => text.slice(index, index + length)),
  border: (before, after) => {
    const kinds = [before, after].map((character) =>
      isWhite(character) ? 'white' : isWord(character) ? 'word' : 'sign',
    );
    return { isCut: kinds[0] !== kinds[1] || kinds[0] === 'white', sides: [before, after] };
  },
};

class ByteLevel implements PreTokenizer {
  constructor(
    private readonly words: SplitAt | undefined,
    private readonly addsSpace: boolean,
  ) {}

  split(text: string): string[] {
    const whole = this.addsSpace && !text.startsWith(' ') ? ` ${text}` : text;
    return (this.words?.split(whole) ?? [whole]).map(toByteCharacters);
  }

  border(before: string, after: string): Border | undefined {
    // The part after the border would get a space too.
    if (this.addsSpace && after !== ' ') return undefined;
    const border = this.words ? this.words.border(before, after) : { isCut: false };
    return (
      border && { isCut: border.isCut, sides: [lastOf(toByteCharacters(before)), firstOf(toByteCharacters(after))] }
    );
  }
}

type PrependScheme = 'always' | 'first' | 'never';

class Metaspace implements PreTokenizer {
  private readonly words: SplitAt;

  constructor(
    private readonly replacement: string,
    readonly scheme: PrependScheme,
    private readonly splits: boolean,
  ) {
    this.words = new SplitAt(new CharacterFinder((character) => character === replacement), 'MergedWithNext');
  }

  split(text: string, isFirst: boolean): string[] {
    const { replacement, scheme } = this;
    const spaced = text.replaceAll(' ', replacement);
    const prepends = scheme === 'always' || (scheme === 'first' && isFirst);
    const whole = prepends && !spaced.startsWith(replacement) ? replacement + spaced : spaced;
    return this.splits ? this.words.split(whole) : [whole];
  }

  border(before: string, after: string): Border | undefined {
    const { replacement, scheme, splits } = this;
    const spaced = (character: string): string => (character === ' ' ? replacement : character);
    const sides: Sides = [spaced(before), spaced(after)];
    // A text that begins with a space gets no second one.
    if (scheme !== 'never' && sides[1] !== replacement) return undefined;
    if (!splits || sides[1] !== replacement) return { isCut: false, sides };
    // Each of several consecutive spaces is a piece of its own, except the last one.
    return { isCut: true, sides };
  }
}

class Sequence implements PreTokenizer {
  constructor(private readonly parts: readonly PreTokenizer[]) {}

  split(text: string, isFirst: boolean): string[] {
    return this.parts.reduce((pieces, part) => pieces.flatMap((piece) => part.split(piece, isFirst)), [text]);
  }

  border(before: string, after: string): Border | undefined {
    let sides: Sides = [before, after];
    for (const part of this.parts) {
      const border = part.border(...sides);
      if (!border || border.isCut) return border;
      ({ sides } = border);
    }
    return { isCut: false, sides };
  }
}

function behaviorOf(part: Part, where: string, otherwise?: Behavior): Behavior {
  const name = optional(part, 'behavior', 'string', where) ?? otherwise;
  const found = BEHAVIORS.find((behavior) => behavior === name);
  if (found) return found;
  throw new Unsupported(where, `its behavior is ${typeName(name)}; known are ${BEHAVIORS.join(', ')}`);
}

function metaspace(part: Part, where: string): Metaspace {
  const replacement = required(part, 'replacement', 'string', where);
  const scheme = optional(part, 'prepend_scheme', 'string', where) ?? 'always';
  const addsPrefix = optional(part, 'add_prefix_space', 'boolean', where);
  if (Array.from(replacement).length !== 1) throw new Unsupported(where, 'its replacement is not one character');
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never')
    throw new Unsupported(where, `its prepend_scheme is ${scheme}; known are always, first, never`);
  if (addsPrefix === false && part.prepend_scheme !== undefined && scheme !== 'never')
    throw new Unsupported(where, 'add_prefix_space and prepend_scheme contradict each other');
  return new Metaspace(
    replacement,
    addsPrefix === false ? 'never' : scheme,
    optional(part, 'split', 'boolean', where) ?? true,
  );
}

function fixedLength(length: number): PreTokenizer {
  return {
    split: (text) => {
      const characters = Array.from(text);
      const count = Math.ceil(characters.length / length);
      return Array.from({ length: count }, (_, i) => characters.slice(i * length, (i + 1) * length).join(''));
    },
    border: () => undefined,
  };
}

function create(part: Part, parse: OnigurumaParser): PreTokenizer {
  const type = typeName(part.type);
  const where = `pre_tokenizer ${type}`;
  const at = (isWanted: (character: string) => boolean, behavior: Behavior): SplitAt =>
    new SplitAt(new CharacterFinder(isWanted), behavior);
  switch (type) {
    case 'ByteLevel': {
      const usesRegex = optional(part, 'use_regex', 'boolean', where) ?? true;
      const words = new SplitAt(createFinder({ Regex: GPT2_WORDS }, where, parse), 'Isolated');
      return new ByteLevel(usesRegex ? words : undefined, required(part, 'add_prefix_space', 'boolean', where));
    }
    case 'Whitespace':
      return whitespace;
    case 'WhitespaceSplit':
      return at(isWhite, 'Removed');
    case 'BertPreTokenizer':
      return new Sequence([at(isWhite, 'Removed'), at(isPunctuation, 'Isolated')]);
    case 'Punctuation':
      return at(isPunctuation, behaviorOf(part, where, 'Isolated'));
    case 'Digits':
      return at(isNumeric, required(part, 'individual_digits', 'boolean', where) ? 'Isolated' : 'Contiguous');
    case 'CharDelimiterSplit': {
      const delimiter = required(part, 'delimiter', 'string', where);
      return at((character) => character === delimiter, 'Removed');
    }
    case 'Split':
      return new SplitAt(
        createFinder(part.pattern, where, parse),
        behaviorOf(part, where),
        required(part, 'invert', 'boolean', where),
      );
    case 'Metaspace':
      return metaspace(part, where);
    case 'FixedLength': {
      const length = optional(part, 'length', 'number', where) ?? 5;
      if (!Number.isInteger(length) || length < 1)
        throw new Unsupported(where, 'its length is not a whole number above 0');
      return fixedLength(length);
    }
    case 'Sequence': {
      const parts = listOf(part.pretokenizers, where).map((inner) => create(partOf(inner, where), parse));
      if (parts.slice(1).some((inner) => inner instanceof Metaspace && inner.scheme === 'first'))
        throw new Unsupported(where, 'a Metaspace with prepend_scheme "first" is not its first member');
      return new Sequence(parts);
    }
    default:
      throw new Unsupported(where, 'Graft does not know this type');
  }
}

export function createPreTokenizer(
  value: unknown,
  parse: OnigurumaParser,
  dropsCharacters: boolean,
): PreTokenizer | undefined {
  if (value === null || value === undefined) return undefined;
  const part = partOf(value, 'pre_tokenizer');
  const preTokenizer = create(part, parse);
  const first = part.type === 'Sequence' ? ((part.pretokenizers as Part[])[0] as Part | undefined) : part;
  if (dropsCharacters && first?.type === 'Metaspace' && first.prepend_scheme === 'first')
    throw new Unsupported(
      'pre_tokenizer Metaspace',
      'with prepend_scheme "first" it asks whether a text still begins where it began, and the normalizer may take characters away',
    );
  return preTokenizer;
}
