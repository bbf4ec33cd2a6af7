import { parseJson, syncFolder } from '@graft/checkpoint/internal';
import { CheckpointError, GraftError } from '@graft/engine';
import { readRegularFile } from '@graft/engine/internal';
import { open, stat, truncate, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * metrics.jsonl: one object a step, in order. Lines go to the operating system while the next step runs, and to the disk
 * before a checkpoint: whatever a checkpoint counts on is there.
 */
export class MetricsFile {
  private pending: string[] = [];
  private writing: Promise<void> | undefined;
  private failure: GraftError | undefined;

  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly inode: { readonly dev: bigint; readonly ino: bigint },
    /** Length of the whole lines. */
    private bytes: number,
    private readonly check: () => Promise<void>,
  ) {}

  /**
   * Opens the file for appending after `lines` lines; later ones, which a killed run left, are cut off. Throws
   * CheckpointError when there are fewer. `check` is called before each write, and throws where the run's folder is not what
   * it was: the system goes on writing into a file that was deleted.
   */
  static async open(
    file: string,
    lines: number,
    check: () => Promise<void> = () => Promise.resolve(),
  ): Promise<MetricsFile> {
    const bytes = await keepLines(file, lines);
    try {
      const handle = await open(file, 'a');
      // It may be new.
      await syncFolder(dirname(file));
      return new MetricsFile(file, handle, await handle.stat({ bigint: true }), bytes, check);
    } catch (cause) {
      throw unwritable(file, cause);
    }
  }

  /** Throws what kept an earlier line from being written. Numbers that JSON does not know become null. */
  append(line: Readonly<Record<string, number>>): void {
    if (this.failure) throw this.failure;
    this.pending.push(`${JSON.stringify(line)}\n`);
    this.writing ??= this.drain();
  }

  /** Resolves when everything appended is on the disk. */
  async flush(): Promise<void> {
    await this.writing;
    if (this.failure) throw this.failure;
    await this.handle.sync().catch((cause: unknown) => {
      throw unwritable(this.file, cause);
    });
  }

  async close(): Promise<void> {
    await this.writing;
    await this.handle.close();
  }

  /** Throws CheckpointError where the file at its path is not the one that is open: lines would go nowhere, in silence. */
  private async checkFile(): Promise<void> {
    const found = await stat(this.file, { bigint: true }).catch(() => undefined);
    if (found?.ino === this.inode.ino && found.dev === this.inode.dev) return;
    // All of the folder may have gone since it was looked at.
    await this.check();
    throw new CheckpointError(`${this.file} was deleted, moved or replaced while the run wrote to it.`, {
      code: 'run.metrics-lost',
      hint: 'Put it back to go on with the run: a checkpoint counts on the lines before it.',
    });
  }

  private async drain(): Promise<void> {
    try {
      while (this.pending.length > 0) {
        const text = this.pending.splice(0).join('');
        await this.check();
        await this.checkFile();
        await this.write(text);
      }
    } catch (cause) {
      this.failure = unwritable(this.file, cause);
    } finally {
      this.writing = undefined;
    }
  }

  private async write(text: string): Promise<void> {
    try {
      await this.handle.appendFile(text);
      this.bytes += Buffer.byteLength(text);
    } catch (cause) {
      // Half a line would be taken for a broken file. By the handle: what lies at the path may be another's by now.
      await this.handle.truncate(this.bytes).catch(() => undefined);
      throw cause;
    }
  }
}

/** The loss of the run's first step; undefined before it, and where it was not finite. */
export async function firstLoss(file: string): Promise<number | undefined> {
  const bytes = await readWhole(file);
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return undefined;
    try {
      const { loss } = parseJson(bytes.toString('utf8', start, end)) as { loss?: unknown };
      if (typeof loss === 'number') return loss;
    } catch (cause) {
      throw new CheckpointError(`${file}:${line} is not JSON: ${(cause as Error).message}.`, {
        code: 'run.metrics',
        cause,
      });
    }
    start = end + 1;
  }
  return undefined;
}

/** As long as a buffer may be: a run of a few million steps. */
const LONGEST_METRICS_BYTES = 2 ** 32 - 1;

/** What the file holds; nothing where there is none. */
async function readWhole(file: string): Promise<Buffer> {
  return readRegularFile(file, { maxBytes: LONGEST_METRICS_BYTES }).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new CheckpointError(`${file} cannot be read: ${(cause as Error).message}.`, { code: 'run.metrics', cause });
  });
}

function unwritable(file: string, cause: unknown): GraftError {
  if (cause instanceof GraftError) return cause;
  const code = (cause as NodeJS.ErrnoException).code;
  const reason = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : (cause as Error).message;
  return new GraftError(`${file} could not be written: ${reason}.`, { code: 'run.metrics', cause });
}

const NEWLINE = 0x0a;

const lost = (problem: string): CheckpointError =>
  new CheckpointError(problem, {
    code: 'run.metrics-lost',
    hint: 'Put the file back, or start a new run from the checkpoint.',
  });

/** Where each of the first `lines` lines lies, its end without the newline. Throws CheckpointError when there are fewer. */
function* firstLines(
  file: string,
  bytes: Buffer,
  lines: number,
): Generator<{ line: number; start: number; end: number }> {
  let start = 0;
  for (let line = 1; line <= lines; line++) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end < 0)
      throw lost(`${file} ends after ${line - 1} lines, but the checkpoint was written after ${lines} steps.`);
    yield { line, start, end };
    start = end + 1;
  }
}

/** Cuts the file after its first `lines` lines and returns how many bytes they are. */
async function keepLines(file: string, lines: number): Promise<number> {
  const bytes = await readWhole(file);
  let kept = 0;
  for (const { end } of firstLines(file, bytes, lines)) kept = end + 1;
  if (kept < bytes.length) await truncate(file, kept);
  return kept;
}

/** Whole lines in the file; 0 where there is none. */
export async function countLines(file: string): Promise<number> {
  const bytes = await readWhole(file);
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** Sees that the steps up to this one have their lines, each in its place. Throws CheckpointError when they have not. */
export async function checkLines(file: string, steps: number): Promise<void> {
  const bytes = await readWhole(file);
  for (const { line, start, end } of firstLines(file, bytes, steps)) {
    if (stepAt(bytes.subarray(start, end)) === line) continue;
    throw lost(`Line ${line} of ${file} is not that of step ${line}; the checkpoint was written after ${steps} steps.`);
  }
}

/** The step of a line; undefined where it has none. */
function stepAt(line: Buffer): unknown {
  try {
    return (JSON.parse(line.toString()) as { step?: unknown } | null)?.step;
  } catch {
    return undefined;
  }
}
