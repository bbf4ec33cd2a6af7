import { CheckpointError } from '@graft/errors';
import { readRegularFile } from '@graft/files';
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DIGEST, digestOf, isDigest } from '../safetensors/digest';
import { jsonText, parseObject, readJsonObject, readSettings } from '../json/json';
import { stepOf } from './list-snapshots';
import { ADAPTER_FOLDER, exists, isPlainFileName, withoutTokenizerFolder } from '../folder/names';
import { unreadable } from '../safetensors/problems';

export const MANIFEST_FILE = 'manifest.json';
export const STATE_FILE = 'trainer.json';
export const OPTIMIZER_FILE = 'optimizer.safetensors';
/** The folder, in a snapshot, of the averaged parameters. */
export const AVERAGE = 'average';

/** The folders of a snapshot, in front of the name of a file. */
const IN_OWN_FOLDER = new RegExp(`^(${AVERAGE}/)?(${ADAPTER_FOLDER}/)?`);

/** Without digests. */
const EARLIER_VERSION = 1;
/** Incremented when the meaning of the manifest changes. */
const VERSION = 2;

/** Digests of a safetensors file, part by part: its tensors are read in any order. */
export interface TensorDigests {
  /** Digest of the length and the JSON before the data. */
  readonly header: string;
  readonly tensors: Readonly<Record<string, string>>;
}

/** A manifest's entry for a file. Version 1, without digests, has only the size. */
export interface FileRecord extends Partial<TensorDigests> {
  readonly bytes: number;
  /** Digest of the whole file, if it does not contain tensors. */
  readonly digest?: string;
}

/** A snapshot that differs from what was written. */
export function damaged(folder: string, problem: string): CheckpointError {
  return new CheckpointError(`The checkpoint ${folder} is damaged: ${problem}.`, {
    code: 'checkpoint.snapshot-broken',
    hint: 'Use an older checkpoint of the run, if there is one beside it.',
  });
}

/** The note on a checkpoint whose manifest has no digests. */
export const withoutDigests = (path: string): string =>
  `${path} was written before checkpoints had digests: its bytes are not checked.`;

/** The text of a manifest, including its own digest. */
export function manifestText(step: number, files: ReadonlyMap<string, FileRecord>): string {
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  return withDigest({ version: VERSION, step, algorithm: DIGEST, files: Object.fromEntries(sorted) });
}

