import { UsageError, type Logger } from '@graft/core';
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';

/** A text as it was found. */
export interface Document {
  readonly text: string;
  /** SHA-256 of its bytes, in hexadecimal: decides its split and the order. */
  readonly digest: string;
}

/** The documents, each content once, in the order of their digests; and what is not among them. */
export interface Documents {
  readonly documents: readonly Document[];
  readonly files: number;
  /** Files whose content another file has too. */
  readonly duplicates: number;
  /** Files that are not UTF-8, or blank. */
  readonly unreadable: number;
}

/** Endings of the texts in a folder; a file that is named itself may have any. */
const ENDINGS = /\.(md|markdown|mdx|txt|rst)$/i;
/** The same licence under another name would be in both splits. */
const LICENCES = /^(licen[cs]e|copying|notice|unlicense)/i;
/** All texts and their rows are in memory at once. */
const MOST_BYTES = 1 << 30;

/**
 * The texts at these places: a file, or all texts in a folder and below it, except licences. Links are not followed.
 * Throws UsageError for a place that is not there or has no text, and for more than 1 GiB of text.
 */
export async function readDocuments(places: readonly string[]): Promise<Documents> {
  const found = new Map<string, Document>();
  let [files, bytes, unreadable] = [0, 0, 0];
  for (const place of places) {
    const paths = await textsAt(resolve(place));
    if (paths.length === 0)
      throw new UsageError(`There is no text in ${place}: no file ends in .md, .markdown, .mdx, .txt or .rst.`, {
        code: 'real.no-text',
        hint: 'Name the files themselves, whatever their endings, or another folder.',
      });
    for (const path of paths) {
      const content = await readFile(path);
      files++;
      bytes += content.length;
      if (bytes > MOST_BYTES)
        throw new UsageError(`The texts have more than 1 GiB; ${path} is the file that exceeds it.`, {
          code: 'real.too-much-text',
          hint: 'Name fewer files.',
        });
      const text = decoded(content);
      if (text === undefined) unreadable++;
      else {
        const digest = createHash('sha256').update(content).digest('hex');
        found.set(digest, { text, digest });
      }
    }
  }
  const documents = [...found.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  return { documents, files, duplicates: files - unreadable - documents.length, unreadable };
}

/** A line about what was read, and what was left out. */
export function describeDocuments({ documents, files, duplicates, unreadable }: Documents, logger: Logger): void {
  const characters = documents.reduce((sum, { text }) => sum + text.length, 0);
  logger.info(
    `Text: ${documents.length} documents of ${(characters / 1e6).toFixed(1)} million characters, from ${files} files` +
      ` (${duplicates} have the content of another, ${unreadable} are blank or not UTF-8).`,
  );
}

async function textsAt(place: string): Promise<string[]> {
  const entry = await stat(place).catch(() => undefined);
  if (!entry)
    throw new UsageError(`There is no ${place}.`, { code: 'real.no-text', hint: 'Name a file or a folder of texts.' });
  if (!entry.isDirectory()) return [place];
  const paths: string[] = [];
  for (const path of (await readdir(place, { recursive: true })).sort())
    if (ENDINGS.test(path) && !LICENCES.test(basename(path)) && (await lstat(join(place, path))).isFile())
      paths.push(join(place, path));
  return paths;
}

function decoded(content: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    return text.trim() === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
