import { checkFields, type Dataset, type FieldSpec, type HostFields, type JsonValue } from '@graft/core';
import { describeLost } from '@graft/core/internal';
import { check, type Broken, type Check, type Make } from '../check';
import { copyFields, fieldsDifference, throughJson } from '../values';

/** What a dataset is tested with. */
export interface DatasetOptions {
  /** Items to read; positions before, between and after all of them are restored. Default 12. */
  readonly items?: number;
  /** Lengths in tokens for `cut`. Default: 5 and 9. */
  readonly cuts?: readonly number[];
}

/** Reads as the training loop does: an iteration that ends is begun again, once. */
class Reader {
  private iterator: AsyncIterator<HostFields>;

  constructor(private readonly dataset: Dataset) {
    this.iterator = dataset[Symbol.asyncIterator]();
  }

  async next(): Promise<HostFields | undefined> {
    let result = await this.iterator.next();
    if (result.done) {
      this.iterator = this.dataset[Symbol.asyncIterator]();
      result = await this.iterator.next();
    }
    return result.done ? undefined : copyFields(result.value);
  }

  async take(count: number): Promise<HostFields[]> {
    const items: HostFields[] = [];
    while (items.length < count) {
      const item = await this.next();
      if (!item) break;
      items.push(item);
    }
    return items;
  }

  async close(): Promise<void> {
    await this.iterator.return?.();
    this.dataset.dispose?.();
  }
}

/** Reads a new dataset, and closes it. `setUp` is called before the first item. */
async function reading<T>(
  make: Make<Dataset>,
  read: (reader: Reader, dataset: Dataset) => Promise<T>,
  setUp: (dataset: Dataset) => Promise<void> | void = () => undefined,
): Promise<T> {
  const dataset = await make();
  await setUp(dataset);
  const reader = new Reader(dataset);
  try {
    return await read(reader, dataset);
  } finally {
    await reader.close();
  }
}

/** Items with the position before each, and after the last. */
interface Sequence {
  readonly items: readonly HostFields[];
  readonly positions: readonly JsonValue[];
}

function sequenceOf(make: Make<Dataset>, count: number, setUp?: (dataset: Dataset) => void): Promise<Sequence> {
  return reading(
    make,
    async (reader, dataset) => {
      const items: HostFields[] = [];
      const positions = [throughJson(dataset.position())];
      for (let item; items.length < count && (item = await reader.next());) {
        items.push(item);
        positions.push(throughJson(dataset.position()));
      }
      return { items, positions };
    },
    setUp,
  );
}

function same(found: readonly HostFields[], expected: readonly HostFields[], where: string, broken: Broken): void {
  for (let i = 0; i < Math.max(found.length, expected.length); i++) {
    const difference = fieldsDifference(found[i], expected[i]);
    if (difference !== undefined) broken(`${where}, item ${i} differs: ${difference}.`);
  }
}

/** Every position of a sequence, restored in a new dataset, continues with the items behind it. */
async function resumes(
  make: Make<Dataset>,
  { items, positions }: Sequence,
  setUp: (dataset: Dataset) => void,
  broken: Broken,
): Promise<void> {
  for (const [at, position] of positions.entries()) {
    const rest = await reading(
      make,
      (reader) => reader.take(items.length - at),
      async (dataset) => {
        setUp(dataset);
        await dataset.restore(position);
      },
    );
    same(rest, items.slice(at), `after restoring the position behind ${at} items`, broken);
  }
}

/**
 * Checks of a Dataset: its items have the declared fields, every position can be restored exactly, and `skip`, `select` and
 * `cut`, if there are any, keep to that.
 */