/** The text of a version 1 manifest, without digests. */
export function earlierManifestText(files: ReadonlyMap<string, FileRecord>): string {
  const sizes = [...files].map(([name, { bytes }]) => [name, bytes] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  return jsonText({ version: EARLIER_VERSION, files: Object.fromEntries(sizes) });
}

function withDigest(content: Readonly<Record<string, unknown>>): string {
  return jsonText({ ...content, digest: digestOf(jsonText(content)) });
}

/** The files of a snapshot with sizes and digests. */
export class Manifest {
  private constructor(
    readonly folder: string,
    /** The snapshot's step; undefined in a manifest without digests. */
    readonly step: number | undefined,
    readonly files: ReadonlyMap<string, FileRecord>,
  ) {}

  /** Whether there are digests. */
  get hasDigests(): boolean {
    return this.step !== undefined;
  }

  /** Throws CheckpointError if there is none, or if it differs from what was written. */
  static async read(folder: string): Promise<Manifest> {
    const file = join(folder, MANIFEST_FILE);
    if ((await exists(folder)) && !(await exists(file))) throw damaged(folder, `${MANIFEST_FILE} is missing`);
    const text = await readSettings(file);
    const { version, ...content } = parseObject(file, text);
    if (version !== EARLIER_VERSION && version !== VERSION) {
      throw new CheckpointError(
        `${file} is of version ${JSON.stringify(version) ?? 'nothing'}; this Graft reads versions ${EARLIER_VERSION} and ${VERSION}.`,
        { code: 'checkpoint.snapshot-version' },
      );
    }
    const problem = (text: string): CheckpointError => damaged(folder, `${MANIFEST_FILE} ${text}`);
    const { files } = content;
    if (typeof files !== 'object' || files === null || Array.isArray(files)) throw problem('lists no files');
    for (const name of Object.keys(files)) {
      const plain = name.replace(IN_OWN_FOLDER, '');
      if (!isPlainFileName(withoutTokenizerFolder(plain)))
        throw problem(`lists ${JSON.stringify(name)}, which is not a file in it`);
    }
    const entries = Object.entries(files);
    if (version === EARLIER_VERSION) {
      // A manifest with more keys than that had digests: a damaged manifest must not count as an old one.
      const foreign = Object.keys(content).find((key) => key !== 'files');
      if (foreign !== undefined)
        throw problem(`has ${JSON.stringify(foreign)}, which version ${version} does not have`);
      const odd = entries.find(([, bytes]) => !isSize(bytes));
      if (odd) throw problem(`has no size of ${odd[0]}`);
      return new Manifest(
        folder,
        undefined,
        new Map(entries.map(([name, bytes]) => [name, { bytes: bytes as number }])),
      );
    }
    const { digest, ...rest } = content;
    // Compared as text, too: parsing ignores whitespace and anything after the object.
    if (!isDigest(digest) || text !== withDigest({ version, ...rest })) throw problem('does not hold what was written');
    if (rest.algorithm !== DIGEST)
      throw problem(`names the digest ${JSON.stringify(rest.algorithm)}; expected ${DIGEST}`);
    if (!isSize(rest.step)) throw problem('names no step');
    const odd = entries.find(([, record]) => !isRecord(record));
    if (odd) throw problem(`has no digest of ${odd[0]}`);
    return new Manifest(folder, rest.step, new Map(entries as [string, FileRecord][]));
  }

  /**
   * The manifest over a checkpoint folder: of a snapshot, or of the snapshot whose `average` it is; undefined for other
   * checkpoints. `prefix` goes before the names of the folder's files.
   */
  static async over(folder: string): Promise<{ manifest: Manifest; prefix: string } | undefined> {
    const path = resolve(folder);
    const candidates: [string, string][] = [[folder, '']];
    const above = [basename(dirname(path)), basename(path)];
    if ([AVERAGE, ADAPTER_FOLDER].includes(above[1])) candidates.push([dirname(path), `${above[1]}/`]);
    if (above.join('/') === `${AVERAGE}/${ADAPTER_FOLDER}`)
      candidates.push([dirname(dirname(path)), `${above.join('/')}/`]);
    for (const [candidate, prefix] of candidates)
      if (await isSnapshot(candidate)) return { manifest: await Manifest.read(candidate), prefix };
    return undefined;
  }

  /** Checks the size of a file, and its bytes if it does not contain tensors. Throws CheckpointError. */
  async check(name: string): Promise<void> {
    const record = this.files.get(name);
    const path = join(this.folder, name);
    const found = await stat(path).catch(() => undefined);
    if (!record) {
      if (!found) return;
      throw damaged(this.folder, `it has the file ${name}, which ${MANIFEST_FILE} does not list`);
    }
    const { bytes, digest } = record;
    if (found?.size !== bytes || !found.isFile())
      throw damaged(
        this.folder,
        `${name} should have ${bytes} bytes, but ${found ? `has ${found.size}` : 'is missing'}`,
      );
    if (digest === undefined) return;
    const content = await readRegularFile(path, { maxBytes: bytes }).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (digestOf(content) !== digest) throw damaged(this.folder, `${name} does not hold what was written`);
  }
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isRecord(value: unknown): value is FileRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { bytes, digest, header, tensors } = value as Partial<Record<keyof FileRecord, unknown>>;
  if (!isSize(bytes)) return false;
  if (tensors === undefined) return isDigest(digest) && header === undefined;
  return isDigest(header) && typeof tensors === 'object' && tensors !== null && Object.values(tensors).every(isDigest);
}

/** Other folders may contain an unrelated manifest.json. */
async function isSnapshot(folder: string): Promise<boolean> {
  if (await exists(join(folder, STATE_FILE))) return true;
  const file = join(folder, MANIFEST_FILE);
  if (!(await exists(file))) return false;
  if (stepOf(basename(resolve(folder))) !== undefined || (await exists(join(folder, OPTIMIZER_FILE)))) return true;
  return readJsonObject(file).then(
    ({ version, files }) => typeof version === 'number' && typeof files === 'object',
    () => false,
  );
}
