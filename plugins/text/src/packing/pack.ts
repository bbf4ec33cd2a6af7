import {
  DataError,
  type Dataset,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type RandomStream,
} from '@graft/core';
import { z } from 'zod';
import { parsePosition } from '../datasets/position';
import { exampleOf } from '../rows/row-examples';
import type { TokenFields } from '../rows/rows';

/** The option `pack` of the datasets. */
export const packOption = z.strictObject({
  sourceTokens: z
    .int()
    .min(1)
    .optional()
    .describe('Tokens of the source of a packed row; for data with `source` and `target`.'),
  targetTokens: z
    .int()
    .min(1)
    .optional()
    .describe('Tokens of the target of a packed row; for data with `source` and `target`.'),
  rows: z
    .int()
    .positive()
    .default(64)
    .describe('Rows that are packed together, and are in memory together: more rows waste less.'),
  tooLong: z
    .enum(['split', 'error', 'truncate', 'drop'])
    .optional()
    .describe(
      'How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`.',
    ),
});

/** What a config or code may write. */
export type PackOptions = z.input<typeof packOption>;
/** The same with every default filled in. */
export type ResolvedPackOptions = z.output<typeof packOption>;

/** A field that is packed, and the row's length in it. */
export interface PackedField {
  readonly name: string;
  readonly segments: string;
  readonly lengthTokens: number;
  /** The field of its tokens' weights, if there is one. */
  readonly weights?: string;
  /** The option that sets the length, for errors. */
  readonly option: string;
  /** Pads rows in this field. Default: that of the settings. */
  readonly padId?: number;
}

/** Which segments a field's tokens belong to, as a dataset declares it. */
export const segmentsSpec = (name: string): FieldSpec => ({
  name,
  dtype: 'int32',
  rank: 1,
  meaning: 'which of several sequences a token belongs to, from 1 on; 0: filling',
  mustBeUsed: true,
});

/** How several sequences are put into a row. */
export interface PackSettings {
  readonly fields: readonly PackedField[];
  readonly rows: number;
  readonly tooLong: NonNullable<ResolvedPackOptions['tooLong']>;
  /** Pads rows. */
  readonly padId: number;
  /** Shuffles rows; undefined: in the order of their first sequences. */
  readonly random?: RandomStream;
  readonly fingerprint: string;
}

/** Sequences of one row, by their index among those that were read. */
interface Bin {
  readonly members: number[];
  readonly free: number[];
}

/**
 * Which sequences share a row: the longest first, each into the first row with space in every field. `lengths`: of each
 * sequence by field. Rows come in the order of their first sequences, and so do sequences within a row.
 */
export function packFirstFit(lengths: readonly (readonly number[])[], capacity: readonly number[]): number[][] {
  const share = lengths.map((own) => Math.max(...own.map((length, field) => length / capacity[field])));
  const longestFirst = [...lengths.keys()].sort((a, b) => share[b] - share[a] || a - b);
  const bins: Bin[] = [];
  for (const member of longestFirst) {
    const own = lengths[member];
    let bin = bins.find(({ free }) => free.every((left, field) => left >= own[field]));
    if (!bin) bins.push((bin = { members: [], free: [...capacity] }));
    bin.members.push(member);
    own.forEach((length, field) => (bin.free[field] -= length));
  }
  return bins.map(({ members }) => members.sort((a, b) => a - b)).sort((a, b) => a[0] - b[0]);
}

/** A field of tokens, and that of their weights. */
const arraysOf = ({ name, weights }: PackedField): string[] => (weights === undefined ? [name] : [name, weights]);

/** After this many consecutive sequences that are too long, something must be wrong. */
const DROPPED_IN_A_ROW = 10_000;

const positionSchema = z.strictObject({
  data: z.string(),
  /** Blocks before the current one, and its rows that are done. */
  block: z.int().min(0),
  done: z.int().min(0),
  /** The position where its sequences begin. */
  start: z.json(),
});

/**
 * Whole sequences of another dataset in rows of one length, several in each, with their segments. Sequences for some
 * rows are read at a time and packed together; a position is where those begin and a number of rows, so that going back
 * there reads only one such block, however far into the data.
 */
export class PackedExamples implements Dataset {
  readonly kind = 'examples';
  readonly fields: readonly FieldSpec[];
  private block = 0;
  private done = 0;
  private start: JsonValue;
  private restored = false;
  private loaded: { rows: readonly number[][]; sequences: readonly TokenFields[]; order: Int32Array } | undefined;
  private iterator: AsyncIterator<HostFields> | undefined;
  private readonly filled = { tokens: 0, places: 0 };

  constructor(
    private readonly source: Dataset,
    private readonly settings: PackSettings,
  ) {
    this.start = source.position();
    const own = settings.fields.flatMap(arraysOf).map((name) => source.fields.find((field) => field.name === name)!);
    this.fields = [...own, ...settings.fields.map(({ segments }) => segmentsSpec(segments))];
  }

