import { DataError } from '@graft/engine';
import { checkFields } from './batch-checks';
import { componentName, placedName } from '../components/calls';
import { callingDataset } from '../components/dataset-calls';
import type { Dataset, FieldSpec, HostFields, JsonValue } from '../interfaces';
import { beginCall } from '../util/pending';
import { itemDigest, positionDigest, type DataDigests } from './digest';

/** The slice of every batch that a process computes: the `rank`-th of `count` equal ones. */
export interface BatchSlice {
  readonly rank: number;
  readonly count: number;
}

/** The batches that a thread produces: every `count`-th one, from `index` on. */
export interface ThreadStride {
  readonly index: number;
  readonly count: number;
}

export interface ItemSettings {
  /** Examples of a batch, over all slices. Without effect on ready batches. */
  readonly batchSize: number;
  /** Default: the whole of every batch. */
  readonly batchSlice?: BatchSlice;
  /** Default: every batch. */
  readonly threadStride?: ThreadStride;
}

/** The examples of a slice of one batch, or a ready batch. */
export interface ItemBatch {
  readonly items: readonly HostFields[];
  /** Index of the first of them in the whole batch. */
  readonly first: number;
  /** Positions in the data before and after the whole batch: the same for every slice. */
  readonly start: JsonValue;
  readonly position: JsonValue;
  /** With several workers: this worker's digests, to be compared with the others'. */
  readonly digests?: DataDigests;
}

/** The end of the data, with the number of items read. */
export interface DataEnd {
  readonly ended: number;
}

/** The objective's variant for a batch; batches count from 0, where reading begins. */
export type VariantOf = (batch: number) => string | undefined;

/**
 * The requested length of an example in tokens, by its batch and its index in it; undefined: as the dataset yields it.
 */
export type TokensOf = (batch: number, index: number) => number | undefined;

/** Consecutive batches of items. */
export interface ItemSource {
  next(): Promise<ItemBatch | DataEnd>;
  close(): Promise<void>;
}

/** For `beginCall`. */
export const hasNotReturned = (dataset: Dataset): string =>
  `${componentName(dataset, 'the dataset')} has not returned an item`;

