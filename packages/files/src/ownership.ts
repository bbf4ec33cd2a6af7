import { chmodSync, lstatSync, mkdirSync, statSync, type Stats } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

const [GROUP_WRITES, OTHERS_WRITE, STICKY] = [0o020, 0o002, 0o1000];

export interface TrustOptions {
  /** The user who asks. Default: this process's user; without one (on Windows) everything is trusted. */
  readonly user?: number;
  /** Users who are trusted in addition to that one and root. */
  readonly owners?: readonly number[];
  /** Other users of the entry's group may write to it, as in a shared folder of a group. Default: they may not. */
  readonly groupMayWrite?: boolean;
  /** Only owners count, not modes: for files next to Graft itself, which have the modes of Graft's own code. */
  readonly anyMode?: boolean;
}

/** Something that another user has written, or could. */
export interface Untrusted {
  readonly path: string;
  /** `owner`: it belongs to another user. `mode`: others can write to it. `link`: a symbolic link. `error`: unknown. */
  readonly kind: 'owner' | 'mode' | 'link' | 'error';
  /** A clause: `it belongs to user 1000`. */
  readonly reason: string;
}

/** A command that fixes it. */
export function mendingCommand({ path, kind }: Untrusted): string {
  return kind === 'mode' ? `chmod go-w '${path}'` : `rm -r '${path}'`;
}

/**
 * Why the content of a file, or the entries of a folder, may have been written by somebody else: it belongs to another
 * user, or others can write to it. The group of a user's own number is that user's own. In a sticky folder (`/tmp`)
 * nobody can replace the entries of others.
 */
export function untrustedEntry(path: string, entry: Stats, options: TrustOptions = {}): Untrusted | undefined {
  const user = options.user ?? process.getuid?.();
  if (user === undefined) return undefined;
  if (![user, 0, ...(options.owners ?? [])].includes(entry.uid))
    return { path, kind: 'owner', reason: `it belongs to user ${entry.uid}, and you are user ${user}` };
  if (options.anyMode || entry.isSymbolicLink() || (entry.isDirectory() && entry.mode & STICKY)) return undefined;
  const mode = (entry.mode & 0o7777).toString(8).padStart(4, '0');
  if (entry.mode & OTHERS_WRITE) return { path, kind: 'mode', reason: `every user can write to it (mode ${mode})` };
  if (!options.groupMayWrite && entry.mode & GROUP_WRITES && entry.gid !== entry.uid)
    return { path, kind: 'mode', reason: `its group, ${entry.gid}, can write to it (mode ${mode})` };
  return undefined;
}

/**
 * The first thing that is not trusted about a file or folder and every folder from `root` down to it, `root` included;
 * undefined if all is trusted or the path does not exist. A symbolic link below `root` is not trusted: it may lead
 * anywhere. Costs one lstat for each.
 */
export function findUntrusted(root: string, path: string, options: TrustOptions = {}): Untrusted | undefined {
  const steps = relative(root, path).split(sep);
  let at = root;
  for (const step of ['', ...steps.filter((name) => name !== '')]) {
    at = join(at, step);
    let entry: Stats;
    try {
      // The root is the user's choice and may be a link.
      entry = step === '' ? statSync(at) : lstatSync(at);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      return { path: at, kind: 'error', reason: (error as Error).message };
    }
    if (entry.isSymbolicLink())
      return { path: at, kind: 'link', reason: 'it is a symbolic link, which may lead anywhere' };
    const found = untrustedEntry(at, entry, options);
    if (found) return found;
  }
  return undefined;
}

/**
 * Makes a folder below `root`, and `root`, private to this user: mode 0700, also if they exist already. Returns what is
 * not trusted about the folder, or why it cannot be created; undefined if all is well.
 */
export function makePrivateFolder(root: string, folder: string, options: TrustOptions = {}): Untrusted | undefined {
  try {
    mkdirSync(dirname(root), { recursive: true });
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // Before anything is created behind a link.
    const found = findUntrusted(root, folder, options);
    if (found && !(found.path === folder && found.kind === 'mode')) return found;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((lstatSync(folder).mode & 0o777) !== 0o700) chmodSync(folder, 0o700);
  } catch (error) {
    return { path: folder, kind: 'error', reason: (error as Error).message };
  }
  return findUntrusted(root, folder, options);
}
