import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { Entry, ZipFile } from 'yauzl';
import { EngineError } from '@graft/errors';
import { streamRegularFile } from '@graft/files';
import type { LibraryFile } from './release';

/** SHA-256 of a file, in hex. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(await streamRegularFile(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

export function hashMismatch(
  what: string,
  expected: string,
  got: string,
  hint = 'Run the installation again.',
): EngineError {
  return new EngineError(
    `${what} has the SHA-256 ${got}, expected ${expected}; it is damaged or not what it should be.`,
    { code: 'engine.hash', hint },
  );
}

/** Streams the required files of a wheel into a folder, checking sizes and hashes on the way. */
export async function unpackWheel(
  wheel: string,
  files: readonly LibraryFile[],
  folder: string,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  // Loaded on demand: it is needed once, when the library is installed.
  const { open } = await import('yauzl');
  const zip = await promisify<string, object, ZipFile>(open)(wheel, { lazyEntries: true, autoClose: false }).catch(
    (cause: unknown) => {
      throw new EngineError(`${wheel} is not a wheel: ${(cause as Error).message}.`, { code: 'engine.wheel', cause });
    },
  );
  const missing = new Set(files.map(({ entry }) => entry));
  try {
    await new Promise<void>((resolve, reject) => {
      zip.on('error', reject);
      zip.on('end', resolve);
      zip.on('entry', (entry: Entry) => {
        const wanted = files.find((file) => file.entry === entry.fileName);
        if (!wanted) return zip.readEntry();
        missing.delete(wanted.entry);
        extract(zip, entry, wanted, folder, onBytes).then(() => zip.readEntry(), reject);
      });
      zip.readEntry();
    });
  } finally {
    zip.close();
  }
  if (missing.size > 0)
    throw new EngineError(`${wheel} does not hold ${[...missing].join(', ')}.`, { code: 'engine.wheel' });
}

async function extract(
  zip: ZipFile,
  entry: Entry,
  wanted: LibraryFile,
  folder: string,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const stream = await promisify(
    zip.openReadStream.bind(zip) as (
      entry: Entry,
      done: (error: Error | null, stream: NodeJS.ReadableStream) => void,
    ) => void,
  )(entry);
  const hash = createHash('sha256');
  const hashing = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      onBytes?.(chunk.length);
      done(null, chunk);
    },
  });
  const file = join(folder, wanted.name);
  // Independent of the umask, as below.
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  // Flushed before the folder is renamed: after a power cut, a file of the right size must also have the right bytes.
  await pipeline(stream, hashing, createWriteStream(file, { flush: true, mode: wanted.program ? 0o755 : 0o644 }));
  const got = hash.digest('hex');
  if (got !== wanted.sha256) throw hashMismatch(wanted.entry, wanted.sha256, got);
}
