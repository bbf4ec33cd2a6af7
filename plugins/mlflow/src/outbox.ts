import { readJsonFile, readRegularFile } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OutboxEntrySchema, type OutboxEntry } from './outbox-entry';

/**
 * Common beginning of the names of all entries in a folder; those from before entries had an address have only this.
 */
const STEM = 'mlflow-outbox';
/** Suffix of an outbox that some process is sending. */
const CLAIMED = '.sending';
/** A process that takes longer than this must have died. */
const CLAIM_MS = 600_000;
/** Entries of one kind set aside in a folder; the last one is overwritten. */
const MOST_SET_ASIDE = 9;

/** An entry's file, which belongs to this process until it is `settled`. */
export interface ClaimedEntry {
  readonly folder: string;
  /** Undefined: it cannot be read, with the reason. */
  readonly entry?: OutboxEntry;
  readonly problem?: string;
  /** Ends the claim: the entry waits again, is removed, or is kept for inspection in the returned file. */
  settle(what: 'keep' | 'remove' | 'unreadable' | 'refused'): Promise<string>;
}

/** An entry's file, by its server: entries for two servers are next to each other. */
export function outboxFile(server: string): string {
  return `${STEM}-${createHash('sha256').update(server).digest('hex').slice(0, 8)}.json`;
}

/** Stores an entry in a run's folder, and returns the file. Only its owner can read it. */
export async function store(runFolder: string, entry: OutboxEntry & { readonly server: string }): Promise<string> {
  return write(join(runFolder, outboxFile(entry.server)), entry);
}

async function write(file: string, content: unknown): Promise<string> {
  await rm(`${file}.tmp`, { force: true });
  await writeFile(`${file}.tmp`, JSON.stringify(content), { mode: 0o600 });
  await rename(`${file}.tmp`, file);
  return file;
}

/** Stores the refused values of an entry, and returns the file. */
export async function keepRefused(
  runFolder: string,
  entry: OutboxEntry & { readonly server: string },
): Promise<string> {
  return write(await setAsideFile(join(runFolder, outboxFile(entry.server)), 'refused'), entry);
}

/**
 * Claims what an earlier part of a run could not send to this server. Undefined if there is nothing, or another process
 * has it.
 */
export async function claimEntry(folder: string, server: string): Promise<ClaimedEntry | undefined> {
  for (const name of [outboxFile(server), `${STEM}.json`]) {
    const claimed = await claimFile(folder, name, server);
    if (claimed) return claimed;
  }
  return undefined;
}

async function claimFile(folder: string, name: string, server: string): Promise<ClaimedEntry | undefined> {
  const file = join(folder, name);
  // Its address is read before it is claimed: another server's entry is left alone.
  await releaseDead(file);
  const first = await readEntry(file);
  if (first === undefined || (first.entry && !(await isFor(first.entry, folder, server)))) return undefined;
  const claimed = await claim(file);
  if (claimed === undefined) return undefined;
  const read = (await readEntry(claimed)) ?? { problem: 'it no longer exists' };
  return {
    folder,
    ...read,
    settle: async (what) => {
      if (what === 'remove') {
        await rm(claimed, { force: true });
        return file;
      }
      const target = what === 'keep' ? file : await setAsideFile(file, what);
      // Confirmed values were removed from the entry meanwhile.
      if (read.entry) await write(target, { ...read.entry, server });
      else await rename(claimed, target);
      await rm(claimed, { force: true });
      return target;
    },
  };
}

/** An entry from before entries had an address is for the only server in its run's config. */
async function isFor(entry: OutboxEntry, folder: string, server: string): Promise<boolean> {
  if (entry.server !== undefined) return entry.server === server;
  try {
    const { trackers } = (await readJsonFile(join(folder, 'config.json'))) as {
      trackers: { use: string; trackingUri?: string }[];
    };
    const named = trackers
      .filter(({ use }) => use.split('/').pop() === 'mlflow')
      .map(({ trackingUri }) => addressOf(trackingUri!));
    return named.length === 1 && named[0] === server;
  } catch {
    return false;
  }
}

/** A server's address in a canonical form: without user, password and final slashes. */
export function addressOf(trackingUri: string): string {
  const { origin, pathname } = new URL(trackingUri);
  return origin + pathname.replace(/\/+$/, '');
}

/** `refused` may be an entry; only the last few are kept. */
async function setAsideFile(file: string, why: 'unreadable' | 'refused'): Promise<string> {
  const base = file.replace(/\.json$/, `.${why}`);
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? `${base}.json` : `${base}-${number}.json`;
    if (number === MOST_SET_ASIDE || !(await stat(candidate).catch(() => undefined))) return candidate;
  }
}

async function readEntry(file: string): Promise<{ entry?: OutboxEntry; problem?: string } | undefined> {
  let text: string;
  try {
    text = (await readRegularFile(file)).toString('utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? undefined : { problem: message };
  }
  try {
    const parsed = OutboxEntrySchema.safeParse(JSON.parse(text));
    if (parsed.success) return { entry: parsed.data };
    return { problem: `${parsed.error.issues[0].path.join('.') || 'it'} is not as Graft writes it` };
  } catch {
    return { problem: 'it is not JSON' };
  }
}

/** A process that claimed it long ago has died. */
async function releaseDead(file: string): Promise<void> {
  const claimed = await stat(file + CLAIMED).catch(() => undefined);
  if (claimed && Date.now() - claimed.mtimeMs > CLAIM_MS) await rename(file + CLAIMED, file).catch(() => undefined);
}

/**
 * The path of an entry that belongs to this process from now on: two runs that start together must not both send it.
 */
async function claim(file: string): Promise<string | undefined> {
  const claimed = file + CLAIMED;
  if (await stat(claimed).catch(() => undefined)) return undefined;
  try {
    await utimes(file, Date.now() / 1000, Date.now() / 1000);
    await rename(file, claimed);
    return claimed;
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Folders of the other runs with that name. */
export async function otherRuns(runs: string, ownFolder: string): Promise<string[]> {
  const entries = await readdir(runs, { withFileTypes: true }).catch(() => []);
  // Not `latest`, a link: its run would be visited twice.
  return entries.flatMap((entry) => {
    const folder = join(runs, entry.name);
    return entry.isDirectory() && folder !== ownFolder ? [folder] : [];
  });
}
