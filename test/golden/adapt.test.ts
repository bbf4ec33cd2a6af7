import { CheckpointReader } from '@graft/checkpoint';
import { adaptCheckpoint, parseCheckpointConfig, toCheckpointConfig, type CrossAttention } from '@graft/gemma';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { fixture, MISSING } from './reference';

async function contents(
  folder: string,
): Promise<Map<string, { dtype: string; shape: readonly number[]; bytes: Buffer }>> {
  const reader = await CheckpointReader.open(folder);
  try {
    const tensors = new Map<string, { dtype: string; shape: readonly number[]; bytes: Buffer }>();
    for (const { name, dtype, shape } of reader.tensors.values())
      tensors.set(name, { dtype, shape, bytes: Buffer.from(await reader.readBytes(name)) });
    return tensors;
  } finally {
    await reader.close();
  }
}

async function config(folder: string): Promise<Record<string, unknown>> {
  const reader = await CheckpointReader.open(folder);
  try {
    return await reader.config();
  } finally {
    await reader.close();
  }
}

interface Case {
  encoder: string;
  decoder?: string;
  crossAttention?: CrossAttention;
  expected: string;
  random: boolean;
}

const CASES: readonly Case[] = [
  { encoder: 'gemma2-tiny', expected: 't5gemma-tiny-balanced', random: false },
  { encoder: 'gemma2-tiny', crossAttention: 'copy', expected: 't5gemma-tiny-balanced', random: false },
  { encoder: 'gemma2-tiny-wide', decoder: 'gemma2-tiny', expected: 't5gemma-tiny-unbalanced', random: true },
];

describe.each(CASES)(
  'adapting $encoder and $decoder',
  ({ encoder, decoder, crossAttention, expected: expectedName, random }) => {
    const [encoderFolder, decoderFolder, expectedFolder] = [encoder, decoder ?? encoder, expectedName].map(fixture);
    const here = encoderFolder !== undefined && decoderFolder !== undefined && expectedFolder !== undefined;

    describeIf(here, MISSING, `the published ${expectedName}`, () => {
      const crossProjection = /\.cross_attn\.[qkvo]_proj\.weight$/;
      // gemma2-tiny is stored in float32, the unbalanced fixture in bfloat16.
      const dtype = random ? 'bfloat16' : undefined;
      const adapt = async (seed?: number): Promise<string> => {
        const out = join(temporaryFolder(), 'adapted');
        const report = await adaptCheckpoint({
          encoder: encoderFolder!,
          decoder: decoder && decoderFolder,
          crossAttention,
          dtype,
          seed,
          out,
        });
        expect(report.crossAttention).toBe(random ? 'random' : 'copied');
        return out;
      };

      test('every name, dtype, shape and byte is the published one, except for random projections', async () => {
        const [got, expected] = [await contents(await adapt()), await contents(expectedFolder!)];
        expect([...got.keys()].sort()).toEqual([...expected.keys()].sort());
        for (const [name, tensor] of expected) {
          const { dtype: gotDtype, shape, bytes } = got.get(name)!;
          expect([name, gotDtype, shape]).toEqual([name, tensor.dtype, tensor.shape]);
          if (!random || !crossProjection.test(name)) expect([name, bytes.equals(tensor.bytes)]).toEqual([name, true]);
        }
      });

      test('the config equals the published one', async () => {
        const [got, expected] = [await config(await adapt()), await config(expectedFolder!)];
        const { transformers_version: _version, ...declared } = expected;
        expect(got).toMatchObject(declared);
        // And both sides can be read by version 4, which knows theta at the top alone.
        expect((got.encoder as { rope_theta: number }).rope_theta).toBe(10000);
        expect(toCheckpointConfig(parseCheckpointConfig(got), got.dtype as string)).toEqual(got);
      });

      if (random) {
        test('random projections depend on the seed', async () => {
          const name = 'model.decoder.layers.1.cross_attn.k_proj.weight';
          const [first, again, other] = await Promise.all(
            [adapt(1), adapt(1), adapt(2)].map(async (folder) => (await contents(await folder)).get(name)!),
          );
          expect(first.bytes.equals(again.bytes)).toBe(true);
          expect(first.bytes.equals(other.bytes)).toBe(false);
        });
      }
    });
  },
);
