import { DataError } from '@graft/core';
import type { FileBytes } from './file-bytes';
import type { DataFile } from './find-files';
import { belongs, type Split } from '../datasets/hold-out';
import type { Stretch } from '../rows/rows';

const NEWLINE = 0x0a;
/** A stretch of lines that are read together ends after this many bytes. */
const STRETCH_BYTES = 1 << 20;

/** Bytes of the longest line: it is in memory several times, as bytes, as text and as the parsed value. */
const LONGEST_LINE_BYTES = 1 << 26;

/** Position of a stretch in its file's text. */
export interface LineStretch extends Stretch {
  readonly start: number;
}

/** Position of a line. */
export interface LinePlace {
  readonly file: number;
  /** Offset and length in bytes of the file's text. */
  readonly start: number;
  readonly length: number;
  /** The stretch that has to be read with it. Undefined: it can be read by itself. */
  readonly stretch?: number;
}

/** Numbers in one growing array. */
class Numbers {
  private values = new Float64Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  at(index: number): number {
    return this.values[index];
  }
}

/**
 * Positions of all lines of some files, except blank ones: 24 bytes per line instead of the lines themselves, and any
 * line of a plain file can be read without those before it. If a file is compressed, all lines are read in stretches.
 */
export class LineIndex {
  stretches: readonly LineStretch[] | undefined;
  private readonly fileOf = new Numbers();
  private readonly starts = new Numbers();
  private readonly lengths = new Numbers();

  private constructor(
    private readonly files: readonly DataFile[],
    private readonly bytes: FileBytes,
  ) {}

  /**
   * Reads the files once. With a split, only lines of its part are kept. Throws DataError for a line of more than 64
   * MiB.
   */
  static async build(files: readonly DataFile[], split: Split, bytes: FileBytes): Promise<LineIndex> {
    const index = new LineIndex(files, bytes);
    let anyGzip = false;
    for (const [i, file] of files.entries()) {
      anyGzip ||= await bytes.isGzip(file);
      await index.scan(i, split);
    }
    if (anyGzip) index.stretches = index.cut();
    return index;
  }

  get length(): number {
    return this.starts.length;
  }

  at(line: number): LinePlace {
    const place = { file: this.fileOf.at(line), start: this.starts.at(line), length: this.lengths.at(line) };
    if (!this.stretches) return place;
    let [low, high] = [0, this.stretches.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.stretches[middle].first <= line) low = middle;
      else high = middle - 1;
    }
    return { ...place, stretch: low };
  }

  /** `file:line` as editors count, for errors: counts the newlines before it. */
  async describe(line: number): Promise<string> {
    const file = this.files[this.fileOf.at(line)];
    let left = this.starts.at(line);
    let number = 1;
    if (left > 0) {
      for await (const chunk of this.bytes.scan(file)) {
        for (let at = chunk.indexOf(NEWLINE); at >= 0 && at < left; at = chunk.indexOf(NEWLINE, at + 1)) number++;
        left -= chunk.length;
        if (left <= 0) break;
      }
    }
    return `${file.path}:${number}`;
  }

  private cut(): LineStretch[] {
    const stretches: LineStretch[] = [];
    for (let first = 0, line = 1; line <= this.length; line++) {
      const start = this.starts.at(first);
      const bytes = this.starts.at(line - 1) + this.lengths.at(line - 1) - start;
      const goesOn = line < this.length && this.fileOf.at(line) === this.fileOf.at(first) && bytes < STRETCH_BYTES;
      if (goesOn) continue;
      stretches.push({ first, rows: line - first, bytes, file: this.fileOf.at(first), start });
      first = line;
    }
    return stretches;
  }

  private async scan(file: number, split: Split): Promise<void> {
    let start = 0;
    let parts: Buffer[] = [];
    let number = 1;
    const add = (part: Buffer, end: number): void => {
      parts.push(part);
      if (end - start <= LONGEST_LINE_BYTES) return;
      const place = `${this.files[file].path}:${number}`;
      throw new DataError(
        `${place} has more than ${LONGEST_LINE_BYTES} bytes, which is the longest line that is read.`,
        {
          code: 'data.bad-line',
        },
      );
    };
    const finish = (end: number): void => {
      const line = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      parts = [];
      if (!isBlank(line) && belongs(line, split)) {
        this.fileOf.push(file);
        this.starts.push(start);
        this.lengths.push(end - start);
      }
      start = end + 1;
      number++;
    };
    let offset = 0;
    for await (const chunk of this.bytes.scan(this.files[file])) {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        add(chunk.subarray(from, at), offset + at);
        finish(offset + at);
        from = at + 1;
      }
      if (from < chunk.length) add(chunk.subarray(from), offset + chunk.length);
      offset += chunk.length;
    }
    finish(offset);
  }
}

/** Whether a line has only spaces, tabs and carriage returns. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
