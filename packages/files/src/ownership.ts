import { chmodSync, lstatSync, mkdirSync, statSync, type Stats } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

const [GROUP_WRITES, OTHERS_WRITE, STICKY] = [0o020, 0o002, 0o1000];

/** Who must be able to trust an entry, and whom else. */
export interface TrustOptions {
  /**
   * The user who must be able to trust the entry. Default: this process's user; without one (on Windows), everything is
   * trusted.
   */
  readonly user?: number;
  /** Users trusted in addition to `user` and root. */
  readonly owners?: readonly number[];
  /** Whether other users of the entry's group may write to it, as in a shared folder of a group. Default false. */
  readonly groupMayWrite?: boolean;
  /**
   * Whether to check only owners, not modes: for files next to Graft itself, which have the modes of Graft's own code.
   */
  readonly anyMode?: boolean;
}

/** A file or folder that another user has written, or could write. */
export interface Untrusted {
  readonly path: string;
  /** `owner`: it belongs to another user. `mode`: others can write to it. `link`: a symbolic link. `error`: unknown. */
  readonly kind: 'owner' | 'mode' | 'link' | 'error';
  /** A clause: `it belongs to user 1000`. */
  readonly reason: string;
}

/** A shell command that fixes the problem. */
export function mendingCommand({ path, kind }: Untrusted): string {
  return kind === 'mode' ? `chmod go-w '${path}'` : `rm -r '${path}'`;
}

/**
 * Why another user may have written the content of a file or the entries of a folder: the entry belongs to another
 * user, or others can write to it; undefined if it is trusted. The group with the user's own number counts as private
 * to the user. In a sticky folder (`/tmp`), users cannot replace each other's entries.
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
 * The first untrusted entry among `root`, a file or folder below it, and all folders in between; undefined if all are
 * trusted or the path does not exist. A symbolic link below `root` is not trusted, because it may lead anywhere. Costs
 * one lstat per entry.
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
 * Creates a folder below `root` and makes it and `root` private to this user: mode 0700, even if they exist already.
 * Returns what is not trusted about the folder, or why it cannot be created; undefined on success.
 */
export function makePrivateFolder(root: string, folder: string, options: TrustOptions = {}): Untrusted | undefined {
  try {
    mkdirSync(dirname(root), { recursive: true });
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // Checked first, so that nothing is created at the target of a link.
    const found = findUntrusted(root, folder, options);
    if (found && !(found.path === folder && found.kind === 'mode')) return found;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((lstatSync(folder).mode & 0o777) !== 0o700) chmodSync(folder, 0o700);
  } catch (error) {
    return { path: folder, kind: 'error', reason: (error as Error).message };
  }
  return findUntrusted(root, folder, options);
}
