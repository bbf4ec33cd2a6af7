import { createRandom, fillParameters, GraftError, silentLogger } from '@graft/core';
import { openEngine } from '@graft/engine';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { ODD_SIDE, tinyGemma, writeTiny } from '../../test-support/tiny-gemma';
import { adaptCheckpoint } from './adapt-checkpoint';
import { AdaptInitializer, adaptOptions } from './adapt-initializer';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';

const base = temporaryFolder();
const source = (name: string, decoder: object = {}, vocabularySize = 37): Promise<string> =>
  writeTiny(join(base, name), {
    config: tinyGemma({ kind: 'decoder-only', decoder: { ...ODD_SIDE, ...decoder }, vocabularySize }).config,
  });

async function problemOf(run: Promise<unknown>): Promise<GraftError> {
  try {
    await run;
  } catch (error) {
    expect(error).toBeInstanceOf(GraftError);
    return error as GraftError;
  }
  throw new Error('It went through.');
}

describe('a pair of sources', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('one table for two vocabularies of different sizes is refused with both sizes', async () => {
    const [encoder, decoder] = [await source('a'), await source('b', {}, 41)];
    const { message, hint } = await problemOf(
      adaptCheckpoint({ encoder, decoder, tieEncoderEmbedding: true, out: join(base, 'out') }),
    );
    expect(message).toMatch(/a and .*b do not go together: the encoder's vocabulary has 37 tokens, the decoder's 41/);
    expect(hint).toMatch(/made with one tokenizer/);
  });

  it.each([
    [{ headDim: 8 }, /two sides differ: head dimension 6 \(encoder\) and 8 \(decoder\)\./],
    [{ heads: 2 }, /query heads 3 \(encoder\) and 2 \(decoder\)/],
    [{ heads: 4, keyValueHeads: 2 }, /query heads 3 .* and 4 .*; key\/value heads 1 \(encoder\) and 2 \(decoder\)/],
    [{ hidden: 24 }, /are \[6, 24\], but the encoder's hidden size 20 wants \[6, 20\]/],
  ])('%j makes copying cross-attention an error with the sizes', async (changed, expected) => {
    const name = JSON.stringify(changed).replace(/\W+/g, '-');
    const [encoder, decoder] = [await source(`plain${name}`), await source(name, changed)];
    const request = { encoder, decoder, out: join(base, `out${name}`) };
    const { message, hint, exitCode } = await problemOf(adaptCheckpoint({ ...request, crossAttention: 'copy' }));
    expect(message).toMatch(expected);
    expect(hint).toMatch(/crossAttention random \(or auto\)/);
    expect(exitCode).toBe(2);
    // Without the request it succeeds, and reports why nothing was copied.
    const report = await adaptCheckpoint(request);
    expect([report.crossAttention, report.crossAttentionReason]).toEqual(['random', expect.stringMatching(/differ/)]);
  });

  it.each(['encoder', 'decoder'] as const)('an %s deeper than its source is refused with both depths', async (side) => {
    const encoder = await source(`deep-${side}`);
    const initializer = new AdaptInitializer(adaptOptions.parse({ encoder }), silentLogger());
    const options = modelOptions.parse({ [side]: { layers: 5 } });
    const model = new GemmaModel(resolveModelConfig(options, await initializer.checkpointConfig()));
    const { message, hint } = await problemOf(fillParameters(model, initializer, createRandom(0)));
    expect(message).toMatch(new RegExp(`The model's ${side} should have 5 layers, but .*deep-${side} has 3\\.`));
    expect(hint).toMatch(new RegExp(`at most 3 layers \\(model\\.${side}\\.layers\\)`));
  });

  it('a side with fewer layers than its source takes the first layers', async () => {
    const encoder = await source('shallow');
    const initializer = new AdaptInitializer(adaptOptions.parse({ encoder }), silentLogger());
    const options = modelOptions.parse({ decoder: { layers: 2 } });
    const model = new GemmaModel(resolveModelConfig(options, await initializer.checkpointConfig()));
    const parameters = await fillParameters(model, initializer, createRandom(0));
    expect(Object.keys(parameters)).toContain('model.decoder.layers.1.mlp.up_proj.weight');
    expect(Object.keys(parameters)).not.toContain('model.decoder.layers.2.mlp.up_proj.weight');
    for (const tensor of Object.values(parameters)) tensor.dispose();
  });
});
