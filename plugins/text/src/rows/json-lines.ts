import { DataError } from '@graft/core';
import { decodeUtf8, JsonProblem, parseJson } from '@graft/core/internal';
import { FileBytes, notUtf8 } from '../files/file-bytes';
import type { DataFile } from '../files/find-files';
import { emptyPartHint, type Split } from '../datasets/hold-out';
import { LineIndex } from '../files/line-index';
import type { Row, Rows, Stretch } from './rows';
import { kindOf } from './template';

/** Lines of JSON from files, plain or gzip. Any line of plain files can be read; gzip files are read in stretches. */
export class JsonLines implements Rows {
  readonly forwards = true;
  private readonly heldBytes = new Map<number, Uint8Array>();

  private constructor(
    private readonly index: LineIndex,
    private readonly files: readonly DataFile[],
    private readonly bytes: FileBytes,
  ) {}

  /** Reads the files once. Throws DataError, naming the patterns, if no line belongs to the split's part. */
  static async open(
    files: readonly DataFile[],
    split: Split,
    patterns: string | readonly string[],
  ): Promise<JsonLines> {
    const bytes = new FileBytes();
    const index = await LineIndex.build(files, split, bytes);
    if (index.length > 0) return new JsonLines(index, files, bytes);
    const why = split ? `belongs to the ${split.part} part` : 'holds anything';
    throw new DataError(`No line of ${[patterns].flat().join(', ')} ${why}.`, {
      code: 'data.empty',
      exitCode: 2,
      hint: split && emptyPartHint(split),
    });
  }

  get length(): number {
    return this.index.length;
  }

  get stretches(): readonly Stretch[] | undefined {
    return this.index.stretches;
  }

  async hold(stretches: readonly number[]): Promise<void> {
    for (const held of this.heldBytes.keys()) if (!stretches.includes(held)) this.heldBytes.delete(held);
    for (const stretch of stretches) {
      if (this.heldBytes.has(stretch)) continue;
      const { file, bytes, start } = this.index.stretches![stretch];
      const read = await this.bytes.read(this.files[file], start, bytes);
      if (read.bytes.length < bytes) throw changed(this.files[file]);
      this.heldBytes.set(stretch, read.bytes);
    }
  }

  async read(line: number): Promise<Row> {
    const place = this.index.at(line);
    let bytes: Uint8Array;
    if (place.stretch === undefined) {
      const file = this.files[place.file];
      ({ bytes } = await this.bytes.read(file, place.start, place.length));
      if (bytes.length < place.length) throw changed(file);
    } else {
      const from = place.start - this.index.stretches![place.stretch].start;
      bytes = this.heldBytes.get(place.stretch)!.subarray(from, from + place.length);
    }
    return this.parse(line, bytes, place.start);
  }

  private async parse(line: number, bytes: Uint8Array, start: number): Promise<Row> {
    const text = decodeUtf8(bytes);
    if (text === undefined) throw notUtf8(await this.describe(line), bytes, start);
    let problem: string;
    let cause: unknown;
    try {
      // A byte order mark at the start of a file marks its encoding and is not part of the JSON.
      const value = parseJson(start === 0 ? text.replace(/^\ufeff/, '') : text, { exactNumbers: true });
      if (kindOf(value) === 'an object') return value as Row;
      problem = `it is ${kindOf(value)}`;
    } catch (error) {
      if (!(error instanceof JsonProblem)) throw error;
      problem = error.offset === undefined ? error.what : `${error.what} at character ${error.offset + 1}`;
      cause = error;
    }
    throw new DataError(`${await this.describe(line)} is not a JSON object on a line: ${problem}.`, {
      code: 'data.bad-line',
      cause,
    });
  }

  describe(line: number): Promise<string> {
    return this.index.describe(line);
  }

  dispose(): void {
    this.bytes.dispose();
    this.heldBytes.clear();
  }
}

function changed({ path, size }: DataFile): DataError {
  return new DataError(`${path} cannot be read: it has become shorter than the ${size} bytes it had.`, {
    code: 'data.unreadable',
  });
}
