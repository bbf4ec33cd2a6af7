import { parse, printParseErrorCode, visit, type ParseError } from 'jsonc-parser';
import { escapedUnit, loneSurrogate } from './unicode';

/** Objects and lists within each other, of a JSON text. */
const DEEPEST = 500;

/** What is wrong with a JSON text, and where: the message has line and column. */
export class JsonProblem extends SyntaxError {
  constructor(
    /** A clause: `comma expected`. */
    readonly what: string,
    text: string,
    /** UTF-16 units before the place; undefined where there is no one place. */
    readonly offset?: number,
    cause?: unknown,
  ) {
    const before = text.slice(0, offset).split('\n');
    super(offset === undefined ? what : `${what} (${before.length}:${before.at(-1)!.length + 1})`, { cause });
    this.name = 'JsonProblem';
  }
}

/**
 * A number with the digits that a file has for it, where JavaScript's number would be written otherwise: beyond 2^53, `1.0`,
 * `0.10`, `1e2`, `-0`.
 */
export class ExactNumber {
  constructor(readonly digits: string) {}

  valueOf(): number {
    return Number(this.digits);
  }

  toString(): string {
    return this.digits;
  }

  toJSON(): number {
    return this.valueOf();
  }
}

export interface JsonOptions {
  /** Numbers that JavaScript would write otherwise come as ExactNumber. Default: as numbers. */
  readonly exactNumbers?: boolean;
}

/**
 * JSON.parse without what it loses in silence: a key that an object has twice, half of a surrogate pair (`\ud83d`), and a
 * number that is too large for a float64 are errors, and the digits of numbers are kept where that is asked for. Throws
 * JsonProblem.
 *
 *     parseJson('{"id": 12345678901234567890}', { exactNumbers: true }).id.digits   ->   '12345678901234567890'
 */
export function parseJson(text: string, { exactNumbers = false }: JsonOptions = {}): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw syntaxProblem(text, cause);
  }
  // Most texts hold nothing of this kind, and a look at the whole text is much cheaper than one at every token.
  const mayHaveSurrogates = text.includes('\\u');
  const census = count(value, text, mayHaveSurrogates);
  if (census.surrogate !== undefined)
    throw new JsonProblem(`${escapedUnit(census.surrogate)} is half of a surrogate pair, not a character`, text);
  const mayRepeatKeys = census.keys < (text.match(/"\s*:/g)?.length ?? 0);
  const mayBeInexact = exactNumbers && census.numbers && INEXACT.test(text);
  if (mayRepeatKeys || mayBeInexact || census.overflow) return parseExactly(text, exactNumbers);
  return value;
}

/** What may be a number that JavaScript would write otherwise; texts may hold the like. */
const INEXACT = /(?:^|[[,:])\s*(?:-?\d{16}|-?\d+[.eE]|-0)/;

interface Census {
  keys: number;
  surrogate?: string;
  numbers: boolean;
  overflow: boolean;
}

function count(value: unknown, text: string, mayHaveSurrogates: boolean): Census {
  const census: Census = { keys: 0, numbers: false, overflow: false };
  const look = (one: string): void => {
    if (mayHaveSurrogates) census.surrogate ??= loneSurrogate(one);
  };
  const walk = (at: unknown, depth: number): void => {
    if (typeof at === 'string') look(at);
    else if (typeof at === 'number') {
      census.numbers = true;
      census.overflow ||= !Number.isFinite(at);
    } else if (typeof at === 'object' && at !== null) {
      if (depth === DEEPEST)
        throw new JsonProblem(`it has more than ${DEEPEST} objects and lists within each other`, text);
      if (Array.isArray(at)) for (const item of at) walk(item, depth + 1);
      else
        for (const [key, item] of Object.entries(at)) {
          census.keys++;
          look(key);
          walk(item, depth + 1);
        }
    }
  };
  walk(value, 0);
  return census;
}

/** Token by token; the text is valid JSON. */
function parseExactly(text: string, exactNumbers: boolean): unknown {
  let root: unknown;
  let problem: JsonProblem | undefined;
  const open: { readonly value: unknown[] | Record<string, unknown>; key: string }[] = [];
  const put = (value: unknown): void => {
    const parent = open.at(-1);
    if (!parent) root = value;
    else if (Array.isArray(parent.value)) parent.value.push(value);
    // Not by assignment, which has its own idea of "__proto__".
    else
      Object.defineProperty(parent.value, parent.key, { value, enumerable: true, writable: true, configurable: true });
  };
  const begin = (value: unknown[] | Record<string, unknown>): void => {
    put(value);
    open.push({ value, key: '' });
  };
  visit(text, {
    onObjectBegin: () => begin({}),
    onArrayBegin: () => begin([]),
    onObjectEnd: () => void open.pop(),
    onArrayEnd: () => void open.pop(),
    onObjectProperty: (key, offset) => {
      const parent = open.at(-1)!;
      if (Object.hasOwn(parent.value, key))
        problem ??= new JsonProblem(`the key ${JSON.stringify(key)} is there twice`, text, offset);
      parent.key = key;
    },
    onLiteralValue: (value: unknown, offset, length) => {
      if (typeof value !== 'number') return put(value);
      const digits = text.slice(offset, offset + length);
      if (!Number.isFinite(value))
        problem ??= new JsonProblem(`the number ${digits} is too large for a float64`, text, offset);
      put(exactNumbers && String(value) !== digits ? new ExactNumber(digits) : value);
    },
  });
  if (problem) throw problem;
  return root;
}

/** JSON.parse's own errors do not always say where. */
function syntaxProblem(text: string, cause: unknown): JsonProblem {
  const errors: ParseError[] = [];
  try {
    parse(text, errors, { disallowComments: true });
  } catch {
    // Too deep for its recursion: what JSON.parse says must do.
  }
  if (errors.length === 0) return new JsonProblem((cause as Error).message, text, undefined, cause);
  const { error, offset } = errors[0];
  const what = printParseErrorCode(error)
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return new JsonProblem(what, text, offset, cause);
}
