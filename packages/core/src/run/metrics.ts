import { parseJson, syncFolder } from '@graft/checkpoint/internal';
import { CheckpointError, GraftError } from '@graft/engine';
import { readRegularFile } from '@graft/files';
import { open, stat, truncate, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * metrics.jsonl: one object a step, in order. Lines reach the operating system while the next step runs, and the disk
 * before a checkpoint: every line that a checkpoint counts is there.
 */
export class MetricsFile {
  private pending: string[] = [];
  private writing: Promise<void> | undefined;
  private failure: GraftError | undefined;

  private constructor(
    private readonly file: string,
    private readonly handle: FileHandle,
    private readonly inode: { readonly dev: bigint; readonly ino: bigint },
    /** Total length of the complete lines. */
    private bytes: number,
    private readonly check: () => Promise<void>,
  ) {}

  /**
   * Opens the file for appending after `lines` lines; cuts off later ones, which a killed run left. Throws
   * CheckpointError if there are fewer. Calls `check` before each write; it throws if the run's folder is not the same
   * any more: the system continues to write into a deleted file.
   */
  static async open(
    file: string,
    lines: number,
    check: () => Promise<void> = () => Promise.resolve(),
  ): Promise<MetricsFile> {
    const bytes = await keepLines(file, lines);
    try {
      const handle = await open(file, 'a');
      // The file may be new.
      await syncFolder(dirname(file));
      return new MetricsFile(file, handle, await handle.stat({ bigint: true }), bytes, check);
    } catch (cause) {
      throw unwritable(file, cause);
    }
  }

  /**
   * Throws the error that kept an earlier line from being written. Replaces numbers that JSON cannot represent by null.
   */
  append(line: Readonly<Record<string, number>>): void {
    if (this.failure) throw this.failure;
    this.pending.push(`${JSON.stringify(line)}\n`);
    this.writing ??= this.drain();
  }

  /** Resolves when every appended line is on the disk. */
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

  /** Throws CheckpointError if the path does not lead to the open file: lines would silently go nowhere. */
  private async checkFile(): Promise<void> {
    const found = await stat(this.file, { bigint: true }).catch(() => undefined);
    if (found?.ino === this.inode.ino && found.dev === this.inode.dev) return;
    // The whole folder may have disappeared since the check.
    await this.check();
    throw new CheckpointError(`${this.file} was deleted, moved or replaced while the run wrote to it.`, {
      code: 'run.metrics-lost',
      hint: 'Put it back to continue the run: a checkpoint counts on the lines before it.',
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
      // A half-written line would make the file look broken. Use the handle: the path may by now lead to another run's
      // file.
      await this.handle.truncate(this.bytes).catch(() => undefined);
      throw cause;
    }
  }
}

/** The loss of the run's first step; undefined before that step, and if the loss was not finite. */
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

/** Maximum length of a buffer: enough for a run of a few million steps. */
const LONGEST_METRICS_BYTES = 2 ** 32 - 1;

/** The contents of the file; empty if it does not exist. */
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

/**
 * The position of each of the first `lines` lines; `end` excludes the newline. Throws CheckpointError if there are
 * fewer.
 */
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

/** Cuts the file after its first `lines` lines and returns their number of bytes. */
async function keepLines(file: string, lines: number): Promise<number> {
  const bytes = await readWhole(file);
  let kept = 0;
  for (const { end } of firstLines(file, bytes, lines)) kept = end + 1;
  if (kept < bytes.length) await truncate(file, kept);
  return kept;
}

/** Complete lines in the file; 0 if there is no file. */
export async function countLines(file: string): Promise<number> {
  const bytes = await readWhole(file);
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** Checks that each step up to this one has its line, in order. Throws CheckpointError otherwise. */
export async function checkLines(file: string, steps: number): Promise<void> {
  const bytes = await readWhole(file);
  for (const { line, start, end } of firstLines(file, bytes, steps)) {
    if (stepAt(bytes.subarray(start, end)) === line) continue;
    throw lost(`Line ${line} of ${file} is not that of step ${line}; the checkpoint was written after ${steps} steps.`);
  }
}

/** The step of a line; undefined if it has none. */
function stepAt(line: Buffer): unknown {
  try {
    return (JSON.parse(line.toString()) as { step?: unknown } | null)?.step;
  } catch {
    return undefined;
  }
}
