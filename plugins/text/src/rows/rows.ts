import type { FieldSpec } from '@graft/core';

/** A row by its keys: a JSON object, or a row of a table. */
export type Row = Readonly<Record<string, unknown>>;

/** Rows that are next to each other in a file and are read as one. */
export interface Stretch {
  readonly first: number;
  readonly rows: number;
  /** Approximate bytes in memory. */
  readonly bytes: number;
  /** Index of the file. */
  readonly file: number;
}

/** The rows of some files, in the files' order. */
export interface Rows {
  readonly length: number;
  /** Consecutive stretches, if rows cannot be read individually. Then only rows of stretches in memory can be read. */
  readonly stretches?: readonly Stretch[];
  /** Whether going back to an earlier stretch of a file costs as much as reading everything before it. */
  readonly forwards?: boolean;
  /** Reads these stretches, and frees the others. */
  hold?(stretches: readonly number[]): Promise<void>;
  /** Throws DataError if a row cannot be read. */
  read(row: number): Promise<Row>;
  /** The place of a row, for errors: `file:line`. */
  describe(row: number): Promise<string>;
  dispose?(): void;
}

/** Token ids by field, and their weights. */
export type TokenFields = Readonly<Record<string, Int32Array | Float32Array>>;

/** The problem of a row, to follow its place in a sentence: `should have a text under "text"`. */
export class RowProblem extends Error {}

/** The examples of a row, at least one. Throws RowProblem. */
export type ReadRow = (row: Row) => readonly TokenFields[];

/** Fields of examples that are read and answered. */
export const SEQUENCE_FIELDS: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1, meaning: 'token ids to read' },
  { name: 'target', dtype: 'int32', rank: 1, meaning: 'token ids to write, end of sequence included' },
];
