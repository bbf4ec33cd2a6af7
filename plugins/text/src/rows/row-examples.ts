import type { Dataset, FieldSpec, HostFields, JsonValue } from '@graft/core';
import { z } from 'zod';
import { parsePosition } from '../datasets/position';
import type { TokenFields } from './rows';
import type { OrderedRows } from './ordered-rows';
import type { TokenChunk, TokenSource } from '../packing/token-source';

const count = z.int().min(0);
const positionSchema = z.strictObject({
  data: z.string(),
  epoch: count,
  row: count,
  /** Examples of that row that were already returned. */
  given: count.default(0),
});

/** Token ids and weights by field as an example. */
export function exampleOf(fields: TokenFields): HostFields {
  return Object.fromEntries(
    Object.entries(fields).map(
      ([field, values]) =>
        [
          field,
          { dtype: values instanceof Float32Array ? 'float32' : 'int32', shape: [values.length], values },
        ] as const,
    ),
  );
}

/** The examples of one row after the other. */
export class RowExamples implements Dataset {
  readonly kind = 'examples';
  readonly length?: number;
  readonly repeats: boolean;
  private epoch = 0;
  private row = 0;
  private given = 0;

  /** `perRow`: examples of every row, if that is known. */
  constructor(
    private readonly rows: OrderedRows,
    readonly fields: readonly FieldSpec[],
    private readonly options: { readonly repeat: boolean; readonly fingerprint: string; readonly perRow?: number },
  ) {
    this.repeats = options.repeat;
    if (options.perRow !== undefined) this.length = rows.length * options.perRow;
  }

  position(): JsonValue {
    return { data: this.options.fingerprint, epoch: this.epoch, row: this.row, given: this.given };
  }

  restore(position: JsonValue): Promise<void> {
    const { epoch, row, given } = parsePosition(positionSchema, position, this.options.fingerprint);
    Object.assign(this, { epoch, row, given });
    return Promise.resolve();
  }

  /** Rows of one example each are skipped without reading them. */
  async skip(items: number): Promise<number> {
    let skipped = 0;
    while (skipped < items && this.findRow()) {
      if (this.options.perRow === 1) {
        const rows = Math.min(items - skipped, this.rows.length - this.row);
        this.row += rows;
        skipped += rows;
      } else {
        const { length } = await this.rows.examples(this.epoch, this.row);
        this.pass(length);
        skipped++;
      }
    }
    return skipped;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    while (this.findRow()) {
      const { epoch, row } = this;
      const examples = await this.rows.examples(epoch, row);
      while (this.row === row && this.epoch === epoch) {
        const example = exampleOf(examples[this.given]);
        this.pass(examples.length);
        yield example;
      }
    }
    return undefined;
  }

  dispose(): void {
    this.rows.dispose();
  }

  /** Continues with the next epoch after the last row; false if there is none. */
  private findRow(): boolean {
    if (this.row < this.rows.length) return true;
    if (!this.options.repeat) return false;
    this.epoch++;
    this.row = 0;
    return true;
  }

  /** Counts an example of a row that has `examples`. */
  private pass(examples: number): void {
    if (++this.given < examples) return;
    this.given = 0;
    this.row++;
  }
}

type RowCursor = { readonly epoch: number; readonly row: number };

/** Texts of rows one after the other, for windows. */
export class RowSource implements TokenSource<RowCursor> {
  readonly start: RowCursor = { epoch: 0, row: 0 };

  constructor(
    private readonly rows: OrderedRows,
    private readonly repeat: boolean,
  ) {}

  async read({ epoch, row }: RowCursor): Promise<TokenChunk<RowCursor> | undefined> {
    if (row >= this.rows.length) {
      const next = { epoch: epoch + 1, row: 0 };
      return this.repeat ? { tokens: new Int32Array(0), endsDocument: true, next } : undefined;
    }
    const [{ tokens }] = await this.rows.examples(epoch, row);
    return { tokens: tokens as Int32Array, endsDocument: true, next: { epoch, row: row + 1 } };
  }

  dispose(): void {
    this.rows.dispose();
  }
}
