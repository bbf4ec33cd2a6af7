/** Chat templates in Jinja, as Python's engine renders them, within bounds: a template comes with a checkpoint, from anywhere. */
import { DataError } from '@graft/core';
import { messageOf, shortened } from '@graft/core/internal';
import { Budget, MAX_STEPS, TooManySteps, TooMuch } from './jinja-bounds';
import { BoundedInterpreter, parseTemplate, Scope, type Node, type NodeRoles } from './jinja-interpreter';
import { strftime } from './python-text';
import { TookTooLong, withinTime } from '../tokenizers/tokenizer-json/within-time';

const MAX_TEMPLATE_CHARACTERS = 1 << 20;
/** Whitespace in one place: the library's lexer takes quadratic time for it. */
const MAX_BLANKS = 1 << 12;
const MAX_RANGE = 10_000;
/** A rendering with this few steps ends within a second, whatever they are; usual ones take a few hundred. */
const FREE_STEPS = 20_000;
/** Time of a rendering with more steps, and of the parser. */
const MOST_MS = 3000;

/** An error that the template raised itself, with `raise_exception`. */
class Raised extends Error {}

/** Roles of the parts of a program. */
function rolesIn(program: Node): NodeRoles {
  const [loopBodies, unrolled, seen] = [new Set(), new Set(), new Set()];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null || seen.has(node)) return;
    seen.add(node);
    const { type, body, iterable, argument } = node as Node;
    if (type === 'For') {
      loopBodies.add(body);
      const { type: kind, lhs } = iterable as Node;
      unrolled.add(kind === 'SelectExpression' ? lhs : iterable);
    }
    if (type === 'SpreadExpression' || type === 'KeywordSpreadExpression') unrolled.add(argument);
    for (const child of node instanceof Map ? [...node].flat() : Object.values(node)) walk(child);
  };
  walk(program);
  return { loopBodies, unrolled };
}

interface Parsed {
  readonly program: Node;
  readonly roles: NodeRoles;
}

