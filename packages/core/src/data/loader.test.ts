import { DataError } from '@graft/engine';
import { ToyDataset, toyModel, toyPlugin } from '../../test/toy-plugin';
import type { Dataset, FieldSpec, HostArray, HostFields, Objective } from '../interfaces';
import { createRandom } from '../random/streams';
import { BatchLoader, type LoadedBatch } from './loader';

const squares = toyPlugin.components.find(({ id }) => id === 'squares')!.useFactory!({} as never) as Objective;
const points = (options: Record<string, unknown> = {}): ToyDataset =>
  new ToyDataset({ kind: 'examples', width: 3, count: 1000, repeat: true, fields: ['x', 'y'], ...options });
const load = (dataset: Dataset, objective = squares, batchSize = 4, step = 0): BatchLoader =>
  new BatchLoader({ dataset, objective, model: toyModel(3), batchSize, random: createRandom(1), step });
const yOf = ({ fields }: LoadedBatch): number[] => [...fields.y.values];

describe('batches of examples', () => {
  it('a batch has the position after it, not the position of the prefetched data', async () => {
    const dataset = points();
    const loader = load(dataset);
    const first = await loader.next();
    loader.prefetch();
    await new Promise(setImmediate);
    expect(first.position).toEqual({ next: 4 });
    expect(dataset.position()).toEqual({ next: 8 });
    expect((await loader.next()).position).toEqual({ next: 8 });
    await loader.close();
  });

  it('loading from a position gives the same batches', async () => {
    const loader = load(points());
    const batches = [await loader.next(), await loader.next(), await loader.next()];
    const dataset = points();
    await dataset.restore(batches[0].position);
    const resumed = load(dataset, squares, 4, 1);
    expect(await resumed.next()).toEqual(batches[1]);
    expect(await resumed.next()).toEqual(batches[2]);
  });

  it('batches continue across the end of an epoch', async () => {
    const loader = load(points({ count: 6 }));
    const endless = load(points());
    expect(yOf(await loader.next())).toEqual(yOf(await endless.next()));
    expect(yOf(await loader.next())).toEqual(yOf(await endless.next()));
    expect((await loader.next()).position).toEqual({ next: 12 });
  });

  it('a batch counts tokens as its objective does', async () => {
    expect((await load(points()).next()).tokens).toBe(12);
    const variantAt = (step: number): string => `v${step}`;
    const ofVariant: Objective = { ...squares, countTokens: (_, variant) => (variant === 'v0' ? 7 : 0) };
    const loader = new BatchLoader({
      dataset: points(),
      objective: ofVariant,
      model: toyModel(3),
      batchSize: 4,
      random: createRandom(1),
      step: 0,
      variantAt,
    });
    expect((await loader.next()).tokens).toBe(7);
    const { countTokens: _, ...silent } = squares;
    expect((await load(points(), silent).next()).tokens).toBe(0);
  });

  it('loading ends with the data', async () => {
    const loader = load(points({ count: 5, repeat: false }));
    await loader.next();
    loader.prefetch();
    await new Promise(setImmediate);
    await expect(loader.next()).rejects.toThrow('The data ended at step 2: the dataset gave 5 items and has no more.');
  });
});

describe('the contract between dataset and objective', () => {
  it('the contract is checked before anything is read', () => {
    expect(() => load(points({ fields: ['x'] }))).toThrow(
      /the objective wants the field "y", which the dataset does not give \(it gives x\)/,
    );
    const picky: Objective = {
      ...squares,
      inputFields: (kind) => (kind === 'batch' ? squares.inputFields(kind) : undefined),
    };
    expect(() => load(points(), picky)).toThrow(
      'the objective takes ready batches only, but the dataset gives single sequences.',
    );
    const other: Objective = {
      ...squares,
      inputFields: (kind) => (kind === 'examples' ? squares.inputFields(kind) : undefined),
    };
    expect(() => load(points({ kind: 'batch' }), other)).toThrow(
      /makes its batches from single sequences, but the dataset gives ready batches/,
    );
  });

  it('every item is checked', async () => {
    const dataset = points();
    const lying = Object.assign(Object.create(dataset) as Dataset, {
      async *[Symbol.asyncIterator]() {
        for await (const item of dataset) yield { ...item, y: { ...item.y, shape: [1, 1] } };
      },
    });
    await expect(load(lying).next()).rejects.toThrow(
      'Item 1 of the dataset: field "y" should have 1 dimensions, but has shape [1, 1].',
    );
  });

  it('a prepared batch is checked, and only its declared fields are kept', async () => {
    const wordy: Objective = {
      ...squares,
      prepare: (...args) => ({ extra: squares.prepare(...args).x, ...squares.prepare(...args) }),
    };
    expect(Object.keys((await load(points(), wordy).next()).fields)).toEqual(['x', 'y']);
    const lazy: Objective = { ...squares, prepare: (...args) => ({ x: squares.prepare(...args).x }) };
    await expect(load(points(), lazy).next()).rejects.toThrow(/^The batch for step 1 lacks the field "y"/);
  });

  it('an error of the objective names the batch', async () => {
    const complaining: Objective = {
      ...squares,
      prepare: () => {
        throw new DataError('There is nothing to learn.', { code: 'data.nothing' });
      },
    };
    await expect(load(points(), complaining, 4, 2).next()).rejects.toMatchObject({
      code: 'data.nothing',
      message: 'The batch for step 3: There is nothing to learn.',
    });
  });

  it('a failure of a component names its method and the batch', async () => {
    const broken: Objective = {
      ...squares,
      prepare: () => {
        throw new TypeError('no such thing');
      },
    };
    await expect(load(points(), broken, 4, 6).next()).rejects.toThrow(
      'The objective: prepare of the batch for step 7 failed: no such thing.',
    );
  });
});

