import { parse, printParseErrorCode, visit, type ParseError } from 'jsonc-parser';
import { escapedUnit, loneSurrogate } from './unicode';

/** Maximum nesting of objects and lists in a JSON text. Code that walks values recurses no deeper. */
export const DEEPEST_JSON = 500;

/** A problem of a JSON text: the message has line and column. */
export class JsonProblem extends SyntaxError {
  constructor(
    /** A clause: `comma expected`. */
    readonly what: string,
    text: string,
    /** Offset of the problem in UTF-16 units; undefined if it has no single position. */
    readonly offset?: number,
    cause?: unknown,
  ) {
    super(offset === undefined ? what : `${what} (${placeOf(text, offset)})`, { cause });
    this.name = 'JsonProblem';
  }
}

/** Line and column, both from 1: `3:17`. */
function placeOf(text: string, offset: number): string {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
    start = at + 1;
  }
  return `${line}:${offset - start + 1}`;
}

/**
 * A number with its digits in the file, for numbers that JavaScript would write differently: beyond 2^53, `1.0`,
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
  /** Return numbers that JavaScript would write differently as ExactNumber. Default: as numbers. */
  readonly exactNumbers?: boolean;
  /**
   * Maximum number of objects, lists and keys, each of which takes about a hundred bytes of memory. Default: any
   * number.
   */
  readonly maxParts?: number;
}

/**
 * JSON.parse without silent losses: a repeated key, half of a surrogate pair (`\ud83d`) and a number that is too large
 * for a float64 are errors, and the digits of numbers are kept on request. Throws JsonProblem, also for nesting deeper
 * than DEEPEST_JSON, before any value is created.
 *
 *     parseJson('{"id": 12345678901234567890}', { exactNumbers: true }).id.digits   ->   '12345678901234567890'
 */
export function parseJson(text: string, { exactNumbers = false, maxParts = Infinity }: JsonOptions = {}): unknown {
  const keys = countKeys(text, maxParts);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw syntaxProblem(text, cause);
  }
  // Most texts contain nothing of this kind, and one search of the whole text is much cheaper than a check of every
  // token.
  const mayHaveSurrogates = /\\u[dD][89a-fA-F]/.test(text);
  const census = count(value, text, mayHaveSurrogates);
  if (census.surrogate !== undefined)
    throw new JsonProblem(`${escapedUnit(census.surrogate)} is half of a surrogate pair, not a character`, text);
  const mayBeInexact = exactNumbers && census.numbers && INEXACT.test(text);
  if (census.keys < keys || mayBeInexact || census.overflow) return parseExactly(text, exactNumbers);
  return value;
}

/** Matches possible numbers that JavaScript would write differently; strings may contain the same characters. */
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
  const walk = (at: unknown): void => {
    if (typeof at === 'string') look(at);
    else if (typeof at === 'number') {
      census.numbers = true;
      census.overflow ||= !Number.isFinite(at);
    } else if (typeof at === 'object' && at !== null) {
      if (Array.isArray(at)) for (const item of at) walk(item);
      else
        for (const key of Object.keys(at)) {
          census.keys++;
          look(key);
          walk((at as Record<string, unknown>)[key]);
        }
    }
  };
  walk(value);
  return census;
}

/**
 * The keys of all objects in an untrusted text, with repetitions. Throws JsonProblem if it is nested too deeply or too
 * large.
 */
function countKeys(text: string, maxParts: number): number {
  let keys = 0;
  let others = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = endOfString(text, i);
      if (i < 0) break;
      let next = i + 1;
      while (isBlank(text.charCodeAt(next))) next++;
      if (text.charCodeAt(next) === COLON) keys++;
      i = next - 1;
    } else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      others++;
      if (++depth > DEEPEST_JSON)
        throw new JsonProblem(`it has more than ${DEEPEST_JSON} objects and lists within each other`, text, i);
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) depth--;
    else continue;
    if (keys + others > maxParts)
      throw new JsonProblem(`it has more than ${maxParts.toLocaleString('en')} objects, lists and keys`, text, i);
  }
  return keys;
}

const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

const isBlank = (unit: number): boolean => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;

/** The position of the quotation mark that ends the string at `start`; -1 if it does not end. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
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
    // Not by assignment, which treats "__proto__" specially.
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

/** JSON.parse's own errors do not always contain the position. */
function syntaxProblem(text: string, cause: unknown): JsonProblem {
  const errors: ParseError[] = [];
  try {
    parse(text, errors, { disallowComments: true });
  } catch {
    // Too deep for this parser's recursion: use the message of JSON.parse.
  }
  if (errors.length === 0) return new JsonProblem((cause as Error).message, text, undefined, cause);
  const { error, offset } = errors[0];
  const what = printParseErrorCode(error)
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return new JsonProblem(what, text, offset, cause);
}
