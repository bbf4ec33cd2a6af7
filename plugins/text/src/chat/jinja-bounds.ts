/** Limits on what a template may produce: the size of values and calls is known before they are computed. */

/** The template exceeds its limits. */
export class TooMuch extends Error {}

export class TooManySteps extends TooMuch {}

/** A value of the library. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  /** Texts and numbers as Python writes them. */
  readonly toString: () => string;
}

/** Of one rendering: every evaluation is a step, and long values count as more. */
export const MAX_STEPS = 500_000;
/** UTF-16 units of one text: about a conversation of four million tokens. */
const MAX_TEXT_CHARACTERS = 1 << 24;
/** Items of one list. */
const MAX_ITEMS = 1 << 20;
/** Characters of a text, or items of a list, that are processed in the time of a step. */
const CHARACTERS_A_STEP = 1024;
const ITEMS_A_STEP = 64;

const isText = (value: Value): value is Value & { readonly value: string } => value.type === 'StringValue';
const isList = ({ type }: Value): boolean => type === 'ArrayValue' || type === 'TupleValue';
const isMap = ({ type }: Value): boolean => type === 'ObjectValue' || type === 'NamespaceValue';

export class Budget {
  private steps = 0;

  constructor(private readonly most: number) {}

  /** Throws once a rendering has taken too many steps. */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps > this.most) throw new TooManySteps(`it takes more than ${this.most.toLocaleString('en')} steps`);
  }

  /** Checks a value that was evaluated, before it is used. */
  look(value: Value): void {
    if (isText(value)) {
      this.checkLength(value.value.length);
      if (value.value.length >= CHARACTERS_A_STEP) this.spend(Math.floor(value.value.length / CHARACTERS_A_STEP));
    } else if (isList(value)) {
      const { length } = value.value as readonly Value[];
      if (length > MAX_ITEMS) throw new TooMuch(`it makes a list of more than ${MAX_ITEMS.toLocaleString('en')} items`);
      if (length >= ITEMS_A_STEP) this.spend(Math.floor(length / ITEMS_A_STEP));
    }
  }

  /** Counts the steps of iterating over a value. */
  goThrough(value: Value): void {
    if (isList(value)) this.spend((value.value as readonly Value[]).length);
    else if (isMap(value)) this.spend((value.value as ReadonlyMap<string, Value>).size);
  }

  /** Counts the steps of comparing two texts. */
  compare(one: string, other: string): void {
    this.spend(one.length === other.length ? 1 + Math.floor(one.length / CHARACTERS_A_STEP) : 1);
  }

  checkLength(characters: number): void {
    if (characters > MAX_TEXT_CHARACTERS)
      throw new TooMuch(`it makes a text of more than ${MAX_TEXT_CHARACTERS.toLocaleString('en')} characters`);
  }

  /** Checks a text that is inserted this many times, by `indent`, `join` or `replace`. */
  checkRepeated(times: number, characters: number): void {
    this.checkLength(times * characters);
  }

  /**
   * Checks a value that is written completely. Lists that contain a list twice, which contains another twice, are
   * written 2^n times although they take little memory: every part is counted as often as it would be written.
   */
  checkWritten(
    value: Value,
    { indent = 0, separators = 4 }: { readonly indent?: number; readonly separators?: number },
  ): void {
    const known = new Map<unknown, number>();
    const lengthOf = (at: Value, depth: number): number => {
      if (isText(at)) return at.value.length + 2;
      if (!isList(at) && !isMap(at)) return 8;
      const key = at.value;
      const before = known.get(key);
      if (before !== undefined) return before;
      this.spend(1);
      const items = isList(at)
        ? (at.value as readonly Value[]).map((item) => [0, item] as const)
        : [...(at.value as ReadonlyMap<string, Value>)].map(([name, item]) => [name.length, item] as const);
      let length = 2 + indent * depth;
      for (const [name, item] of items) length += name + separators + indent * (depth + 1) + lengthOf(item, depth + 1);
      known.set(key, length);
      return length;
    };
    this.checkLength(lengthOf(value, 0));
  }
}

/** How often a text occurs in another, without overlap. The empty text occurs before and after every character. */
export function occurrences(text: string, wanted: string): number {
  if (wanted === '') return text.length + 1;
  let count = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) count++;
  return count;
}
