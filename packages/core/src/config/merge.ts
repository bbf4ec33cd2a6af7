import { ConfigError } from '@graft/engine';
import { engineOfWord } from '@graft/engine/internal';
import { isPlugin } from '../components/plugin';
import { isObject, isPlainObject } from '../util/objects';

/** A config as it is read: plain objects, lists and scalars. */
export type ConfigTree = Record<string, unknown>;

/** The origin of a config value. */
export interface Origin {
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** For messages: a file, or `--set`. */
  readonly source: string;
  /** The component that was named here before, and whose options were dropped. */
  readonly replacedComponent?: string;
  /** Whether it is a null of `--set`, or one that was merged over a value: it removes an optional key. */
  readonly unset?: boolean;
}

/** Origins by path (`a.b.0`): a value's own entry, or that of its nearest parent. */
export class Origins {
  private readonly entries = new Map<string, Origin>();
  private readonly variables = new Map<string, string>();

  /** `main`: the origin of a path that nobody wrote. */
  constructor(private readonly main = 'config') {}

  sourceOf(path: string): string {
    return this.get(path)?.source ?? this.main;
  }

  /** Forgets the origins of paths below, which were replaced. */
  set(path: string, origin: Origin): void {
    for (const known of this.entries.keys()) if (known.startsWith(`${path}.`)) this.entries.delete(known);
    for (const known of this.variables.keys())
      if (known === path || known.startsWith(`${path}.`)) this.variables.delete(known);
    this.entries.set(path, origin);
  }

  /** The value at this path is that of an environment variable. */
  setVariable(path: string, name: string): void {
    this.variables.set(path, name);
  }

  variableOf(path: string): string | undefined {
    return this.variables.get(path);
  }

  /** A word becomes a section to which `origin` adds keys; the word itself keeps its origin. */
  expandShorthand(path: string, key: string, origin: Origin): void {
    const before = this.get(path);
    this.set(path, origin);
    if (before) this.set(joinPath(path, key), before);
  }

  /** Whether this path has a null that removes an inherited key, if its schema does not accept null. */
  isUnset(path: string): boolean {
    return this.entries.get(path)?.unset === true;
  }

  get(path: string): Origin | undefined {
    for (let at = path; ; at = at.slice(0, at.lastIndexOf('.'))) {
      const origin = this.entries.get(at);
      if (origin || !at.includes('.')) return origin;
    }
  }
}

export const joinPath = (path: string, key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);

/** The long form of a section written as one word: `adamw` is `{ use: adamw }`, the engine's word its mode or target. */
export function expandedSection(path: string, word: string): ConfigTree {
  return path === 'engine' ? { ...engineOfWord(word) } : { use: word };
}

/**
 * Whether a word may name a component: a setting such as `auto` or a pattern such as `<unused*>` is replaced by an
 * object, not extended.
 */
const mayBeShorthand = (path: string, word: string): boolean =>
  path === 'engine' || (word !== 'auto' && !/[<>*\s]/.test(word));

/**
 * Copies lists and plain objects; a plugin, a class instance or a function in a config written in code is not copied.
 */
function copy(value: unknown, at: string, source: string): unknown {
  if (Array.isArray(value)) return value.map((item, i) => copy(item, joinPath(at, i), source));
  if (!isObject(value) || isPlugin(value) || !isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      checkKey(key, joinPath(at, key), source);
      return [key, copy(inner, joinPath(at, key), source)];
    }),
  );
}

function checkKey(key: string, at: string, source: string): void {
  if (key !== '__proto__') return;
  throw new ConfigError(`${source}: ${at}: no key may be called "__proto__".`, { code: 'config.key' });
}

/**
 * Merges `source` over `target`, in place: objects are merged key by key, everything else is replaced. A section that
 * names another component than before (`use`) replaces the whole section, because its options belonged to the old one.
 */
export function mergeConfig(target: ConfigTree, source: ConfigTree, origin: Origin, origins: Origins, path = ''): void {
  for (const [key, written] of Object.entries(source)) {
    const at = joinPath(path, key);
    checkKey(key, at, origin.source);
    let value = written;
    let present = Object.hasOwn(target, key) ? target[key] : undefined;
    if (typeof value === 'string' && isObject(present) && (present.use !== undefined || at === 'engine')) {
      value = expandedSection(at, value);
    }
    if (typeof present === 'string' && isObject(value) && !isPlugin(value) && mayBeShorthand(at, present)) {
      present = target[key] = expandedSection(at, present);
      origins.expandShorthand(at, Object.keys(present as ConfigTree)[0], origin);
    }
    if (isObject(value) && isObject(present) && !namesAnother(value, present, key)) {
      mergeConfig(present, value, origin, origins, at);
    } else {
      target[key] = copy(value, at, origin.source);
      const replacedComponent = isObject(value) && isObject(present) ? droppedFor(present) : undefined;
      const unset = value === null && present !== undefined && !Array.isArray(target);
      origins.set(at, {
        ...origin,
        ...(replacedComponent !== undefined && { replacedComponent }),
        ...(unset && { unset }),
      });
    }
  }
}

/** The component of a replaced section, if it had options that are dropped with it. */
export function droppedFor(section: ConfigTree): string | undefined {
  return typeof section.use === 'string' && Object.keys(section).length > 1 ? section.use : undefined;
}

function namesAnother(value: ConfigTree, present: ConfigTree, key: string): boolean {
  const [one, other] = [value, present].map(
    (section) => section.use ?? (key === 'tokenizer' ? sidesOf(section) : undefined),
  );
  return one !== undefined && other !== undefined && one !== other;
}

/** A tokenizer for each side needs no `use`; it replaces one for both, and is replaced by one. */
const sidesOf = (section: ConfigTree): string | undefined =>
  section.encoder !== undefined || section.decoder !== undefined ? 'sides' : undefined;