/** Markup that the library does not know. */
const UNKNOWN_MARKUP = /\{%\+|\+%\}|\{\{\+|\{%-?\s*raw\b/;
const GENERATION = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;

/** How a template is rendered. */
export interface JinjaOptions {
  /** The date of `strftime_now`. Default: now. */
  readonly now?: Date;
  /** Texts that replace `{% generation %}` and `{% endgeneration %}`. Default: nothing. */
  readonly generationMarks?: readonly [open: string, close: string];
}

/** A parsed template; `file` names it in errors. */
export class JinjaTemplate {
  private readonly parsed = new Map<string, Parsed>();

  /** Throws DataError for a template that is too large or cannot be parsed. */
  constructor(
    readonly source: string,
    readonly file: string,
  ) {
    this.parse();
  }

  /** Whether the rendered text depends on the day. */
  get readsDate(): boolean {
    return this.source.includes('strftime_now');
  }

  /** Whether it marks the model's text with `{% generation %}`. */
  get marksAnswers(): boolean {
    return this.source.search(GENERATION) >= 0;
  }

  /** Throws DataError with the error that the template raised, or with the reason why it cannot be rendered. */
  render(
    variables: Readonly<Record<string, unknown>>,
    { now = new Date(), generationMarks }: JinjaOptions = {},
  ): string {
    const parsed = this.parse(generationMarks);
    try {
      try {
        return this.run(parsed, variables, now, FREE_STEPS);
      } catch (cause) {
        if (!(cause instanceof TooManySteps)) throw cause;
        // It needs more steps: it starts again, with a time limit.
        return withinTime(() => this.run(parsed, variables, now, MAX_STEPS), MOST_MS);
      }
    } catch (cause) {
      throw this.problem(cause, 'render');
    }
  }

  private run(
    { program, roles }: Parsed,
    variables: Readonly<Record<string, unknown>>,
    now: Date,
    steps: number,
  ): string {
    const environment = new Scope();
    const budget = new Budget(steps);
    const interpreter = new BoundedInterpreter(environment, roles, budget);
    const globals: Readonly<Record<string, unknown>> = {
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      raise_exception: (message: unknown) => {
        throw new Raised(String(message));
      },
      range: (...numbers: [number, number?, number?]) => {
        const counted = boundedRange(...numbers);
        budget.spend(counted.length);
        return counted;
      },
      strftime_now: (format: string) => strftime(now, format),
    };
    for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
    return String(interpreter.run(program).value);
  }

  private parse(marks?: readonly [string, string]): Parsed {
    const key = marks?.join('\0') ?? '';
    const known = this.parsed.get(key);
    if (known) return known;
    try {
      if (this.source.length > MAX_TEMPLATE_CHARACTERS)
        throw new TooMuch(`it is longer than ${MAX_TEMPLATE_CHARACTERS.toLocaleString('en')} characters`);
      if (longestBlank(this.source) >= MAX_BLANKS)
        throw new TooMuch(`it has more than ${MAX_BLANKS.toLocaleString('en')} blanks in one place`);
      const unknown = UNKNOWN_MARKUP.exec(this.source)?.[0];
      if (unknown !== undefined) throw new SyntaxError(`"${unknown}" is not supported`);
      // The tag becomes a block with the same whitespace rules, so that the mark shows whether it was there.
      const source = marks
        ? this.source.replace(GENERATION, (_, before: string, end: string | undefined, behind: string) => {
            const mark = end === undefined ? marks[0] : marks[1];
            return `{%${before} if true %}${mark}{% endif ${behind}%}`;
          })
        : this.source;
      const program = withinTime(() => parseTemplate(source), MOST_MS);
      const made = { program, roles: rolesIn(program) };
      this.parsed.set(key, made);
      return made;
    } catch (cause) {
      throw this.problem(cause, 'parse');
    }
  }

  private problem(cause: unknown, doing: 'parse' | 'render'): DataError {
    const reason =
      cause instanceof RangeError
        ? 'it nests too deeply or grows too large'
        : cause instanceof TookTooLong
          ? `it takes more than ${MOST_MS / 1000} s`
          : sentenceOf(cause);
    const isLimit = cause instanceof TooMuch || cause instanceof RangeError || cause instanceof TookTooLong;
    if (cause instanceof Raised)
      return new DataError(`The chat template of ${this.file} refuses the conversation: ${reason}.`, {
        code: 'chat.refused',
        exitCode: 2,
        cause,
      });
    const fails = doing === 'parse' ? 'cannot be read' : 'cannot be rendered';
    return new DataError(`The chat template of ${this.file} ${fails}: ${reason}.`, {
      code: isLimit ? 'chat.template-limit' : 'chat.template',
      exitCode: 2,
      cause,
    });
  }
}

/** JavaScript's own messages from within the library, which do not describe the template. */
const RAW = /^Cannot (read|set) properties of|is not a function$/;

/** Messages may contain anything from the template or the conversation. */
const sentenceOf = (cause: unknown): string =>
  cause instanceof TypeError && RAW.test(cause.message)
    ? 'a part of it is missing, or is of another kind than it should be'
    : shortened(messageOf(cause), 500).replace(/\.$/, '');

/** Characters of the longest run of whitespace. */
function longestBlank(text: string): number {
  let longest = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && BLANK.test(text[at])) continue;
    longest = Math.max(longest, at - start);
    start = at + 1;
  }
  return longest;
}

const BLANK = /\s/;

function boundedRange(first: number, second?: number | null, step?: number | null): number[] {
  const [start, stop] = second === undefined || second === null ? [0, first] : [first, second];
  const by = step ?? 1;
  const count = Math.max(0, Math.ceil((stop - start) / by));
  if (!Number.isFinite(count)) throw new Error('range() needs whole numbers and a step that is not 0');
  if (count > MAX_RANGE) throw new TooMuch(`it counts over more than ${MAX_RANGE.toLocaleString('en')} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * by);
}
