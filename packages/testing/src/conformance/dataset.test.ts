import type { Dataset, HostFields, JsonValue } from '@graft/core';
import { finds } from '../../test/broken-rules';
import { conformance, ToyDataset } from '../index';

describe('broken rules of datasets', () => {
  class Odd extends ToyDataset {
    constructor(private readonly change: Partial<Dataset> & { item?: (item: HostFields) => HostFields } = {}) {
      super({ items: 5 });
      const { item: _, ...members } = change;
      Object.assign(this, members);
    }
    override async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
      for await (const item of { [Symbol.asyncIterator]: () => super[Symbol.asyncIterator]() })
        yield this.change.item?.(item) ?? item;
    }
  }
  let made = 0;
  finds(
    'an undeclared field',
    () => conformance.dataset(() => new Odd({ item: (item) => ({ ...item, more: item.tokens }) })),
    /declared fields/,
  );
  finds(
    'items that differ between datasets',
    () => {
      return conformance.dataset(() => {
        const first = made++;
        return new Odd({
          item: ({ tokens }) => ({
            tokens: { ...tokens, values: tokens.values.map((id) => (id + first) % 20) as Int32Array },
          }),
        });
      });
    },
    /same options have the same items/,
  );
  finds(
    'a position that is not JSON',
    () => conformance.dataset(() => new Odd({ position: () => new Map() as never })),
    /plain JSON/,
  );
  finds(
    'a restored position that is one item late',
    () => {
      const late = (): Dataset => {
        const dataset = new ToyDataset({ items: 5 });
        const restore = dataset.restore.bind(dataset);
        dataset.restore = (position: JsonValue) => restore({ next: (position as { next: number }).next + 1 });
        return dataset;
      };
      return conformance.dataset(late);
    },
    /restoring any position/,
  );
  finds(
    'a position that cannot be gone back to',
    () => {
      const forward = (): Dataset => {
        const dataset = new ToyDataset({ items: 5 });
        const restore = dataset.restore.bind(dataset);
        dataset.restore = async (position: JsonValue) => {
          if ((position as { next: number }).next > (dataset.position() as { next: number }).next)
            await restore(position);
        };
        return dataset;
      };
      return conformance.dataset(forward);
    },
    /to an earlier position/,
  );
  finds(
    'a skip that skips too many',
    () => {
      const dataset = (): Dataset => {
        const own = new ToyDataset({ items: 50 });
        const skip = own.skip.bind(own);
        own.skip = async (items) => (await skip(items + 1)) - 1;
        return own;
      };
      return conformance.dataset(dataset);
    },
    /skipping items/,
  );
  finds(
    'a variant without items',
    () =>
      conformance.dataset(
        () => new Odd({ variants: ['a'], select: () => [{ name: 'source', dtype: 'int32', rank: 1 }] }),
      ),
    /every variant/,
  );
  finds(
    'a cut that is not followed',
    () => conformance.dataset(() => new Odd({ cut: () => undefined }), { cuts: [2] }),
    /cut to the requested/,
  );
  finds(
    'a wrong length',
    () =>
      conformance.dataset(() => {
        const own = new ToyDataset({ items: 5 });
        const { kind, fields } = own;
        const members = { position: own.position.bind(own), restore: own.restore.bind(own) };
        return { kind, fields, length: 7, ...members, [Symbol.asyncIterator]: () => own[Symbol.asyncIterator]() };
      }),
    /as many items/,
  );
});