/** The items of a dataset, read so that a hanging read is reported. */
export async function* watchedItems(dataset: Dataset): AsyncGenerator<HostFields> {
  const iterator = dataset[Symbol.asyncIterator]();
  try {
    for (;;) {
      const end = beginCall(hasNotReturned(dataset));
      const result = await callingDataset(dataset, () => iterator.next()).finally(end);
      if (result.done) return;
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Number of examples of a slice. Throws DataError if a batch cannot be split evenly. */
export function sliceSize(batchSize: number, { count }: BatchSlice): number {
  if (batchSize % count === 0) return batchSize / count;
  throw new DataError(`A batch of ${batchSize} examples cannot be shared out among ${count} workers evenly.`, {
    code: 'data.parts',
    exitCode: 2,
    hint: 'Make train.batchSize a multiple of the workers times train.microBatches.',
  });
}

/**
 * Reads a dataset batch by batch. The order of items does not depend on workers and threads: the items of other slices
 * and other threads are skipped. A dataset whose iteration ends is iterated again: it decides whether that begins
 * another epoch or yields nothing more.
 */
export class ItemReader implements ItemSource {
  private iterator: AsyncIterator<HostFields>;
  private readonly batchSlice: BatchSlice;
  private readonly threadStride: ThreadStride;
  /** Items of a whole batch, and of a slice. */
  private readonly whole: number;
  private readonly own: number;
  /**
   * This worker's slice, and with several workers also the next one's: every item is read by two workers, which compare
   * their digests. So an item that differs in one worker is detected whenever that worker uses it.
   */
  private readonly readSlices: readonly number[];
  private readonly compares: boolean;
  private passed = 0;
  /** Index of the next batch, counting those of other threads. */
  private batch = 0;

  /** Throws DataError if a batch cannot be split evenly. */
  constructor(
    private readonly dataset: Dataset,
    { batchSize, batchSlice = { rank: 0, count: 1 }, threadStride = { index: 0, count: 1 } }: ItemSettings,
    private readonly variantOf: VariantOf = () => undefined,
    /** Default: no variant is selected. */
    private readonly tokensOf?: TokensOf,
    /** Called with each item, and with the number of items that were skipped at once. */
    private readonly onItem?: () => void,
  ) {
    this.iterator = dataset[Symbol.asyncIterator]();
    this.threadStride = threadStride;
    const ready = dataset.kind === 'batch';
    // A ready batch is sliced only when it is complete, because it has no separate items.
    this.batchSlice = ready ? { rank: 0, count: 1 } : batchSlice;
    this.whole = ready ? 1 : batchSize;
    this.own = sliceSize(this.whole, this.batchSlice);
    this.compares = batchSlice.count > 1;
    const { rank, count } = this.batchSlice;
    this.readSlices = count > 1 ? [rank, (rank + 1) % count].sort((a, b) => a - b) : [rank];
  }

  /** Throws DataError for an item that violates the dataset's declaration; an error of the dataset names it. */
  next(): Promise<ItemBatch | DataEnd> {
    return callingDataset(this.dataset, () => this.readNext());
  }

  private async readNext(): Promise<ItemBatch | DataEnd> {
    const { whole, own, dataset } = this;
    const { others, batch } = this.nextBatches();
    if (!(await this.skipBatches(others))) return { ended: this.passed };
    const fields = dataset.select?.(this.variantOf(batch)) ?? dataset.fields;
    const start = structuredClone(dataset.position());
    const parts = new Map<number, readonly HostFields[]>();
    let at = 0;
    for (const slice of this.readSlices) {
      const from = slice * own;
      if (!(await this.skipPart(batch, at, from))) return { ended: this.passed };
      const items = await this.readPart(batch, from, fields);
      if (!items) return { ended: this.passed };
      parts.set(slice, items);
      at = from + own;
    }
    if (!(await this.skipPart(batch, at, whole))) return { ended: this.passed };
    // A copy, because a dataset may continue to change the object.
    const position = structuredClone(dataset.position());
    const { rank } = this.batchSlice;
    const read = { items: parts.get(rank)!, first: rank * own, start, position };
    if (!this.compares) return read;
    const slices = Object.fromEntries([...parts].map(([slice, items]) => [slice, items.map(itemDigest)]));
    return { ...read, digests: { position: positionDigest(start, position), slices } };
  }

  /** The items of a slice, from `from` on; undefined if the data end before. */
  private async readPart(
    batch: number,
    from: number,
    fields: readonly FieldSpec[],
  ): Promise<readonly HostFields[] | undefined> {
    const items: HostFields[] = [];
    while (items.length < this.own) {
      this.cut(batch, from + items.length);
      const item = await this.read();
      if (!item) return undefined;
      checkFields(item, fields, `Item ${this.passed} of ${placedName(this.dataset, 'the dataset', 'dataset')}`);
      items.push(item);
    }
    return items;
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  /** Returns the next batch of this thread, and the batches of other threads before it. */
  private nextBatches(): { others: number[]; batch: number } {
    const { index, count } = this.threadStride;
    const first = this.batch;
    const batch = Math.ceil((first - index) / count) * count + index;
    this.batch = batch + 1;
    return { others: Array.from({ length: batch - first }, (_, i) => first + i), batch };
  }

  /** false if the data end before. */
  private async skipBatches(batches: readonly number[]): Promise<boolean> {
    // The items that a dataset skips may depend on the variant.
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

  /** Skips some examples of a batch; false if the data end before. */
  private async skipPart(batch: number, from: number, to: number): Promise<boolean> {
    if (!this.cutsToOrder) return this.skip(to - from);
    for (let index = from; index < to; index++) {
      this.cut(batch, index);
      if (!(await this.skip(1))) return false;
    }
    return true;
  }

  /** false if the data end before. */
  private async skip(items: number): Promise<boolean> {
    let left = items;
    while (left > 0) {
      if (!this.dataset.skip) {
        if (!(await this.read())) return false;
        left--;
        continue;
      }
      let skipped = await this.dataset.skip(left);
      this.onItem?.();
      if (skipped === 0) {
        // Possibly the end of an epoch.
        if (!(await this.read())) return false;
        skipped = 1;
      } else this.passed += skipped;
      left -= skipped;
    }
    return true;
  }

  private async read(): Promise<HostFields | undefined> {
    const end = beginCall(hasNotReturned(this.dataset));
    try {
      let result = await this.iterator.next();
      if (result.done) {
        this.iterator = this.dataset[Symbol.asyncIterator]();
        result = await this.iterator.next();
      }
      if (result.done) return undefined;
      this.passed++;
      this.onItem?.();
      return result.value;
    } finally {
      end();
    }
  }
}