describe('slices of a batch', () => {
  const loaderOf = (rank: number, count: number, options = {}): BatchLoader =>
    new BatchLoader({
      dataset: points(options),
      objective: squares,
      model: toyModel(3),
      batchSize: 6,
      random: createRandom(1),
      step: 0,
      batchSlice: { rank, count },
    });

  it.each(['examples', 'batch'])(
    'the slices of %s form the batch of a single worker, with the same positions',
    async (kind) => {
      const workers = kind === 'batch' ? 2 : 3;
      const whole = load(points({ kind }), squares, 6);
      const parts = Array.from({ length: workers }, (_, rank) => loaderOf(rank, workers, { kind }));
      for (let step = 0; step < 3; step++) {
        const expected = await whole.next();
        const own = await Promise.all(parts.map(async (part) => part.next()));
        expect(own.flatMap(yOf)).toEqual(yOf(expected));
        expect(own.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(expected.tokens);
        for (const { start, position } of own) expect([start, position]).toEqual([expected.start, expected.position]);
      }
    },
  );

  it('the slices of a batch must be equal', async () => {
    expect(() => loaderOf(0, 4)).toThrow('A batch of 6 examples cannot be shared out among 4 workers evenly.');
    await expect(loaderOf(0, 3, { kind: 'batch' }).next()).rejects.toThrow(
      'A batch cannot be shared out into 3 equal parts: it has 4 rows.',
    );
  });
});

describe('token ids', () => {
  const fields: readonly FieldSpec[] = ['input_ids', 'labels'].map((name) => ({ name, dtype: 'int32', rank: 2 }));
  const ids = (...values: number[]): HostArray => ({
    dtype: 'int32',
    shape: [1, values.length],
    values: Int32Array.from(values),
  });
  const given = (batch: HostFields): BatchLoader => {
    const dataset: Dataset = {
      kind: 'batch',
      fields,
      position: () => 0,
      restore: async () => undefined,
      async *[Symbol.asyncIterator]() {
        yield batch;
      },
    };
    const objective: Objective = {
      ...squares,
      inputFields: () => fields,
      batchFields: fields,
      prepare: (source) => (source as { batch: HostFields }).batch,
      countTokens: undefined,
    };
    return load(dataset, objective);
  };

  it('token ids are counted when the objective does not count tokens', async () => {
    expect((await given({ input_ids: ids(1, 2, 3), labels: ids(4, -100) }).next()).tokens).toBe(3);
  });

  it('token ids outside the vocabulary are rejected', async () => {
    await expect(given({ input_ids: ids(1, 10), labels: ids(1) }).next()).rejects.toThrow(
      'The batch for step 1: field "input_ids" holds the id 10, but the model\'s vocabulary has 10 tokens.',
    );
    await expect(given({ input_ids: ids(1, -100), labels: ids(1) }).next()).rejects.toThrow(
      /"input_ids" holds the id -100/,
    );
    await expect(given({ input_ids: ids(1), labels: ids(-3) }).next()).rejects.toThrow(/"labels" holds the id -3/);
  });

  it('a batch in which every label is ignored is rejected', async () => {
    await expect(given({ input_ids: ids(1), labels: ids(-100, -100) }).next()).rejects.toThrow(
      /^The batch for step 1: every label is -100 \(ignored\)/,
    );
  });
});
