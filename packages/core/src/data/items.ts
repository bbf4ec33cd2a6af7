import { DataError } from '@graft/engine';
import { checkFields } from './batch-checks';
import { componentName } from '../components/calls';
import type { Dataset, FieldSpec, HostFields, JsonValue } from '../interfaces';
import { beginCall } from '../util/pending';
import { itemDigest, positionDigest, type DataDigests } from './digest';

/** Which part of every batch a process computes: the `rank`-th of `count` equal ones. */
export interface BatchSlice {
  readonly rank: number;
  readonly count: number;
}

/** Which batches a thread makes: every `count`-th one, from `index` on. */
export interface ThreadStride {
  readonly index: number;
  readonly count: number;
}

export interface ItemSettings {
  /** Examples of a batch, over all slices. Of no effect on ready batches. */
  readonly batchSize: number;
  /** Default: the whole of every batch. */
  readonly batchSlice?: BatchSlice;
  /** Default: every batch. */
  readonly threadStride?: ThreadStride;
}

/** The examples of one slice of a batch, or a ready batch. */
export interface ItemBatch {
  readonly items: readonly HostFields[];
  /** Place of the first of them in the whole batch. */
  readonly first: number;
  /** Where the data stood before the whole batch, and stand behind it: the same for every slice. */
  readonly start: JsonValue;
  readonly position: JsonValue;
  /** Of several workers: what this one found, to be compared with the others. */
  readonly digests?: DataDigests;
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

/** For `beginCall`. */
export const hasNotReturned = (dataset: Dataset): string =>
  `${componentName(dataset, 'the dataset')} has not returned an item`;

/** The items of a dataset, for reading that shall be seen where it hangs. */
export async function* watchedItems(dataset: Dataset): AsyncGenerator<HostFields> {
  const iterator = dataset[Symbol.asyncIterator]();
  try {
    for (;;) {
      const end = beginCall(hasNotReturned(dataset));
      const result = await iterator.next().finally(end);
      if (result.done) return;
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Examples of a slice. Throws DataError where a batch cannot be shared out evenly. */
export function sliceSize(batchSize: number, { count }: BatchSlice): number {
  if (batchSize % count === 0) return batchSize / count;
  throw new DataError(`A batch of ${batchSize} examples cannot be shared out among ${count} workers evenly.`, {
    code: 'data.parts',
    exitCode: 2,
    hint: 'Make train.batchSize a multiple of the workers times train.microBatches.',
  });
}

/**
 * Reads a dataset batch by batch. There is one order of items, whoever makes them: what other slices and other threads make
 * is passed over. A dataset whose iteration ends is iterated again: it decides whether that begins another pass or yields
 * nothing more.
 */
export class ItemReader implements ItemSource {
  private iterator: AsyncIterator<HostFields>;
  private readonly batchSlice: BatchSlice;
  private readonly threadStride: ThreadStride;
  /** Items of a whole batch, and of a slice. */
  private readonly whole: number;
  private readonly own: number;
  /**
   * The own slice, and of several workers the next one's too: every item is read by two, which compare what they found. An item
   * that one of them has other than the rest is noticed by this, wherever it falls to that worker.
   */
  private readonly readSlices: readonly number[];
  private readonly compares: boolean;
  private passed = 0;
  /** The next batch, those of other threads counted. */
  private batch = 0;

  /** Throws DataError where a batch cannot be shared out evenly. */
  constructor(
    private readonly dataset: Dataset,
    { batchSize, batchSlice = { rank: 0, count: 1 }, threadStride = { index: 0, count: 1 } }: ItemSettings,
    private readonly variantOf: VariantOf = () => undefined,
    /** Default: nothing is asked of the dataset. */
    private readonly tokensOf?: TokensOf,
    /** Called with each item, and with those that were passed over at once. */
    private readonly onItem?: () => void,
  ) {
    this.iterator = dataset[Symbol.asyncIterator]();
    this.threadStride = threadStride;
    const ready = dataset.kind === 'batch';
    // A ready batch is cut when it is complete: its items have no seams.
    this.batchSlice = ready ? { rank: 0, count: 1 } : batchSlice;
    this.whole = ready ? 1 : batchSize;
    this.own = sliceSize(this.whole, this.batchSlice);
    this.compares = batchSlice.count > 1;
    const { rank, count } = this.batchSlice;
    this.readSlices = count > 1 ? [rank, (rank + 1) % count].sort((a, b) => a - b) : [rank];
  }

  /** Throws DataError for an item that is not what the dataset declares, and whatever the dataset throws. */
  async next(): Promise<ItemBatch | DataEnd> {
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
    // A copy: a dataset may hand out an object that it goes on changing.
    const position = structuredClone(dataset.position());
    const { rank } = this.batchSlice;
    const read = { items: parts.get(rank)!, first: rank * own, start, position };
    if (!this.compares) return read;
    const slices = Object.fromEntries([...parts].map(([slice, items]) => [slice, items.map(itemDigest)]));
    return { ...read, digests: { position: positionDigest(start, position), slices } };
  }

  /** The items of a slice, from `from` on; undefined where the data end before. */
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
      checkFields(item, fields, `Item ${this.passed} of the dataset`);
      items.push(item);
    }
    return items;
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
  }

  /** The batch of this thread that is next, and those of others before it. */
  private nextBatches(): { others: number[]; batch: number } {
    const { index, count } = this.threadStride;
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
      this.onItem?.();
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
