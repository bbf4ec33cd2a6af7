import { decodeUtf8 } from '@graft/checkpoint/internal';
import { ConfigError } from '@graft/engine';
import { openRegularFileSync } from '@graft/files';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { inspect } from 'node:util';

import { MASK, rememberSecret } from './redact';

/** The source of a secret, as a config writes it; a string is the secret itself. */
export type SecretSource = string | { readonly env: string } | { readonly file: string };

/** How a secret is masked. */
export interface SecretOptions {
  /**
   * Whether it is masked in any text, such as logs and errors, once it is known. Default: true. false for possible
   * ordinary words, such as a user name.
   */
  readonly maskInTexts?: boolean;
}

/** Maximum bytes of a file with a secret. */
const LARGEST_FILE = 64 * 1024;

const BRAND = Symbol.for('@graft/core Secret');

/**
 * A token, a password or a key. Only `reveal()` returns it; as a string, in JSON and in the debugger it is `***`, or
 * the name of its variable or file. The variable or file is read once, by the first `reveal()`.
 */
export class Secret {
  readonly #source: SecretSource;
  readonly #options: SecretOptions;
  #value: string | undefined;
  #warning: string | undefined;

  constructor(source: SecretSource, options: SecretOptions = {}) {
    this.#source = source;
    this.#options = options;
    if (typeof source === 'string') this.#value = this.remembered(source);
  }

  /** The value of an environment variable; undefined if it is missing or empty. */
  static fromEnvironment(name: string, options?: SecretOptions): Secret | undefined {
    return process.env[name] ? new Secret({ env: name }, options) : undefined;
  }

  /** Throws ConfigError if the variable is not set, or the file cannot be read or is empty. */
  reveal(): string {
    if (this.#value === undefined) {
      const source = this.#source as Exclude<SecretSource, string>;
      this.#value = this.remembered('env' in source ? fromVariable(source.env) : this.fromFile(source.file));
    }
    return this.#value;
  }

  private remembered(value: string): string {
    if (this.#options.maskInTexts !== false) rememberSecret(value);
    return value;
  }

  private fromFile(file: string): string {
    const { value, warning } = readSecretFile(file);
    this.#warning = warning;
    return value;
  }

  /** A warning about a revealed secret whose file others can read. */
  get warning(): string | undefined {
    return this.#warning;
  }

  /** Whether the config contains the secret itself. */
  get isLiteral(): boolean {
    return typeof this.#source === 'string';
  }

  /** For passing it to threads of this process. */
  get source(): SecretSource {
    return this.#source;
  }

  /** How the secret is masked. */
  get options(): SecretOptions {
    return this.#options;
  }

  toJSON(): unknown {
    return this.isLiteral ? MASK : this.#source;
  }

  toString(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return `Secret(${MASK})`;
  }
}
Object.defineProperty(Secret.prototype, BRAND, { value: true });

/** Also true for one of another copy of this package. */
export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && (value as { [BRAND]?: unknown })[BRAND] === true;
}

function fromVariable(name: string): string {
  const value = process.env[name];
  if (value) return value;
  const is = value === undefined ? 'is not set' : 'is empty';
  throw new ConfigError(`the environment variable ${name} ${is}`, { code: 'secret.environment' });
}

function readSecretFile(file: string): { value: string; warning?: string } {
  const fail = (why: string, cause?: unknown): never => {
    throw new ConfigError(`the file ${file} ${why}`, { code: 'secret.file', cause });
  };
  let handle: number;
  try {
    handle = openRegularFileSync(file);
  } catch (cause) {
    return fail(`cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    const facts = fstatSync(handle);
    const bytes = Buffer.alloc(LARGEST_FILE + 1);
    const length = readSync(handle, bytes, 0, bytes.length, 0);
    if (length > LARGEST_FILE) fail(`has more than ${LARGEST_FILE} bytes, which is no token`);
    const value = decodeUtf8(bytes.subarray(0, length))?.replace(/\r?\n$/, '') ?? fail('is not UTF-8');
    if (value === '') fail('is empty');
    const open = process.platform !== 'win32' && (facts.mode & 0o077) !== 0;
    return open
      ? { value, warning: `${file} holds a secret, and others can read or change it; \`chmod 600\` it.` }
      : { value };
  } finally {
    closeSync(handle);
  }
}
