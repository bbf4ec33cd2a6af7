/** Checks that all workers read the same data: digests of each worker's items are compared before a batch is used. */
import { DataError } from '@graft/engine';
import { createHash } from 'node:crypto';
import type { HostFields, JsonValue } from '../interfaces';

/** A worker's digests of one batch. */
export interface DataDigests {
  /** Digest of the positions in the data before and after the batch. */
  readonly position: string;
  /** By slice of the batch (0: all of a ready batch): digests of the items that this worker has read. */
  readonly slices: Readonly<Record<number, readonly string[]>>;
}

/** The summary that is exchanged at every step: one digest for all items of a slice. */
export interface DataSummary {
  readonly position: string;
  readonly slices: Readonly<Record<number, string>>;
}

/** 64 bits are enough to detect different files; they do not protect against forged ones. */
const DIGITS = 16;

/** The digest of an item's fields: names, dtypes, shapes and every value. */
export function itemDigest(item: HostFields): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(item).sort()) {
    const { dtype, shape, values } = item[name];
    hash.update(`${JSON.stringify([name, dtype, ...shape])}\n`);
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex').slice(0, DIGITS);
}

const textDigest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, DIGITS);

export const positionDigest = (...positions: readonly JsonValue[]): string => textDigest(JSON.stringify(positions));

export function summary({ position, slices }: DataDigests): DataSummary {
  return {
    position,
    slices: Object.fromEntries(Object.entries(slices).map(([slice, items]) => [slice, textDigest(items.join())])),
  };
}

interface Difference {
  readonly slice: number;
  /** Ranks of two workers with different digests. */
  readonly between: readonly [number, number];
}

/** The first difference; all workers find the same one. */
export function findDifference(all: readonly DataSummary[]): Difference | { readonly position: number } | undefined {
  const position = all.findIndex((one) => one.position !== all[0].position);
  if (position > 0) return { position };
  for (let slice = 0; slice < all.length; slice++) {
    const readers = all.flatMap(({ slices }, rank) => (slices[slice] === undefined ? [] : [rank]));
    const odd = readers.find((rank) => all[rank].slices[slice] !== all[readers[0]].slices[slice]);
    if (odd !== undefined) return { slice, between: [readers[0], odd] };
  }
  return undefined;
}

interface Comparison {
  readonly step: number;
  /** The dataset's name in errors. */
  readonly dataset: string;
  readonly addresses: readonly string[];
  readonly own: DataDigests;
  readonly all: readonly DataSummary[];
  /** All workers' digests of single items, requested if something differs. */
  readonly exchange: (own: DataDigests) => Promise<readonly DataDigests[]>;
}

/** Throws DataError, the same in all workers, if workers read different data for a step. */
export async function compareData({ step, dataset, addresses, own, all, exchange }: Comparison): Promise<void> {
  const difference = findDifference(all);
  if (!difference) return;
  const worker = (rank: number): string => `${rank} (${addresses[rank]})`;
  const refuse = (one: number, other: number, what: string, hint: string): never => {
    const sentence = `Workers ${worker(one)} and ${worker(other)} read different data for step ${step}: ${what} of ${dataset}`;
    throw new DataError(`${sentence} is not the same.`, { code: 'data.differs', hint });
  };
  if ('position' in difference) {
    const hint = 'Give all workers the same files: their names, their sizes or how many items they hold differ.';
    return refuse(0, difference.position, 'the position in the data', hint);
  }
  const details = await exchange(own);
  const { slice, between } = difference;
  const [ones, others] = between.map((rank) => details[rank].slices[slice]);
  const index = ones.findIndex((digest, i) => digest !== others[i]);
  const number = slice * ones.length + Math.max(index, 0) + 1;
  const hint =
    'Their files have the same names and sizes, but not the same content (or the tokenizers differ): compare them with sha256sum, and copy them again.';
  return refuse(between[0], between[1], `item ${number} of the batch`, hint);
}
