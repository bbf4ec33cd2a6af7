import { writeHostTensors, writeSafetensors, type HostTensor } from '@graft/checkpoint';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';

const folder = folderWith({});
const tensor = (values: number[][]): HostTensor => ({
  dtype: 'int32',
  shape: [values.length, values[0].length],
  values: Int32Array.from(values.flat()),
});
let count = 0;

async function file(tensors: Record<string, HostTensor>): Promise<string> {
  const path = join(folder, `${count++}.safetensors`);
  await writeHostTensors(path, tensors);
  return path;
}

const steps = (): Promise<string> =>
  file(
    Object.fromEntries(
      [2, 0, 1, 10, 3, 4, 5, 6, 7, 8, 9].flatMap((step) => [
        [`input_ids.${step}`, tensor([[step, 5]])],
        [`labels.${step}`, tensor([[step]])],
      ]),
    ),
  );

describe('the tensors dataset', () => {
  it('batches come in the order of their steps, from .0 on', async () => {
    const dataset = await openDataset('tensors', { file: await steps() });
    expect(dataset.kind).toBe('batch');
    expect(dataset.length).toBe(11);
    expect(dataset.fields).toEqual([
      { name: 'input_ids', dtype: 'int32', rank: 2 },
      { name: 'labels', dtype: 'int32', rank: 2 },
    ]);
    const items = await take(dataset, 100);
    expect(lists(items, 'labels')).toEqual(Array.from({ length: 11 }, (_, step) => [step]));
    expect(items[3].input_ids).toEqual({ dtype: 'int32', shape: [1, 2], values: Int32Array.from([3, 5]) });
    dataset.dispose!();
  });

  it('a saved position continues, and the data repeat only if configured', async () => {
    const path = await steps();
    const dataset = await openDataset('tensors', { file: path, repeat: true });
    await take(dataset, 9);
    const position = dataset.position();
    expect(lists(await take(dataset, 4), 'labels')).toEqual([[9], [10], [0], [1]]);
    const fresh = await openDataset('tensors', { file: path, repeat: true });
    await fresh.restore(position);
    expect(lists(await take(fresh, 4), 'labels')).toEqual([[9], [10], [0], [1]]);
    const other = await openDataset('tensors', { file: await file({ labels: tensor([[1]]) }) });
    await expect((async () => other.restore(position))()).rejects.toThrow('belongs to other data');
    for (const opened of [dataset, fresh, other]) opened.dispose!();
  });

  it('fields without a step are one batch, i64 becomes int32, and floats become float32', async () => {
    const path = join(folder, 'one.safetensors');
    const i64 = new Uint8Array(new BigInt64Array([7n, -100n]).buffer);
    await writeSafetensors(path, [
      { name: 'labels', dtype: 'I64', shape: [1, 2], data: () => i64 },
      { name: 'weights', dtype: 'F32', shape: [2], data: () => Float32Array.from([0.5, 2]) },
    ]);
    const dataset = await openDataset('tensors', { file: path });
    expect(await take(dataset, 5)).toEqual([
      {
        labels: { dtype: 'int32', shape: [1, 2], values: Int32Array.from([7, -100]) },
        weights: { dtype: 'float32', shape: [2], values: Float32Array.from([0.5, 2]) },
      },
    ]);
    dataset.dispose!();
  });

  it.each<[string, Record<string, HostTensor>, string]>([
    ['a missing step', { 'a.0': tensor([[1]]), 'a.2': tensor([[1]]) }, 'step 1 is missing, though there is a step 2'],
    ['no step 0', { 'a.1': tensor([[1]]) }, 'step 0 is missing'],
    [
      'steps with different fields',
      { 'a.0': tensor([[1]]), 'a.1': tensor([[1]]), 'b.0': tensor([[1]]) },
      'step 1 has no "b.1"',
    ],
    [
      'fields with and without steps',
      { 'a.0': tensor([[1]]), b: tensor([[1]]) },
      '"b" have no step, but "a.0" has one',
    ],
    [
      'ranks that change',
      { 'a.0': tensor([[1]]), 'a.1': { dtype: 'int32', shape: [1], values: Int32Array.from([1]) } },
      '"a.1" is I32 [1], but "a.0" is I32 [1, 1]',
    ],
    ['an empty file', {}, 'it holds no tensors'],
  ])('the error for %s names it', async (_, given, message) => {
    await expect(openDataset('tensors', { file: await file(given) })).rejects.toThrow(message);
  });

  it('the error for a missing file names it', async () => {
    await expect(openDataset('tensors', { file: join(folder, 'gone.safetensors') })).rejects.toThrow(
      'gone.safetensors',
    );
  });
});

it.each<[string, RegExp]>([
  ['4294967294', /step 1 is missing, though there is a step 4294967294/],
  ['999999999999999', /step 1 is missing/],
  ['9'.repeat(400), /step 1 is missing, though there is a step Infinity/],
])('a step %s is refused before memory for all earlier ones is allocated', async (step, message) => {
  const path = await file({ 'labels.0': tensor([[1]]), [`labels.${step}`]: tensor([[1]]) });
  await expect(openDataset('tensors', { file: path })).rejects.toThrow(message);
});
