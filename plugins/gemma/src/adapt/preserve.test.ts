/** Adaptations that preserve the function of their source, from the folder of the source to that of a run. */
import { runForward } from '@graft/core';
import { openEngine } from '@graft/engine';
import { temporaryFolder, worstDifference } from '@graft/test-support';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ints, ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { encoderOf } from '../model/config';
import type { EncoderDecoderConfig } from '../model/config-types';
import { loadModel } from '../load/load-model';
import { adaptCheckpoint, type AdaptRequest } from './adapt-checkpoint';

const base = temporaryFolder();
const GEMMA3 = { kind: 'decoder-only', family: 'gemma3', decoder: { ...ODD_SIDE, layers: 6 } };
let source: string;
let out = 0;
const adapt = (request: Partial<AdaptRequest>) =>
  adaptCheckpoint({ encoder: source, out: join(base, `out${out++}`), ...request });
beforeAll(async () => {
  source = await writeTiny(join(base, 'source'), { config: tinyGemma(GEMMA3).config });
  const file = join(source, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, eoi_token_index: 36 }));
});

test('a T5Gemma 2 that begins as its Gemma 3 gives its logits, also of the token with an embedding of its own', async () => {
  const engine = await openEngine({ mode: 'portable' });
  const { out: folder, family, functionPreserving } = await adapt({ preserveFunction: true });
  expect([family, functionPreserving]).toEqual(['t5gemma2', { done: 0 }]);
  const pair = await loadModel(folder);
  const alone = await loadModel(source);
  const [read, written] = [
    [5, 9, 4, 30, 8, 7, 36, 3],
    [2, 14, 9, 33],
  ];
  const inputs = { input_ids: ints([read]), decoder_input_ids: ints([written]) };
  const [got, expected] = [
    await runForward({ engine, model: pair.model, parameters: pair.parameters, inputs }),
    await runForward({
      engine,
      model: alone.model,
      parameters: alone.parameters,
      inputs: { input_ids: ints([[...read, ...written]]) },
    }),
  ];
  expect(worstDifference(got.logits.values, expected.logits.values.slice(read.length * 37))).toBeLessThan(1e-4);
  pair.dispose();
  alone.dispose();
});

test('the encoder alone of the first form looks back, and between the forms there is none', async () => {
  const { out: folder } = await adapt({ preserveFunction: { steps: 4 } });
  const { model, dispose } = await loadModel(folder);
  expect(encoderOf(model.config as EncoderDecoderConfig)).toMatchObject({
    encoderAttention: 'causal',
    encoderWindow: 'strict',
  });
  const later = model.transition!.at(1) as typeof model;
  expect(() => encoderOf(later.config as EncoderDecoderConfig)).toThrow(
    'The encoder is between two forms, after 1 of 4 steps',
  );
  dispose();
});

test.each([
  ['two sources', { decoder: 'other' }, 'keeps the function of one checkpoint, but encoder and decoder come from two'],
  [
    'separate cross-attention',
    { crossAttentionForm: 'separate' },
    'needs merged attention, but crossAttentionForm is separate',
  ],
  ['random parts', { random: ['embedding'] }, 'random: [embedding] does not take all of it'],
  [
    'a random start of cross-attention',
    { crossAttention: 'random' },
    'Merged attention (which preserveFunction needs) has no parameters of cross-attention',
  ],
  ['repeated heads', { expandHeads: 'encoder' }, 'encoder and decoder have key/value heads 3 and 1'],
] as const)('%s and a preserved function are refused together', async (_what, choices, message) => {
  const other = await writeTiny(join(base, `other${out++}`), { config: tinyGemma(GEMMA3).config });
  const request = 'decoder' in choices ? { decoder: other } : (choices as Partial<AdaptRequest>);
  await expect(adapt({ ...request, preserveFunction: true })).rejects.toMatchObject({
    message: expect.stringContaining(message) as string,
    exitCode: 2,
  });
});
