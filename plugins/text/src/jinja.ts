/** Chat templates in Jinja, as Python's engine renders them, within bounds: a template comes with a checkpoint, from anywhere. */
import { DataError } from '@graft/core';
import { BoundedInterpreter, parseTemplate, Scope, TooMuch, type Node } from './jinja-interpreter';
import { strftime } from './python-text';

const MAX_TEMPLATE_CHARACTERS = 1 << 20;
/** Of white space in one place: the library's lexer takes quadratic time over it. */
const MAX_BLANKS = 1 << 12;
const MAX_RANGE = 10_000;

/** What a template said itself, by `raise_exception`. */
class Raised extends Error {}

/** Bodies of all loops under a node. */
function loopBodiesOf(node: unknown, found: Set<unknown> = new Set(), seen: Set<unknown> = new Set()): Set<unknown> {
  if (typeof node !== 'object' || node === null || seen.has(node)) return found;
  seen.add(node);
  if ((node as Node).type === 'For') found.add((node as Node).body);
  for (const child of node instanceof Map ? [...node].flat() : Object.values(node)) loopBodiesOf(child, found, seen);
  return found;
}

/** Whether lines of a template are cut short as `{%+` asks, which the library does not know. */
const UNKNOWN_MARKUP = /\{%\+|\+%\}|\{\{\+|\{%-?\s*raw\b/;
const GENERATION = /\{%(-?)\s*(end)?generation\s*(-?)%\}/g;

export interface JinjaOptions {
  /** What `strftime_now` gives. Default: now. */
  readonly now?: Date;
  /** Texts that `{% generation %}` and `{% endgeneration %}` leave behind. Default: nothing. */
  readonly generationMarks?: readonly [open: string, close: string];
}

/** A template that was parsed; `file` names it in errors. */
export class JinjaTemplate {
  private readonly parsed = new Map<string, { program: Node; loopBodies: ReadonlySet<unknown> }>();

  /** Throws DataError for a template that is too large, or that cannot be parsed. */
  constructor(
    readonly source: string,
    readonly file: string,
  ) {
    this.parse();
  }

  /** Whether what it renders depends on the day. */
  get readsDate(): boolean {
    return this.source.includes('strftime_now');
  }

  /** Whether it says itself, by `{% generation %}`, what the model is to say. */
  get marksAnswers(): boolean {
    return this.source.search(GENERATION) >= 0;
  }

  /** Throws DataError with what the template raised, or with what is wrong with it. */
  render(
    variables: Readonly<Record<string, unknown>>,
    { now = new Date(), generationMarks }: JinjaOptions = {},
  ): string {
    const { program, loopBodies } = this.parse(generationMarks);
    const environment = new Scope();
    const interpreter = new BoundedInterpreter(environment, loopBodies);
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
        interpreter.spend(counted.length);
        return counted;
      },
      strftime_now: (format: string) => strftime(now, format),
    };
    for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
    try {
      return String(interpreter.run(program).value);
    } catch (cause) {
      throw this.problem(cause, 'render');
    }
  }

  private parse(marks?: readonly [string, string]): { program: Node; loopBodies: ReadonlySet<unknown> } {
    const key = marks?.join('\0') ?? '';
    const known = this.parsed.get(key);
    if (known) return known;
    try {
      if (this.source.length > MAX_TEMPLATE_CHARACTERS)
        throw new TooMuch(`it is longer than ${MAX_TEMPLATE_CHARACTERS.toLocaleString('en')} characters`);
      if (new RegExp(`\\s{${MAX_BLANKS}}`).test(this.source))
        throw new TooMuch(`it has more than ${MAX_BLANKS.toLocaleString('en')} blanks in one place`);
      const unknown = UNKNOWN_MARKUP.exec(this.source)?.[0];
      if (unknown !== undefined) throw new SyntaxError(`"${unknown}" is not supported`);
      // The tag becomes a block that says whether it was there, with the same rules for the blanks around it.
      const source = marks
        ? this.source.replace(GENERATION, (_, before: string, end: string | undefined, behind: string) => {
            const mark = end === undefined ? marks[0] : marks[1];
            return `{%${before} if true %}${mark}{% endif ${behind}%}`;
          })
        : this.source;
      const program = parseTemplate(source);
      const made = { program, loopBodies: loopBodiesOf(program) };
      this.parsed.set(key, made);
      return made;
    } catch (cause) {
      throw this.problem(cause, 'parse');
    }
  }

  private problem(cause: unknown, doing: 'parse' | 'render'): DataError {
    const reason = cause instanceof RangeError ? 'it nests too deeply or grows too large' : sentenceOf(cause);
    if (cause instanceof Raised)
      return new DataError(`The chat template of ${this.file} refuses the conversation: ${reason}.`, {
        code: 'chat.refused',
        exitCode: 2,
        cause,
      });
    const fails = doing === 'parse' ? 'cannot be read' : 'cannot be rendered';
    return new DataError(`The chat template of ${this.file} ${fails}: ${reason}.`, {
      code: cause instanceof TooMuch || cause instanceof RangeError ? 'chat.template-limit' : 'chat.template',
      exitCode: 2,
      cause,
    });
  }
}

const sentenceOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '');

function boundedRange(first: number, second?: number | null, step?: number | null): number[] {
  const [start, stop] = second === undefined || second === null ? [0, first] : [first, second];
  const by = step ?? 1;
  const count = Math.max(0, Math.ceil((stop - start) / by));
  if (!Number.isFinite(count)) throw new Error('range() needs whole numbers and a step that is not 0');
  if (count > MAX_RANGE) throw new TooMuch(`it counts over more than ${MAX_RANGE.toLocaleString('en')} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * by);
}
