import { listed } from '@graft/errors';
import { isPlainObject } from '../util/objects';
import { isSecretName, MASK, redact, redactUrls } from './redact';
import { isSecret, Secret, type SecretOptions, type SecretSource } from './secret';

/** A value that may be written and modified. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Masked objects and lists, with their originals. */
const originals = new WeakMap<object, object>();

/**
 * A config, or a part of one, as JSON that may be written and published: a secret is `***` or a reference to its
 * source, and texts are cleaned by `redactUrls`. `createComponentFactory` finds the original of such a part.
 */
export function maskedConfig(value: unknown): Json {
  return masked(value, { reference: true, texts: redactUrls }) as Json;
}

/** The same for comparing two configs: every secret is `***`, whatever its source. */
export function comparableConfig(value: unknown): Json {
  return masked(value, { reference: false, texts: redactUrls }) as Json;
}

/** For other files of a run than its config: texts without any secret that this process knows. */
export function maskedRecord(value: unknown): Json {
  return masked(value, { reference: true, texts: redact }) as Json;
}

/** A value for a message: values whose keys only look like those of secrets are masked too. */
export function maskedForMessage(value: unknown): unknown {
  return masked(value, { reference: true, texts: redact, names: true });
}

interface MaskOptions {
  /** Whether the names of variables and files stay. */
  readonly reference: boolean;
  readonly texts: (text: string) => string;
  readonly names?: boolean;
}

function masked(value: unknown, options: MaskOptions): unknown {
  if (typeof value === 'string') return options.texts(value);
  if (isSecret(value)) return options.reference ? value.toJSON() : MASK;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const list = value.map((item: unknown) => masked(item, options) ?? null);
    originals.set(list, value);
    return list;
  }
  const { toJSON } = value as { toJSON?: () => unknown };
  if (typeof toJSON === 'function') return masked(toJSON.call(value), options);
  const object = Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [
        options.texts(key),
        options.names && isLiteralBehind(key, item) ? MASK : masked(item, options),
      ]),
  );
  originals.set(object, value);
  return object;
}

/** Whether a key's name suggests a secret, and its value is not a reference to one. */
function isLiteralBehind(key: string, value: unknown): boolean {
  return isSecretName(key) && value !== null && value !== undefined && !isReference(value);
}

function isReference(value: unknown): boolean {
  if (isSecret(value)) return true;
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  return keys.length === 1 && (keys[0] === 'env' || keys[0] === 'file');
}

/**
 * The original of a part of a masked config, with its secrets; also for parts of copies. Anything else is returned
 * unchanged.
 */
export function unmasked<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const original = originals.get(value);
  if (original !== undefined) return original as T;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => unmasked(item));
    return items.some((item, i) => item !== value[i]) ? (items as T) : value;
  }
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, unmasked(item)] as const);
  return entries.some(([key, item]) => item !== (value as Record<string, unknown>)[key])
    ? (Object.fromEntries(entries) as T)
    : value;
}

/** The secrets in a config by their paths. */
export function secretsIn(value: unknown, path: readonly string[] = []): { path: readonly string[]; secret: Secret }[] {
  if (isSecret(value)) return [{ path, secret: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => secretsIn(item, [...path, key]));
}

const LISTED_PATHS = 5;

/** The line that advises against secrets in configs; undefined if there are none. */
export function literalSecretsWarning(config: unknown): string | undefined {
  const paths = secretsIn(config).flatMap(({ path, secret }) => (secret.isLiteral ? [path.join('.')] : []));
  if (paths.length === 0) return undefined;
  const [are, them] = paths.length === 1 ? ['is', 'it'] : ['are', 'them'];
  return `${listed(paths, LISTED_PATHS)} ${are} written out in the config. Runs keep *** in the place of ${them}; { env: NAME } or { file: PATH } keeps ${them} out of configs altogether.`;
}

const CARRIED = '@graft/core Secret';

/**
 * A component's section for `postMessage`, which would drop the secrets in it. It contains them in the clear and must
 * not be written.
 */
export function packSecrets<T>(value: T): T {
  if (isSecret(value)) return { [CARRIED]: [value.source, value.options] } as T;
  return mapped(value, packSecrets);
}

export function unpackSecrets<T>(value: T): T {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, CARRIED))
    return new Secret(...(value as unknown as Record<string, [SecretSource, SecretOptions]>)[CARRIED]) as T;
  return mapped(value, unpackSecrets);
}

function mapped<T>(value: T, map: (item: unknown) => unknown): T {
  if (Array.isArray(value)) return value.map(map) as T;
  if (typeof value !== 'object' || value === null || !isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, map(item)])) as T;
}
