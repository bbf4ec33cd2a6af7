import { temporaryFolder } from '@graft/test-support';
import { conformance, createComponent } from '@graft/testing';
import { join } from 'node:path';
import { ODD_SIDE, tinyGemma, tinyParameters, writeTiny } from '../test-support/tiny-gemma';
import type { GemmaModel } from './index';
import { plugin } from './index';

const small = { vocabularySize: 37, decoder: ODD_SIDE };

describe.each([
  ['decoder-only', { ...small, kind: 'decoder-only' }],
  ['an encoder-decoder', { ...small, encoder: { ...ODD_SIDE, layers: 2 } }],
] as const)('the family gemma as %s', (_, sides) => {
  const make = () => createComponent([plugin], 'model', { use: 'gemma', ...sides });
  const parameters = (model: unknown) => tinyParameters(model as GemmaModel);
  for (const { name, run } of conformance.model(make, { parameters: parameters as never })) test(name, run);
});

describe('the initializers of gemma', () => {
  const folder = join(temporaryFolder(), 'tiny');
  beforeAll(() => writeTiny(folder, { config: tinyGemma({ kind: 'decoder-only' }).config }));

  describe('load', () => {
    const make = () => createComponent([plugin], 'initializer', { use: 'load', path: folder });
    for (const { name, run } of conformance.initializer(make, { model: () => tinyGemma({ kind: 'decoder-only' }) }))
      test(name, run);
  });

  describe('adapt', () => {
    const make = () => createComponent([plugin], 'initializer', { use: 'adapt', encoder: folder });
    const model = async () => {
      const config = await (await make()).checkpointConfig();
      return (await createComponent([plugin], 'model', 'gemma')).build(config);
    };
    for (const { name, run } of conformance.initializer(make, { model })) test(name, run);
  });
});
