import * as fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { fromFloat32, type StoredDtype } from '../../safetensors/dtypes';
import { CheckpointReader } from '../checkpoint-reader';
import { readRecord } from '../record';
import { writeCheckpoint } from '../write-folder';
import { mergeCheckpoints, type MergeRequest } from './merge-checkpoints';
import { trimmer, trimTo } from './trim';

type Tensors = Readonly<Record<string, readonly number[]>>;

const parent = temporaryFolder();
let made = 0;

async function checkpoint(tensors: Tensors, dtype: 'F32' | 'BF16' = 'F32', config: object = {}): Promise<string> {
  const folder = join(parent, String(made++));
  await writeCheckpoint(folder, {
    config: { model_type: 'gemma2', ...config },
    tensors: Object.entries(tensors).map(([name, values]) => ({
      name,
      dtype: dtype as StoredDtype,
      shape: [values.length],
      data: () => fromFloat32(Float32Array.from(values), dtype),
    })),
  });
  return folder;
}

/** The tensors of a merge. */
async function merged(request: MergeRequest): Promise<Record<string, number[]>> {
  const out = join(parent, String(made++));
  await mergeCheckpoints(request, out);
  const reader = await CheckpointReader.open(out);
  const found: Record<string, number[]> = {};
  for (const name of reader.tensors.keys()) found[name] = [...(await reader.readFloat32(name))];
  await reader.close();
  return found;
}

describe('linear', () => {
  it('weights are relative to their sum', async () => {
    const folders = [await checkpoint({ w: [1, 2] }), await checkpoint({ w: [5, -2] })];
    expect(await merged({ method: 'linear', folders, weights: [3, 1] })).toEqual({ w: [2, 1] });
    expect(await merged({ method: 'linear', folders, weights: [6, 2] })).toEqual({ w: [2, 1] });
    expect(await merged({ method: 'linear', folders, weights: [1, 0] })).toEqual({ w: [1, 2] });
    expect(await merged({ method: 'linear', folders, weights: [2, -1] })).toEqual({ w: [-3, 6] });
  });

  it('a checkpoint without weight does not count, whatever it holds', async () => {
    const folders = [await checkpoint({ w: [0.1] }), await checkpoint({ w: [Infinity] })];
    expect(await merged({ method: 'linear', folders, weights: [7, 0] })).toEqual({ w: [Math.fround(0.1)] });
  });
});

describe('slerp', () => {
  it('goes along the sphere, tensor by tensor, and its ends are the checkpoints', async () => {
    const folders = [
      await checkpoint({ turned: [1, 0], parallel: [1, 2], zero: [0, 0] }),
      await checkpoint({ turned: [0, 3], parallel: [2, 4], zero: [4, 0] }),
    ] as const;
    const half = await merged({ method: 'slerp', folders, t: 0.5 });
    const root = Math.SQRT1_2;
    expect(half.turned[0]).toBeCloseTo(root, 6);
    expect(half.turned[1]).toBeCloseTo(3 * root, 6);
    // Without an angle, in a straight line; without a direction, as at a right angle.
    expect(half.parallel).toEqual([1.5, 3]);
    expect(half.zero[0]).toBeCloseTo(4 * root, 6);
    const [first, second] = [
      await merged({ method: 'slerp', folders, t: 0 }),
      await merged({ method: 'slerp', folders, t: 1 }),
    ];
    expect(first).toEqual({ turned: [1, 0], parallel: [1, 2], zero: [0, 0] });
    expect(second).toEqual({ turned: [0, 3], parallel: [2, 4], zero: [4, 0] });
  });

  it('tensors of equal norm keep it', async () => {
    const norm = Math.hypot(0.6, 0.8, 2);
    const folders = [await checkpoint({ w: [0.6, 0.8, 2] }), await checkpoint({ w: [norm, 0, 0] })] as const;
    const { w } = await merged({ method: 'slerp', folders, t: 0.3 });
    expect(Math.hypot(...w)).toBeCloseTo(norm, 6);
  });
});

