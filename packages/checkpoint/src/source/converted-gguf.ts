import { readRegularFile, streamRegularFile } from '@graft/files';
import { createHash } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeAtomically, writeFileAtomically } from '../files/atomic';
import { exists } from '../folder/names';
import { unfinishedFolder } from '../folder/resumable';
import { importGguf } from '../gguf/import';
import { unreadable } from '../safetensors/problems';
import { privateCacheFolder } from './private-folder';

/** Counted up when the conversion changes, so that older folders in the cache are left alone. */
const CONVERSION = 1;

type Listener = (sentence: string) => void;

let listener: Listener | undefined;

/** Has conversions of GGUF files announced, which take a while: one sentence each. */
export function announceConversions(to: Listener): void {
  listener = to;
}

/** Conversions of this process, by file. */
const running = new Map<string, Promise<string>>();

/**
 * The folder in Graft's cache with a GGUF file's content, which is converted the first time: it is found again by its
 * SHA-256, wherever the file is. Throws CheckpointError as `importGguf` does.
 */
export function convertedGguf(file: string): Promise<string> {
  const path = resolve(file);
  const found = running.get(path);
  if (found) return found;
  // Only while it runs: the file may be another one later.
  const conversion = convert(path).finally(() => running.delete(path));
  running.set(path, conversion);
  return conversion;
}

async function convert(file: string): Promise<string> {
  const cache = privateCacheFolder('checkpoints');
  const folder = join(cache, `${(await digestOf(file)).slice(0, 32)}-${CONVERSION}`);
  if (await exists(folder)) return folder;
  listener?.(`Converting ${file} into ${folder}, once.`);
  await convertInto(folder, file);
  return folder;
}

const WAIT_MILLISECONDS = 500;

/** Only one process converts a file; what a killed one has finished is kept. */
async function convertInto(folder: string, file: string): Promise<void> {
  for (;;) {
    try {
      return void (await importGguf({ file, out: folder, resume: true }));
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'checkpoint.exists') return;
      // Left by the conversion of the same content from another place.
      if (code === 'checkpoint.unfinished') await removeAtomically(unfinishedFolder(folder));
      else if (code === 'checkpoint.busy') await sleep(WAIT_MILLISECONDS);
      else throw error;
    }
  }
}

/** SHA-256 of a file; of one that has not changed since, from a note in the cache. */
async function digestOf(file: string): Promise<string> {
  const entry = await stat(file, { bigint: true }).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  const { dev, ino, size, mtimeNs, ctimeNs } = entry;
  const identity = createHash('sha256').update([file, dev, ino, size, mtimeNs, ctimeNs].join('\n')).digest('hex');
  const note = join(privateCacheFolder('checkpoints', 'digests'), identity);
  const known = await readRegularFile(note, { maxBytes: 64 }).catch(() => undefined);
  if (known && /^[0-9a-f]{64}$/.test(String(known))) return String(known);
  const hash = createHash('sha256');
  await pipeline(
    await streamRegularFile(file, { highWaterMark: 1 << 20 }).catch((cause: unknown) => {
      throw unreadable(file, cause);
    }),
    hash,
  );
  const digest = hash.digest('hex');
  await writeFileAtomically(note, (temporary) => writeFile(temporary, digest));
  return digest;
}
