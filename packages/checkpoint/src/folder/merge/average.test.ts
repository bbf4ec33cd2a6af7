import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { averageCheckpoints } from './merge-checkpoints';
import { fromFloat32 } from '../../safetensors/dtypes';
import { CheckpointReader } from '../checkpoint-reader';
import { verifyCheckpoint } from '../verify';
import { writeCheckpoint } from '../write-folder';
import type { TensorSource } from '../../safetensors/writer';

const tensor = (name: string, dtype: 'F32' | 'BF16', values: number[]): TensorSource => ({
  name,
  dtype,
  shape: [values.length],
  data: () => fromFloat32(Float32Array.from(values), dtype),
});

async function checkpoint(
  name: string,
  tensors: TensorSource[],
  config: object = { model_type: 'gemma2' },
): Promise<string> {
  const folder = join(temporaryFolder(), name);
  await writeCheckpoint(folder, { config: { ...config }, tensors });
  return folder;
}

test('averaging computes in float64, rounds once to the stored dtype, and copies config and tokenizer', async () => {
  const one = await checkpoint('one', [tensor('w', 'F32', [1, 2, 1e30]), tensor('b', 'BF16', [1, 1])], { n: 1 });
  const two = await checkpoint('two', [tensor('w', 'F32', [2, 2, -1e30]), tensor('b', 'BF16', [1.0078125, 3])], {
    n: 1,
  });
  const three = await checkpoint('three', [tensor('w', 'F32', [3, 5, 3]), tensor('b', 'BF16', [1.0078125, 5])], {
    n: 1,
  });
  writeFileSync(join(one, 'tokenizer.json'), '{}');
  const out = join(temporaryFolder(), 'mean');
  await averageCheckpoints([one, two, three], out);
  const mean = await CheckpointReader.open(out);
  expect([...(await mean.readFloat32('w'))]).toEqual([2, 3, 1]);
  // 1.0052 lies between 1 and 1.0078125, the neighbours in bfloat16; the second is nearer.
  expect([...(await mean.readFloat32('b'))]).toEqual([1.0078125, 3]);
  expect(await mean.config()).toEqual({ n: 1 });
  expect(readdirSync(out).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
  await mean.close();
});

test.each<[string, TensorSource[], object, RegExp]>([
  ['another config', [tensor('w', 'F32', [1])], { n: 2 }, /"n" in config\.json is 1 and 2/],
  ['another shape', [tensor('w', 'F32', [1, 2])], { n: 1 }, /"w" is F32 \[1\] and F32 \[2\]/],
  ['another dtype', [tensor('w', 'BF16', [1])], { n: 1 }, /"w" is F32 \[1\] and BF16 \[1\]/],
  ['other names', [tensor('v', 'F32', [1])], { n: 1 }, /"w" is only in the first/],
  ['a tensor more', [tensor('w', 'F32', [1]), tensor('v', 'F32', [1])], { n: 1 }, /"v" is only in the second/],
])('averaging rejects %s and writes nothing', async (_, tensors, config, message) => {
  const one = await checkpoint('one', [tensor('w', 'F32', [1])], { n: 1 });
  const two = await checkpoint('two', tensors, config);
  const parent = temporaryFolder();
  await expect(averageCheckpoints([one, two], join(parent, 'mean'))).rejects.toThrow(message);
  expect(readdirSync(parent)).toEqual([]);
});

test('an error names only the keys that differ deep inside two configs', async () => {
  const config = (size: number): object => ({
    decoder: { sizes: { width: size, depth: 2 }, types: Array.from({ length: 100 }, () => 'full'), a: size, b: size },
    transformers_version: String(size),
    c: size === 1 ? size : undefined,
  });
  const one = await checkpoint('one', [tensor('w', 'F32', [1])], config(1));
  const two = await checkpoint('two', [tensor('w', 'F32', [1])], config(2));
  await expect(averageCheckpoints([one, two], join(temporaryFolder(), 'mean'))).rejects.toThrow(
    /: "decoder\.sizes\.width" in config\.json is 1 and 2, "decoder\.a" is 1 and 2, "decoder\.b" is 1 and 2, and 1 more\.$/,
  );
});

test('verification reads the whole checkpoint and names the tensors with non-finite values', async () => {
  const folder = await checkpoint('one', [
    tensor('fine', 'F32', [1, -2, 0]),
    tensor('nan', 'F32', [1, NaN]),
    tensor('infinite', 'BF16', [Infinity, 1]),
    tensor('large', 'BF16', [3e38, 1]),
  ]);
  expect(await verifyCheckpoint(folder)).toEqual({
    files: 1,
    tensors: 4,
    bytes: 12 + 8 + 4 + 4,
    nonFinite: ['nan', 'infinite'],
  });
});