describe('differences to a base', () => {
  it('are weighted, summed and scaled', async () => {
    const base = await checkpoint({ w: [1, 1] });
    const deltas = [await checkpoint({ w: [2, 1] }), await checkpoint({ w: [1, 5] })];
    const request = { method: 'task-arithmetic', base, deltas } as const;
    expect(await merged(request)).toEqual({ w: [2, 5] });
    expect(await merged({ ...request, weights: [1, 0.5] })).toEqual({ w: [2, 3] });
    expect(await merged({ ...request, weights: [1, 0.5], scale: 2 })).toEqual({ w: [3, 5] });
    expect(await merged({ ...request, deltas: [deltas[1]], scale: -1 })).toEqual({ w: [1, -3] });
  });

  it('TIES keeps the largest of each, elects a sign for each place, and takes the mean of those that have it', async () => {
    const base = await checkpoint({ w: [0, 0, 0, 0] });
    const deltas = [await checkpoint({ w: [4, -1, 3, 0.5] }), await checkpoint({ w: [2, 5, -4, 0.25] })];
    const request = { method: 'ties', base, deltas } as const;
    // Signs: +, + (4), - (-1), +. Of density 1 nothing is trimmed.
    expect(await merged(request)).toEqual({ w: [3, 5, -4, 0.375] });
    // Half of four: 4 and 3; 5 and -4.
    expect(await merged({ ...request, density: 0.5 })).toEqual({ w: [4, 5, -4, 0] });
    // The mean is weighted: (3 * 4 + 1 * 2) / 4; at the third place 9 - 4 is positive.
    expect(await merged({ ...request, weights: [3, 1] })).toEqual({ w: [3.5, 5, 3, 0.4375] });
    expect(await merged({ ...request, scale: 0.5 })).toEqual({ w: [1.5, 2.5, -2, 0.1875] });
  });

  it('TIES of one difference of density 1 is task arithmetic', async () => {
    const values = fc.array(fc.float({ noNaN: true, min: -8, max: 8 }), { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(values, values, fc.float({ noNaN: true, min: -2, max: 2 }), async (from, tuned, scale) => {
        const [base, delta] = [await checkpoint({ w: from }), await checkpoint({ w: tuned })];
        const request = { base, deltas: [delta], scale } as const;
        const [ofTies, ofTasks] = [
          await merged({ method: 'ties', ...request }),
          await merged({ method: 'task-arithmetic', ...request }),
        ];
        ofTies.w.forEach((value, i) => expect(value).toBeCloseTo(ofTasks.w[i], 5));
      }),
      { numRuns: 15 },
    );
  });

  it('a fine-tuned checkpoint may have other dtypes and special tokens, but not another shape or architecture', async () => {
    const base = await checkpoint({ w: [1, 2] }, 'F32', { eos_token_id: 1, layers: 2 });
    const tuned = await checkpoint({ w: [1.5, 2] }, 'BF16', { eos_token_id: [1, 107], layers: 2 });
    writeFileSync(join(base, 'tokenizer.json'), '{}');
    expect(await merged({ method: 'task-arithmetic', base, deltas: [tuned], scale: 2 })).toEqual({ w: [2, 2] });
    for (const [other, reason] of [
      [await checkpoint({ w: [1, 2] }, 'F32', { eos_token_id: 1, layers: 3 }), /"layers" in config\.json is 2 and 3/],
      [await checkpoint({ w: [1, 2, 3] }, 'F32', { layers: 2 }), /"w" is \[2\] and \[3\]/],
    ] as const)
      await expect(merged({ method: 'ties', base, deltas: [other] })).rejects.toThrow(reason);
  });
});

it('graft.json says how a checkpoint was merged', async () => {
  const [base, tuned] = [await checkpoint({ w: [1] }), await checkpoint({ w: [2] })];
  const out = join(parent, 'recorded');
  await mergeCheckpoints({ method: 'ties', base, deltas: [tuned], density: 0.5 }, out);
  expect(await readRecord(out)).toEqual({ merged: { method: 'ties', base, deltas: [tuned], density: 0.5 } });
});

it.each<[string, object, RegExp]>([
  ['weights for other checkpoints', { method: 'linear', weights: [1] }, /There are 1 weights for 2 checkpoints/],
  ['weights without a sum', { method: 'linear', weights: [1, -1] }, /add up to 0/],
  ['a weight that is not a number', { method: 'linear', weights: [1, NaN] }, /A weight is NaN/],
  ['a place beyond the ends', { method: 'slerp', t: 1.5 }, /t is 1\.5; expected a number from 0/],
  ['a density of 0', { method: 'ties', density: 0 }, /The density is 0/],
  ['nothing to add', { method: 'ties', deltas: [] }, /nothing to be added/],
])('%s is refused', async (_, request, message) => {
  const folders = [await checkpoint({ w: [1] }), await checkpoint({ w: [2] })];
  const [base, ...deltas] = folders;
  const given = { ...('method' in request && request.method === 'ties' ? { base, deltas } : { folders }), ...request };
  await expect(merged(given as unknown as MergeRequest)).rejects.toThrow(message);
});

test('trimming keeps exactly that many of the largest, whatever the pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(0, 1, -1, 1e-40)), { minLength: 1, maxLength: 40 }),
      fc.nat(39),
      fc.integer({ min: 1, max: 9 }),
      async (values, at, size) => {
        const kept = 1 + (at % values.length);
        const pieces = (): Float64Array[] =>
          Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
            Float64Array.from(values.slice(i * size, (i + 1) * size)),
          );
        const trim = trimmer(await trimTo(kept, (use) => Promise.resolve(pieces().forEach(use))));
        const result = pieces().flatMap((piece) => {
          trim(piece);
          return [...piece];
        });
        const left = values.map((value, i) => (Object.is(result[i], value) ? Math.abs(value) : undefined));
        const expected = values
          .map(Math.abs)
          .sort((a, b) => b - a)
          .slice(0, kept);
        const nonZero = result
          .filter((value) => value !== 0)
          .map(Math.abs)
          .sort((a, b) => b - a);
        expect(nonZero).toEqual(expected.filter((value) => value !== 0));
        expect(left.filter((value) => value !== undefined).length).toBeGreaterThanOrEqual(kept);
      },
    ),
  );
});
