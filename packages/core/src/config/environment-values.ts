import { ConfigError } from '@graft/engine';
import { rememberSecret } from '../secrets/redact';
import { isObject } from '../util/objects';
import { didYouMean } from '../util/suggest';
import { joinPath } from './merge';
import { loadJsYaml, parseYaml, parseYamlScalar } from './yaml';

/** `${env:NAME}`, `${env:NAME:default}`, or either behind another `$`, which makes it a text. */
const REFERENCE = /\$?\$\{env:[^}\r\n]*\}?/g;
const PARTS = /^\$\{env:([A-Za-z_]\w*)(?::([^}]*))?\}$/;
/** Variables whose values are masked in logs and errors. */
const SECRET_NAME = /token|secret|passw(or)?d|passphrase|api_?key|access_?key|private_?key|credential/i;

/** A config with the values of environment variables in it. */
export interface WithEnvironment {
  readonly value: unknown;
  /** The variables that are whole values, by the paths of these values. */
  readonly variables: ReadonlyMap<string, string>;
}

interface Reference {
  /** As in the file. */
  readonly written: string;
  /** From 1. */
  readonly line: number;
}

/** A plain scalar that is one reference: it becomes what YAML makes of the variable's value. */
class PlainReference {
  readonly #mark: string;
  constructor(mark: string) {
    this.#mark = mark;
  }
  // So that js-yaml does not take a key for an object.
  get [Symbol.toStringTag](): string {
    return 'PlainReference';
  }
  toString(): string {
    return this.#mark;
  }
}

/**
 * Parses YAML and replaces references to environment variables in its values, never in its keys. Other than in YAML's own
 * syntax, they may be written anywhere without quotes. Throws ConfigError with the lines of all variables that are not set.
 */
export function parseYamlWithEnvironment(
  text: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): WithEnvironment {
  const references: Reference[] = [];
  const [open, close] = unusedMarks(text);
  let line = 1;
  let counted = 0;
  // Braces would end a value in YAML's flow style, and a colon may begin one.
  const marked = text.replace(REFERENCE, (written, at: number) => {
    line += text.slice(counted, at).split(/\r\n|\r|\n/).length - 1;
    counted = at;
    references.push({ written, line });
    return `${open}${references.length - 1}${close}`;
  });
  if (references.length === 0) return { value: parseYaml(text), variables: new Map() };
  const mark = new RegExp(`${open}(\\d+)${close}`, 'g');
  const whole = new RegExp(`^${open}(\\d+)${close}$`);
  const { Type } = loadJsYaml();
  const plain = new Type('tag:graft/environment', {
    kind: 'scalar',
    resolve: (data: unknown) => typeof data === 'string' && whole.test(data),
    construct: (data: string) => new PlainReference(data),
  });
  const resolver = new Resolver(references, environment);
  const variables = new Map<string, string>();
  const done = new Map<object, unknown>();

  const replaced = (value: unknown, path: string): unknown => {
    if (typeof value === 'string' || value instanceof PlainReference) {
      const [, index] = whole.exec(String(value)) ?? [];
      if (index === undefined) return String(value).replace(mark, (_, i: string) => resolver.valueOf(Number(i)));
      const found = resolver.valueOf(Number(index));
      const name = resolver.variableOf(Number(index));
      if (name !== undefined) variables.set(path, name);
      return value instanceof PlainReference && resolver.isVariable(Number(index)) ? parseYamlScalar(found) : found;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (done.has(value)) return done.get(value);
    const copy = Array.isArray(value)
      ? value.map((item: unknown, i) => replaced(item, joinPath(path, i)))
      : isObject(value)
        ? Object.fromEntries(
            Object.entries(value).map(([key, item]) => {
              const own = key.replace(mark, (_, i: string) => references[Number(i)].written);
              return [own, replaced(item, joinPath(path, own))];
            }),
          )
        : value;
    done.set(value, copy);
    return copy;
  };

  const value = replaced(parseYaml(marked, [plain]), '');
  resolver.check(file);
  return { value, variables };
}

/** Two characters for private use that the text does not contain. */
function unusedMarks(text: string): [string, string] {
  const found: string[] = [];
  for (let code = 0xe000; found.length < 2; code++) {
    const character = String.fromCharCode(code);
    if (!text.includes(character)) found.push(character);
  }
  return found as [string, string];
}

/** Looks variables up, and collects the problems of those that are used. */
class Resolver {
  private readonly problems = new Map<number, string>();

  constructor(
    private readonly references: readonly Reference[],
    private readonly environment: Readonly<Record<string, string | undefined>>,
  ) {}

  isVariable(index: number): boolean {
    return PARTS.test(this.references[index].written);
  }

  /** The name, if the value comes from the variable and not from a default. */
  variableOf(index: number): string | undefined {
    const [, name] = PARTS.exec(this.references[index].written) ?? [];
    return name !== undefined && this.environment[name] !== undefined ? name : undefined;
  }

  valueOf(index: number): string {
    const { written } = this.references[index];
    if (written.startsWith('$$')) return written.slice(1);
    const [, name, otherwise] = PARTS.exec(written) ?? [];
    if (name === undefined) {
      this.problems.set(
        index,
        'a reference to the environment is not ${env:NAME} or ${env:NAME:default}; `$${env:` writes it as a text',
      );
      return '';
    }
    const value = this.environment[name] ?? otherwise;
    if (value === undefined) {
      const guess = didYouMean(name, Object.keys(this.environment));
      this.problems.set(index, `the environment variable ${name} is not set${guess}`);
      return '';
    }
    if (SECRET_NAME.test(name)) rememberSecret(value);
    return value;
  }

  /** Throws ConfigError with everything that `valueOf` could not find. */
  check(file: string): void {
    if (this.problems.size === 0) return;
    const lines = [...this.problems].map(([index, problem]) => `${file}:${this.references[index].line}: ${problem}`);
    throw new ConfigError(`${lines.join('; ')}.`, {
      code: 'config.environment',
      hint: 'Set the variable, or write a default: ${env:NAME:default}.',
    });
  }
}
