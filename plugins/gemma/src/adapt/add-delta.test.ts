import { CheckpointReader, readRecord } from '@graft/checkpoint';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '@graft/test-support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { adaptCheckpoint } from './adapt-checkpoint';
import { addDelta } from './add-delta';
import { mapName } from './name-mapping';

const decoderOnly = (decoder: object = ODD_SIDE) => tinyGemma({ kind: 'decoder-only', decoder }).config;
const SMALLER = { ...ODD_SIDE, layers: 2, hidden: 12 };

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
let base: string;
let tuned: string;
let adapted: string;

beforeAll(async () => {
  base = await writeTiny(at('base'), { config: decoderOnly(), seed: 1 });
  tuned = await writeTiny(at('tuned'), { config: decoderOnly(), seed: 500 });
  adapted = at('adapted');
  await adaptCheckpoint({ encoder: base, out: adapted });
});

async function valuesOf(path: string): Promise<Map<string, Float32Array>> {
  const reader = await CheckpointReader.open(path);
  const values = new Map<string, Float32Array>();
  for (const name of reader.tensors.keys()) values.set(name, await reader.readFloat32(name));
  await reader.close();
  return values;
}

/** The worst difference between the tensors of a checkpoint and what is expected of each. */
async function worst(path: string, expected: (name: string, i: number) => number): Promise<number> {
  let largest = 0;
  for (const [name, values] of await valuesOf(path))
    largest = Math.max(
      largest,
      worstDifference(
        values,
        values.map((_, i) => expected(name, i)),
      ),
    );
  return largest;
}

it('the difference of a tuned checkpoint, added to a fresh adaptation of its base, is the adaptation of the tuned one', async () => {
  const report = await addDelta({ encoder: base, to: adapted, delta: tuned, out: at('moved') });
  expect(report.changed).toBe(report.tensors);
  await adaptCheckpoint({ encoder: tuned, out: at('adapted-tuned') });
  const wanted = await valuesOf(at('adapted-tuned'));
  expect(await worst(at('moved'), (name, i) => wanted.get(name)![i])).toBeLessThan(1e-6);
});

it('a trained model keeps what it learned, and gets the scaled difference where the mapping leads', async () => {
  // Another seed stands for training.
  const trained = await writeTiny(at('trained'), { config: tinyGemma({ encoder: ODD_SIDE }).config, seed: 900 });
  writeFileSync(join(trained, 'tokenizer.json'), '{}');
  await addDelta({ encoder: base, to: trained, delta: tuned, scale: 0.5, out: at('half') });
  const [own, from, to] = await Promise.all([trained, base, tuned].map(valuesOf));
  const expected = (name: string, i: number): number => {
    const { source } = mapName(name)!;
    return own.get(name)![i] + 0.5 * (to.get(source)![i] - from.get(source)![i]);
  };
  expect(await worst(at('half'), expected)).toBeLessThan(1e-6);
  expect(await readRecord(at('half'))).toMatchObject({
    added: {
      to: trained,
      base: { encoder: base, decoder: base },
      tuned: { encoder: tuned, decoder: tuned },
      scale: 0.5,
    },
  });
});

it('what was drawn at random, by the record of the adaptation, stays as it is', async () => {
  const drawn = at('drawn');
  await adaptCheckpoint({ encoder: base, out: drawn, crossAttention: 'random', crossAttentionNorms: 'identity' });
  const report = await addDelta({ encoder: base, to: drawn, delta: tuned, out: at('drawn-moved') });
  expect(report.changed).toBeLessThan(report.tensors);
  const [before, after] = [await valuesOf(drawn), await valuesOf(at('drawn-moved'))];
  for (const [name, values] of after) {
    const isSame = worstDifference(values, before.get(name)!) === 0;
    expect([name, isSame]).toEqual([name, /cross_attn/.test(name)]);
  }
});

it('without a record, the choices of the adaptation are given', async () => {
  const plain = await writeTiny(at('plain'), { config: tinyGemma({ encoder: ODD_SIDE }).config, seed: 20 });
  const before = await valuesOf(plain);
  await addDelta({
    encoder: base,
    to: plain,
    delta: tuned,
    random: ['cross-attention', 'embedding'],
    out: at('parts'),
  });
  for (const [name, values] of await valuesOf(at('parts'))) {
    const isSame = worstDifference(values, before.get(name)!) === 0;
    expect([name, isSame]).toEqual([name, /cross_attn|embed_tokens/.test(name)]);
  }
});

it('with two sources, each side gets the difference of its own', async () => {
  const small = await writeTiny(at('small'), { config: decoderOnly(SMALLER), seed: 7 });
  const smallTuned = await writeTiny(at('small-tuned'), { config: decoderOnly(SMALLER), seed: 70 });
  const pair = at('pair');
  await adaptCheckpoint({ encoder: base, decoder: small, out: pair });
  const before = await valuesOf(pair);
  const request = { encoder: base, decoder: small, to: pair } as const;
  for (const [side, choice] of [
    ['encoder', { delta: tuned }],
    ['decoder', { decoderDelta: smallTuned }],
  ] as const) {
    const out = at(`pair-${side}`);
    await addDelta({ ...request, ...choice, out });
    for (const [name, values] of await valuesOf(out)) {
      const isChanged = worstDifference(values, before.get(name)!) > 0;
      // Norms around cross-attention come from the decoder; its projections are random where widths differ.
      const isExpected = name.startsWith(`model.${side}.`) && !/\.cross_attn\./.test(name);
      expect([side, name, isChanged]).toEqual([side, name, isExpected]);
    }
  }
});

it('checkpoints that do not fit the model are refused, and nothing is written', async () => {
  const other = await writeTiny(at('other'), { config: decoderOnly(SMALLER), seed: 3 });
  const out = at('never');
  await expect(addDelta({ encoder: other, to: adapted, delta: other, out })).rejects.toMatchObject({
    message: expect.stringContaining('should have 3 layers') as string,
  });
  await expect(addDelta({ encoder: base, to: adapted, delta: other, out })).rejects.toThrow('should have 3 layers');
  await expect(addDelta({ encoder: base, to: base, delta: tuned, out })).rejects.toMatchObject({
    code: 'gemma.delta-kind',
  });
});
