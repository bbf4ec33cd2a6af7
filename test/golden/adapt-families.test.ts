/** Gemma 3 adapted to T5Gemma 2: every tensor, the config and the numbers are those of the published implementation. */
import { CheckpointReader, toFloat32 } from '@graft/checkpoint';
import { openEngine } from '@graft/engine';
import { adaptCheckpoint, loadModel, runForward } from '@graft/gemma';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '../support';
import { expectedTensors, fixture, largestDifference, readJson, TOLERANCE } from './reference';

const EXPECTED = fixture('t5gemma2-adapted')!;
const END_OF_IMAGE = 298;
const folder = temporaryFolder();
const source = join(folder, 'gemma3');
const adapted = join(folder, 'adapted');

beforeAll(async () => {
  cpSync(fixture('gemma3-tiny')!, source, { recursive: true });
  // The text model has no word for the token, which folders that read images name.
  const config = readJson<object>(source, 'config.json');
  writeFileSync(join(source, 'config.json'), JSON.stringify({ ...config, eoi_token_index: END_OF_IMAGE }));
  const { crossAttention, random, family } = await adaptCheckpoint({
    encoder: source,
    out: adapted,
    dtype: 'bfloat16',
  });
  expect([crossAttention, random, family]).toEqual(['merged', [], 't5gemma2']);
});

test('every tensor is the one that the published mapping names, byte by byte', async () => {
  const mapping = readJson<Record<string, string>>(EXPECTED, 'mapping.json');
  const [from, to] = await Promise.all([source, adapted].map((path) => CheckpointReader.open(path)));
  expect([...to.tensors.keys()].sort()).toEqual(Object.keys(mapping).sort());
  for (const [target, origin] of Object.entries(mapping)) {
    if (target.endsWith('eoi_embedding')) continue;
    const [got, expected] = [await to.readBytes(target), await from.readBytes(origin)];
    expect([target, Buffer.compare(got, expected)]).toEqual([target, 0]);
  }
  const table = await from.readFloat32('model.embed_tokens.weight');
  const [, hidden] = from.info('model.embed_tokens.weight').shape;
  const row = table.slice(END_OF_IMAGE * hidden, (END_OF_IMAGE + 1) * hidden).map((value) => value * Math.sqrt(hidden));
  const own = toFloat32(await to.readBytes('model.encoder.embed_tokens.eoi_embedding'), 'BF16');
  // Rounded once, to 8 bits.
  expect(worstDifference(own, row)).toBeLessThanOrEqual(Math.max(...row.map(Math.abs)) * 2 ** -8);
  await from.close();
  await to.close();
});

test('the config is the published one', () => {
  expect(readJson(adapted, 'config.json')).toMatchObject(readJson<object>(EXPECTED, 'config.json'));
});

test('states, logits and loss are the published ones', async () => {
  const engine = await openEngine({ mode: 'portable' });
  const { model, parameters, dispose } = await loadModel(adapted);
  const expected = await expectedTensors(EXPECTED);
  const got = await runForward({ engine, model, parameters, inputs: expected, outputs: ['loss', 'encoder'] });
  const { encoder_last_hidden_state: states, attention_mask: mask, decoder_attention_mask: targetMask } = expected;
  expect(largestDifference(got.encoder_last_hidden_state, states, mask)).toBeLessThanOrEqual(TOLERANCE.states);
  expect(largestDifference(got.logits, expected.logits, targetMask)).toBeLessThanOrEqual(TOLERANCE.logits);
  const { loss } = readJson<{ loss: number }>(EXPECTED, 'expected.json');
  expect(Math.abs(got.loss.values[0] - loss)).toBeLessThanOrEqual(TOLERANCE.loss);
  dispose();
});
