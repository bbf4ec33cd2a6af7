import { DataError } from '@graft/engine';
import { checkFields } from '../batch';
import type { Dataset, HostFields, JsonValue } from '../interfaces';

/** Which part of every batch a process computes: the `rank`-th of `count` equal ones. */
export interface Share {
  readonly rank: number;
  readonly count: number;
}

/** Which batches a thread makes: every `count`-th one, from `index` on. */
export interface Lane {
  readonly index: number;
  readonly count: number;
}

export interface ItemSettings {
  /** Examples of a batch, over all shares. Of no effect on ready batches. */
  readonly batchSize: number;
  /** Default: the whole of every batch. */
  readonly share?: Share;
  /** Default: every batch. */
  readonly lane?: Lane;
}

/** The examples of a share of one batch, or a ready batch. */
export interface ItemBatch {
  readonly items: readonly HostFields[];
  /** Place of the first of them in the whole batch. */
  readonly first: number;
  /** Where the data stood before the whole batch, and stand behind it: the same for every share. */
  readonly start: JsonValue;
  readonly position: JsonValue;
}

/** The data have no more: how many items they gave. */
export interface DataEnd {
  readonly ended: number;
}

/** Which of the objective's variants a batch is for; batches count from 0, where reading begins. */
export type VariantOf = (batch: number) => string | undefined;

/** Tokens that are wanted of an example, by its batch and its place in the whole of it; undefined: as the dataset gives it. */
export type TokensOf = (batch: number, index: number) => number | undefined;

/** Batches of items, one behind the other. */
export interface ItemSource {
  next(): Promise<ItemBatch | DataEnd>;
  close(): Promise<void>;
}

/** Examples of a share. Throws DataError where a batch cannot be shared out evenly. */
export function shareSize(batchSize: number, { count }: Share): number {
  if (batchSize % count === 0) return batchSize / count;
  throw new DataError(`A batch of ${batchSize} examples cannot be shared out among ${count} workers evenly.`, {
    code: 'data.parts',
    exitCode: 2,
    hint: 'Make train.batchSize a multiple of the workers times train.microBatches.',
  });
}

/**
 * Reads a dataset batch by batch. There is one order of items, whoever makes them: what other shares and other threads make
 * is passed over. A dataset whose iteration ends is iterated again: it decides whether that begins another pass or yields
 * nothing more.
 */
export class ItemReader implements ItemSource {
  private iterator: AsyncIterator<HostFields>;
  private readonly share: Share;
  private readonly lane: Lane;
  /** Items of a whole batch, and of a share. */
  private readonly whole: number;
  private readonly own: number;
  private passed = 0;
  /** The next batch, those of other threads counted. */
  private batch = 0;

  /** Throws DataError where a batch cannot be shared out evenly. */
  constructor(
    private readonly dataset: Dataset,
    { batchSize, share = { rank: 0, count: 1 }, lane = { index: 0, count: 1 } }: ItemSettings,
    private readonly variantOf: VariantOf = () => undefined,
    /** Default: nothing is asked of the dataset. */
    private readonly tokensOf?: TokensOf,
  ) {
    this.iterator = dataset[Symbol.asyncIterator]();
    this.lane = lane;
    const ready = dataset.kind === 'batch';
    // A ready batch is cut when it is complete: its items have no seams.
    this.share = ready ? { rank: 0, count: 1 } : share;
    this.whole = ready ? 1 : batchSize;
    this.own = shareSize(this.whole, this.share);
  }

  /** Throws DataError for an item that is not what the dataset declares, and whatever the dataset throws. */
  async next(): Promise<ItemBatch | DataEnd> {
    const { whole, own, dataset } = this;
    const { others, batch } = this.nextBatches();
    if (!(await this.skipBatches(others))) return { ended: this.passed };
    const fields = dataset.select?.(this.variantOf(batch)) ?? dataset.fields;
    const start = structuredClone(dataset.position());
    const first = this.share.rank * own;
    if (!(await this.skipPart(batch, 0, first))) return { ended: this.passed };
    const items: HostFields[] = [];
    while (items.length < own) {
      this.cut(batch, first + items.length);
      const item = await this.read();
      if (!item) return { ended: this.passed };
      checkFields(item, fields, `Item ${this.passed} of the dataset`);
      items.push(item);
    }
    if (!(await this.skipPart(batch, first + own, whole))) return { ended: this.passed };
    // A copy: a dataset may hand out an object that it goes on changing.
    return { items, first, start, position: structuredClone(dataset.position()) };
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  /** The batch of this thread that is next, and those of others before it. */
  private nextBatches(): { others: number[]; batch: number } {
    const { index, count } = this.lane;
    const first = this.batch;
    const batch = Math.ceil((first - index) / count) * count + index;
    this.batch = batch + 1;
    return { others: Array.from({ length: batch - first }, (_, i) => first + i), batch };
  }

  /** false where the data end before. */
  private async skipBatches(batches: readonly number[]): Promise<boolean> {
    // What a dataset passes over may depend on whom it is for.
    if (!this.dataset.select && !this.cutsToOrder) return this.skip(batches.length * this.whole);
    for (const batch of batches) {
      this.dataset.select?.(this.variantOf(batch));
      if (!(await this.skipPart(batch, 0, this.whole))) return false;
    }
    return true;
  }

  private get cutsToOrder(): boolean {
    return this.dataset.cut !== undefined && this.tokensOf !== undefined;
  }

  private cut(batch: number, index: number): void {
    if (this.cutsToOrder) this.dataset.cut!(this.tokensOf!(batch, index));
  }

  /** Passes over some examples of a batch; false where the data end before. */
  private async skipPart(batch: number, from: number, to: number): Promise<boolean> {
    if (!this.cutsToOrder) return this.skip(to - from);
    for (let index = from; index < to; index++) {
      this.cut(batch, index);
      if (!(await this.skip(1))) return false;
    }
    return true;
  }

  /** false where the data end before. */
  private async skip(items: number): Promise<boolean> {
    let left = items;
    while (left > 0) {
      if (!this.dataset.skip) {
        if (!(await this.read())) return false;
        left--;
        continue;
      }
      let skipped = await this.dataset.skip(left);
      if (skipped === 0) {
        // The end of a pass, perhaps.
        if (!(await this.read())) return false;
        skipped = 1;
      } else this.passed += skipped;
      left -= skipped;
    }
    return true;
  }

  private async read(): Promise<HostFields | undefined> {
    let result = await this.iterator.next();
    if (result.done) {
      this.iterator = this.dataset[Symbol.asyncIterator]();
      result = await this.iterator.next();
    }
    if (result.done) return undefined;
    this.passed++;
    return result.value;
  }
}
