import { DataError, type RandomStream } from '@graft/core';
import { atPlace, isOfText } from '../tokenizers/of-text';
import { RowOrder } from './row-order';
import { RowProblem, type ReadRow, type Rows, type TokenFields } from './rows';

/** Rows in the order of an epoch, as tokens. */
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

  /**
   * The examples of a place in the order of an epoch: a function of the random stream, the epoch and the place alone.
   */
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
