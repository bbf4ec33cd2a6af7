import { DataError, type FieldSpec, type RandomStream } from '@graft/core';
import { atPlace, isOfText } from '../tokenizers/of-text';
import { RowOrder } from './row-order';

/** A row by its keys: a JSON object, or a row of a table. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows that lie together in a file and are read as one. */
export interface Stretch {
  readonly first: number;
  readonly rows: number;
  /** Bytes that they take up in memory, about. */
  readonly bytes: number;
  /** Which file. */
  readonly file: number;
}

/** The rows of some files, in the files' order. */
export interface Rows {
  readonly length: number;
  /** Stretches one behind the other, where rows cannot be read singly. Then only those held can be read. */
  readonly stretches?: readonly Stretch[];
  /** Whether going back to an earlier stretch of a file costs as much as reading all before it. */
  readonly forwards?: boolean;
  /** Reads these stretches, and forgets the others. */
  hold?(stretches: readonly number[]): Promise<void>;
  /** Throws DataError where a row cannot be read. */
  read(row: number): Promise<Row>;
  /** Where a row stands, for errors: `file:line`. */
  describe(row: number): Promise<string>;
  dispose?(): void;
}

/** Token ids by field, and their weights. */
export type TokenFields = Readonly<Record<string, Int32Array | Float32Array>>;

/** What is wrong with a row, to follow its place in a sentence: `should have a text under "text"`. */
export class RowProblem extends Error {}

/** The examples that a row becomes, one at least. Throws RowProblem. */
export type ReadRow = (row: Row) => readonly TokenFields[];

/** Fields of examples that are read and answered. */
export const SEQUENCE_FIELDS: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1, meaning: 'token ids to read' },
  { name: 'target', dtype: 'int32', rank: 1, meaning: 'token ids to write, end of sequence included' },
];

/** Rows in the order of a pass, as tokens. */
export class OrderedRows {
  private readonly order: RowOrder;

  /** Without `random` the rows come in the order of the files. `shuffleRows`: see RowOrder. */
  constructor(
    private readonly rows: Rows,
    private readonly readRow: ReadRow,
    random: RandomStream | undefined,
    shuffleRows: number,
  ) {
    this.order = new RowOrder(rows, random, shuffleRows);
  }

  get length(): number {
    return this.rows.length;
  }

  /** The examples of a place in the order of a pass: a function of the random stream, the pass and the place alone. */
  async examples(epoch: number, place: number): Promise<readonly TokenFields[]> {
    const number = await this.order.rowAt(epoch, place);
    const row = await this.rows.read(number);
    try {
      return this.readRow(row);
    } catch (error) {
      if (isOfText(error)) throw atPlace(error, await this.rows.describe(number));
      if (!(error instanceof RowProblem)) throw error;
      throw new DataError(`${await this.rows.describe(number)} ${error.message}.`, { code: 'data.bad-line' });
    }
  }

  dispose(): void {
    this.rows.dispose?.();
  }
}
