import { DataError, fieldProblem } from '@graft/core';
import { FileProblem, JsonProblem, parseJson, readTextFile } from '@graft/core/internal';
import { readRows } from '@graft/text';
import { parse as parseCsv } from 'csv-parse/sync';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';

/** What a task says about its files, for errors. */
export interface BenchmarkSource {
  /** Id of the task. */
  readonly task: string;
  /** Its folders in the folder of all benchmarks, of which the first that exists is read: `['boolq', 'BoolQ']`. */
  readonly folders: readonly string[];
  /** Where its files are to be had: a repository, an archive, a data set. A clause. */
  readonly from: string;
}

/** Rows, and the file that they come from. */
export interface ReadRows<Row> {
  readonly rows: readonly Row[];
  /** Path of the file. */
  readonly file: string;
}

/** Formats of a name without an ending; hubs split large tables into numbered parts. */
const FORMATS = /^(-\d+-of-\d+)?\.(jsonl|json|parquet|csv|tsv)(\.gz)?$/;

/**
 * The files of one benchmark. Names without an ending stand for any format: `validation` is validation.jsonl, .json,
 * .csv or .parquet, plain or in numbered parts.
 */
export class BenchmarkFiles {
  constructor(
    private readonly folder: string,
    private readonly source: BenchmarkSource,
  ) {}

  /**
   * Rows of the first of the names that is there, each checked by the schema. Throws DataError for a missing file,
   * saying where it is to be had, and for a row of another form, naming file, line and field.
   */
  async rows<S extends z.ZodType>(names: readonly string[], schema: S): Promise<ReadRows<z.output<S>>> {
    const files = this.find(names);
    const rows: z.output<S>[] = [];
    for (const file of files) {
      const read = /\.(csv|tsv)$/.test(file)
        ? await this.table(file)
        : /\.json$/.test(file)
          ? await this.list(file)
          : await readRows(file);
      for (const { row, place } of read) rows.push(this.checked(schema, withPlainIntegers(row), place));
    }
    if (rows.length === 0) throw this.bad(`${files[0]} holds no rows`);
    return { rows, file: files[0] };
  }

  /** Records of a CSV file without a header: lists of fields. */
  async records(names: readonly string[]): Promise<ReadRows<readonly string[]>> {
    const [file] = this.find(names);
    return { rows: parsedTable(await this.text(file), file, false) as string[][], file };
  }

  /** Lines of a file of plain text, without a line break at its end. */
  async lines(names: readonly string[]): Promise<ReadRows<string>> {
    const [file] = this.find(names);
    const lines = (await this.text(file)).split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    return { rows: lines, file };
  }

  /** A value of JSON, checked by the schema. */
  async value<S extends z.ZodType>(names: readonly string[], schema: S): Promise<z.output<S>> {
    const [file] = this.find(names);
    return this.checked(schema, this.parsed(await this.text(file), file), file);
  }

  /** Names of the files in one of the folders that match, in alphabetical order; the match's first group is the name of a set. */
  sets(pattern: RegExp, within = ''): { readonly name: string; readonly file: string }[] {
    for (const folder of this.source.folders) {
      const found = namesIn(join(this.folder, folder, within)).flatMap((name) => {
        const match = pattern.exec(name);
        return match ? [{ name: match[1], file: join(within, name) }] : [];
      });
      if (found.length > 0) return found;
    }
    throw this.missing([join(within, `(files like ${pattern.source.replace(/[\\^$]/g, '')})`)]);
  }

  /** Whether one of these files is there. */
  has(names: readonly string[]): boolean {
    return this.search(names) !== undefined;
  }

  /** The value, if it has the schema's form; `place` begins the error: a file with a line. Throws DataError. */
  checked<S extends z.ZodType>(schema: S, value: unknown, place: string): z.output<S> {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw this.bad(`${place.replace(/,$/, '')}: ${fieldProblem(parsed.error, 'the row')}`);
  }

  private find(names: readonly string[]): string[] {
    const found = this.search(names);
    if (found) return found;
    throw this.missing(names);
  }

  private search(names: readonly string[]): string[] | undefined {
    for (const folder of this.source.folders) {
      for (const name of names) {
        const path = join(this.folder, folder, name);
        const base = basename(path);
        const there = namesIn(join(path, '..'));
        const exact = there.includes(base) && base.includes('.');
        const files = exact
          ? [base]
          : there.filter((one) => one.startsWith(base) && FORMATS.test(one.slice(base.length)));
        if (files.length > 0) return files.map((one) => join(path, '..', one));
      }
    }
    return undefined;
  }

  private missing(names: readonly string[]): DataError {
    const { task, folders, from } = this.source;
    const others = names.length > 1 ? ` (or ${names.slice(1).join(', ')})` : '';
    const places = folders.map((folder) => join(this.folder, folder)).join(' or ');
    const name = names[0].includes('.') || names[0].includes('(') ? names[0] : `${names[0]}.jsonl`;
    return new DataError(`Task "${task}" needs ${name}${others} in ${places}, where it is not.`, {
      code: 'benchmarks.missing',
      exitCode: 2,
      hint: `It is to be had from ${from}.`,
    });
  }

  private bad(problem: string, cause?: unknown): DataError {
    return new DataError(`${problem}.`, {
      code: 'benchmarks.bad-row',
      hint: `Task "${this.source.task}" reads the benchmark's own files, from ${this.source.from}.`,
      cause,
    });
  }

  private async text(file: string): Promise<string> {
    try {
      return (await readTextFile(file)).replace(/^\ufeff/, '');
    } catch (cause) {
      if (!(cause instanceof FileProblem)) throw cause;
      throw this.bad(`${file} cannot be read: ${cause.message}`, cause);
    }
  }

  private parsed(text: string, file: string): unknown {
    try {
      return parseJson(text);
    } catch (cause) {
      if (!(cause instanceof JsonProblem)) throw cause;
      throw this.bad(`${file} is not JSON that can be read: ${cause.what}`, cause);
    }
  }

  /** A list in one JSON value; what has one object a line in spite of its name is read as lines. */
  private async list(file: string): Promise<{ row: unknown; place: string }[]> {
    const text = await this.text(file);
    if (!text.trimStart().startsWith('[')) return readRows(file);
    const list = this.checked(z.array(z.unknown()), this.parsed(text, file), file);
    return list.map((row, i) => ({ row, place: `${file}, row ${i + 1}` }));
  }

  /** Records of a CSV file with a header. */
  private async table(file: string): Promise<{ row: unknown; place: string }[]> {
    const records = parsedTable(await this.text(file), file, true);
    return records.map((row, i) => ({ row, place: `${file}, record ${i + 1}` }));
  }
}

/** Quotes are doubled, and a field may hold line breaks. Throws DataError for what is not CSV. */
function parsedTable(text: string, file: string, hasHeader: boolean): unknown[] {
  try {
    return parseCsv(text, {
      columns: hasHeader,
      delimiter: file.endsWith('.tsv') ? '\t' : ',',
      skipEmptyLines: true,
      relaxColumnCount: !hasHeader,
    });
  } catch (cause) {
    throw new DataError(`${file} is not CSV that can be read: ${(cause as Error).message.split('\n')[0]}.`, {
      code: 'benchmarks.bad-row',
      cause,
    });
  }
}

/** Parquet's integers of 64 bits as numbers, where a number holds them exactly. */
function withPlainIntegers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(withPlainIntegers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withPlainIntegers(inner)]));
}

/** Names in a folder in alphabetical order; none if there is no such folder. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
