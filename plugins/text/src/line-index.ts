import { DataError } from '@graft/core';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { DataFile } from './find-files';
import { belongs, type Split } from './hold-out';

const NEWLINE = 0x0a;

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
 * Where every line of some files lies, blank ones apart: 24 bytes a line instead of the lines themselves, and any line can
 * be read without those before it.
 */
export class LineIndex {
  private readonly fileOf = new Numbers();
  private readonly starts = new Numbers();
  private readonly lengths = new Numbers();

  private constructor(private readonly files: readonly DataFile[]) {}

  /** Reads the files once. With a split, only lines of its part are kept. */
  static async build(files: readonly DataFile[], split: Split): Promise<LineIndex> {
    const index = new LineIndex(files);
    for (const file of files.keys()) await index.scan(file, split);
    return index;
  }

  /** The same; throws DataError, naming the patterns, where nothing is left. */
  static async ofSome(
    files: readonly DataFile[],
    split: Split,
    patterns: string | readonly string[],
  ): Promise<LineIndex> {
    const index = await LineIndex.build(files, split);
    if (index.length > 0) return index;
    const why = split ? `belongs to the ${split.part} part` : 'holds anything';
    throw new DataError(`No line of ${[patterns].flat().join(', ')} ${why}.`, { code: 'data.empty' });
  }

  get length(): number {
    return this.starts.length;
  }

  async read(line: number): Promise<string> {
    const file = this.files[this.fileOf.at(line)];
    const bytes = new Uint8Array(this.lengths.at(line));
    try {
      const handle = await open(file.path);
      try {
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, this.starts.at(line));
        if (bytesRead < bytes.length) throw new Error(`it has become shorter than the ${file.size} bytes it had`);
      } finally {
        await handle.close();
      }
    } catch (cause) {
      throw new DataError(`${file.path} cannot be read: ${(cause as Error).message}.`, {
        code: 'data.unreadable',
        cause,
      });
    }
    return new TextDecoder().decode(bytes);
  }

  /** `file:line` as editors count, for errors: counts the newlines before it. */
  async describe(line: number): Promise<string> {
    const { path } = this.files[this.fileOf.at(line)];
    const start = this.starts.at(line);
    let number = 1;
    if (start > 0) {
      for await (const chunk of createReadStream(path, { end: start - 1 }) as AsyncIterable<Buffer>) {
        for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) number++;
      }
    }
    return `${path}:${number}`;
  }

  private async scan(file: number, split: Split): Promise<void> {
    const { path } = this.files[file];
    let start = 0;
    let parts: Buffer[] = [];
    const finish = (end: number): void => {
      const line = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      parts = [];
      if (!isBlank(line) && belongs(line, split)) {
        this.fileOf.push(file);
        this.starts.push(start);
        this.lengths.push(end - start);
      }
      start = end + 1;
    };
    let offset = 0;
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>) {
        let from = 0;
        for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
          parts.push(chunk.subarray(from, at));
          finish(offset + at);
          from = at + 1;
        }
        if (from < chunk.length) parts.push(chunk.subarray(from));
        offset += chunk.length;
      }
    } catch (cause) {
      throw new DataError(`${path} cannot be read: ${(cause as Error).message}.`, { code: 'data.unreadable', cause });
    }
    finish(offset);
  }
}

/** Spaces, tabs and carriage returns alone. */
function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