  /** Fraction of the positions of all rows so far that have tokens, in the fullest field. */
  get fill(): number {
    return this.filled.places === 0 ? 1 : this.filled.tokens / this.filled.places;
  }

  position(): JsonValue {
    return { data: this.settings.fingerprint, block: this.block, done: this.done, start: this.start };
  }

  restore(position: JsonValue): Promise<void> {
    const { block, done, start } = parsePosition(positionSchema, position, this.settings.fingerprint);
    Object.assign(this, { block, done, start, restored: true, loaded: undefined });
    return Promise.resolve();
  }

  async skip(items: number): Promise<number> {
    let skipped = 0;
    while (skipped < items && (await this.load())) {
      const rows = Math.min(items - skipped, this.loaded!.rows.length - this.done);
      this.pass(rows);
      skipped += rows;
    }
    return skipped;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    while (await this.load()) {
      const row = this.rowOf(this.loaded!.order[this.done]);
      this.pass(1);
      yield row;
    }
    return undefined;
  }

  dispose(): void {
    this.source.dispose?.();
  }

  private pass(rows: number): void {
    this.done += rows;
    if (this.done < this.loaded!.rows.length) return;
    this.block++;
    this.done = 0;
    this.start = this.source.position();
    this.loaded = undefined;
  }

  private rowOf(number: number): HostFields {
    const { sequences, rows } = this.loaded!;
    const arrays: Record<string, Int32Array | Float32Array> = {};
    for (const { name, segments, lengthTokens, weights, padId } of this.settings.fields) {
      const tokens = new Int32Array(lengthTokens).fill(padId ?? this.settings.padId);
      const ids = new Int32Array(lengthTokens);
      const counted = new Float32Array(lengthTokens);
      let at = 0;
      for (const [i, member] of rows[number].entries()) {
        const own = sequences[member][name];
        tokens.set(own, at);
        if (weights !== undefined) counted.set(sequences[member][weights], at);
        ids.fill(i + 1, at, at + own.length);
        at += own.length;
      }
      arrays[name] = tokens;
      arrays[segments] = ids;
      if (weights !== undefined) arrays[weights] = counted;
    }
    return exampleOf(arrays);
  }

  /** Reads and packs the current block, if that is not done; false at the end of the data. */
  private async load(): Promise<boolean> {
    if (this.loaded) return true;
    const { fields, rows, random } = this.settings;
    if (this.restored) {
      await this.source.restore(this.start);
      this.iterator = undefined;
      this.restored = false;
    }
    const sequences: TokenFields[] = [];
    const sums = fields.map(() => 0);
    let dropped = 0;
    while (fields.every(({ lengthTokens }, i) => sums[i] < rows * lengthTokens)) {
      const sequence = await this.read();
      if (!sequence) break;
      const fitting = this.fit(sequence);
      if (!fitting) {
        if (++dropped < DROPPED_IN_A_ROW) continue;
        throw new DataError(`Each of the last ${dropped} sequences is too long for a row, and was dropped.`, {
          code: 'data.too-long',
          hint: `Raise ${fields.map(({ option }) => option).join(' or ')}.`,
        });
      }
      dropped = 0;
      sequences.push(fitting);
      fields.forEach(({ name }, i) => (sums[i] += fitting[name].length));
    }
    if (sequences.length === 0) return false;
    const packed = packFirstFit(
      sequences.map((sequence) => fields.map(({ name }) => sequence[name].length)),
      fields.map(({ lengthTokens }) => lengthTokens),
    );
    const shares = fields.map(({ lengthTokens }, i) => sums[i] / lengthTokens);
    this.filled.tokens += Math.max(...shares);
    this.filled.places += packed.length;
    const order = random?.fork('rows').fork(this.block).permutation(packed.length);
    this.loaded = { rows: packed, sequences, order: order ?? Int32Array.from(packed.keys()) };
    return true;
  }

  private async read(): Promise<TokenFields | undefined> {
    this.iterator ??= this.source[Symbol.asyncIterator]();
    const { value, done } = await this.iterator.next();
    if (done) {
      this.iterator = undefined;
      return undefined;
    }
    return Object.fromEntries(this.settings.fields.flatMap(arraysOf).map((name) => [name, value[name].values]));
  }

  /** The sequence, truncated if allowed; undefined if it is dropped. */
  private fit(sequence: TokenFields): TokenFields | undefined {
    const { fields, tooLong } = this.settings;
    const long = fields.find(({ name, lengthTokens }) => sequence[name].length > lengthTokens);
    if (!long) return sequence;
    if (tooLong === 'drop') return undefined;
    if (tooLong === 'truncate')
      return Object.fromEntries(
        fields.flatMap((field) =>
          arraysOf(field).map((name) => [name, sequence[name].subarray(0, field.lengthTokens)] as const),
        ),
      );
    throw new DataError(
      `A sequence has ${sequence[long.name].length} tokens of "${long.name}", but ${long.option} is ${long.lengthTokens}.`,
      {
        code: 'data.too-long',
        hint: `Raise ${long.option}, or say what becomes of it: pack.tooLong: truncate, or drop.`,
      },
    );
  }
}
