/** A config value with, for each of its leaves, the folder to which its relative paths belong and the file it came from. */
export type ConfigTree = Record<string, unknown>;

export interface Origin {
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** For messages: a file, or `--set`. */
  readonly source: string;
}

export function isObject(value: unknown): value is ConfigTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Origins by path (`a.b.0`): a leaf's own entry, or the nearest one above it. */
export class Origins {
  private readonly entries = new Map<string, Origin>();

  set(path: string, origin: Origin): void {
    for (const known of this.entries.keys()) if (known.startsWith(`${path}.`)) this.entries.delete(known);
    this.entries.set(path, origin);
  }

  get(path: string): Origin | undefined {
    for (let at = path; ;) {
      const origin = this.entries.get(at);
      if (origin) return origin;
      const dot = at.lastIndexOf('.');
      if (dot < 0) return this.entries.get('');
      at = at.slice(0, dot);
    }
  }
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/**
 * Lays `source` over `target`, in place: objects are merged key by key, everything else replaces. A section that names
 * another component (`use`) replaces the whole section, whose options belonged to the old one.
 */
export function mergeConfig(target: ConfigTree, source: ConfigTree, origin: Origin, origins: Origins, path = ''): void {
  for (const [key, value] of Object.entries(source)) {
    const at = join(path, key);
    const present = Object.hasOwn(target, key) ? target[key] : undefined;
    const sameComponent =
      !isObject(value) || !isObject(present) || value.use === undefined || value.use === present.use;
    if (isObject(value) && isObject(present) && sameComponent) {
      mergeConfig(present, value, origin, origins, at);
    } else {
      target[key] = structuredClone(value);
      origins.set(at, origin);
    }
  }
}