export function dataset(
  make: Make<Dataset>,
  { items: count = 12, cuts = [5, 9] }: DatasetOptions = {},
): readonly Check[] {
  const asMade = (): void => undefined;
  return [
    check('dataset', 'fields', 'every item has the declared fields, with their dtype and rank', async (broken) => {
      const { items } = await sequenceOf(make, count);
      if (items.length === 0) broken('the dataset has no items.');
      const { fields, kind } = await reading(make, async (_, made) => made);
      if (!['examples', 'batch'].includes(kind)) broken(`kind is "${kind}".`);
      items.forEach((item, i) => {
        checkFields(item, fields, `Item ${i}`);
        const extra = Object.keys(item).find((name) => item[name] && !fields.some((field) => field.name === name));
        if (extra !== undefined) broken(`item ${i} has the field "${extra}", which is not declared.`);
      });
    }),
    check(
      'dataset',
      '[Symbol.asyncIterator]',
      'two datasets with the same options have the same items',
      async (broken) => {
        const [first, second] = [await sequenceOf(make, count), await sequenceOf(make, count)];
        same(second.items, first.items, 'in the second dataset', broken);
      },
    ),
    check('dataset', 'position', 'the position is plain JSON', async (broken) => {
      await reading(make, async (reader, made) => {
        for (let i = 0; i < count; i++) {
          const problem = describeLost(made.position());
          if (problem !== undefined) broken(`after ${i} items the position ${problem}.`);
          if (!(await reader.next())) return;
        }
      });
    }),
    check('dataset', 'restore', 'restoring any position continues with exactly the next item', async (broken) => {
      await resumes(make, await sequenceOf(make, count), asMade, broken);
    }),
    check(
      'dataset',
      'restore',
      'a dataset that has been read can be restored to an earlier position',
      async (broken) => {
        const { items, positions } = await sequenceOf(make, count);
        const back = Math.floor(items.length / 2);
        await reading(make, async (reader, made) => {
          await reader.take(items.length);
          await made.restore(positions[back]);
          const again = new Reader(made);
          same(await again.take(items.length - back), items.slice(back), `restored to item ${back}`, broken);
        });
      },
    ),
    check('dataset', 'skip', 'skipping items leads to the same place as reading them', async (broken) => {
      const { items } = await sequenceOf(make, count);
      const has = await reading(make, async (_, made) => made.skip !== undefined);
      if (!has) return;
      for (const [read, skip] of [0, 1, 3].flatMap((before) => [1, 2, 5].map((n) => [before, n]))) {
        if (read + skip > items.length) continue;
        await reading(make, async (reader, made) => {
          await reader.take(read);
          const skipped = await skipAll(reader, made, skip, broken);
          const rest = await reader.take(items.length - read - skipped);
          same(rest, items.slice(read + skipped), `after reading ${read} and skipping ${skipped} items`, broken);
        });
      }
    }),
    check('dataset', 'select', 'every variant has items with the fields that select returns', async (broken) => {
      const { select, variants } = await reading(make, async (_, made) => ({
        select: made.select !== undefined,
        variants: made.variants ?? [],
      }));
      if (!select) return;
      for (const variant of variants) {
        let fields: readonly FieldSpec[] = [];
        const choose = (made: Dataset): void => void (fields = made.select!(variant));
        const sequence = await sequenceOf(make, Math.min(count, 4), choose);
        if (sequence.items.length === 0) broken(`the variant "${variant}" has no items.`);
        sequence.items.forEach((item, i) => checkFields(item, fields, `Item ${i} of the variant "${variant}"`));
        await resumes(make, sequence, choose, broken);
      }
    }),
    check('dataset', 'cut', 'items are cut to the requested length, and resuming continues exactly', async (broken) => {
      const has = await reading(make, async (_, made) => made.cut !== undefined);
      if (!has) return;
      for (const tokens of cuts) {
        const cut = (made: Dataset): void => made.cut!(tokens);
        const sequence = await sequenceOf(make, Math.min(count, 6), cut);
        sequence.items.forEach((item, i) => {
          const length = item.tokens?.shape[0];
          if (length !== undefined && length > tokens) broken(`cut(${tokens}): item ${i} has ${length} tokens.`);
        });
        await resumes(make, sequence, cut, broken);
      }
    }),
    check('dataset', 'length', 'an epoch has as many items as the dataset says', async (broken) => {
      await reading(make, async (_, made) => {
        const { length } = made;
        if (length === undefined) return;
        if (!Number.isInteger(length) || length < 0) broken(`length is ${length}.`);
        if (length > LONGEST_EPOCH) return;
        let read = 0;
        for await (const _item of made) if (++read > length) return; // Its iteration continues with the next epoch.
        if (read !== length) broken(`length is ${length}, but the iteration ended after ${read} items.`);
      });
    }),
  ];
}

/** Longer ones are not read to their end. */
const LONGEST_EPOCH = 1000;

/** Skips as the loop does: where an epoch ends, the item that begins the next one is read. Returns the number of items. */
async function skipAll(reader: Reader, made: Dataset, count: number, broken: Broken): Promise<number> {
  let left = count;
  while (left > 0) {
    const skipped = await made.skip!(left);
    if (!Number.isInteger(skipped) || skipped < 0 || skipped > left)
      broken(`skip(${left}) returned ${String(skipped)}.`);
    if (skipped === 0 && !(await reader.next())) break;
    left -= Math.max(skipped, 1);
  }
  return count - left;
}
