import { countParameters } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import type { EncoderDecoderConfig } from '../model/config-types';
import type { GemmaModel } from '../model/model';
import { generationCosts } from './generation';

type Kernel = Awaited<ReturnType<typeof tf.profile>>['kernels'][number];

/** Operations of a matrix product [..., m, k] x [..., k, n], from its shapes alone. */
function productFlops({ inputShapes, outputShapes }: Kernel): number {
  const sizes = (shape: readonly number[]): number => shape.reduce((all, size) => all * size, 1);
  const [left, right] = inputShapes.map((shape) => shape!);
  const [batch, result] = [sizes(left.slice(0, -2)), sizes(outputShapes[0])];
  // m*k * k*n / (m*n) = k^2, whichever operand is transposed.
  const inner = Math.sqrt((sizes(left) / batch) * (sizes(right) / sizes(right.slice(0, -2))) * (batch / result));
  return 2 * result * inner;
}

const SHAPE = { batch: 2, sourceLength: 21, promptLength: 3, newTokens: 40 };
const CAPACITY = SHAPE.promptLength + SHAPE.newTokens - 1;

/** What the parts of a generation compute, counted while they run. */
async function counted(model: GemmaModel): Promise<Record<string, number>> {
  await openEngine({ mode: 'portable' });
  const parameters = tinyParameters(model);
  const { encode, prefill, step } = model.decoding;
  const flops: Record<string, number> = {};
  const count = async <T extends tf.TensorContainer>(part: string, run: () => T): Promise<T> => {
    let result!: T;
    const { kernels } = await tf.profile(() => {
      result = tf.tidy(run);
      return tf.scalar(0);
    });
    flops[part] = kernels
      .filter(({ name }) => /MatMul/.test(name))
      .reduce((sum, kernel) => sum + productFlops(kernel), 0);
    return result;
  };
  const ids = (length: number): tf.Tensor => tf.fill([SHAPE.batch, length], 5, 'int32');
  const encoded =
    encode && model.kind === 'encoder-decoder'
      ? await count('encode', () => encode(parameters, { input_ids: ids(SHAPE.sourceLength) }) as tf.NamedTensorMap)
      : undefined;
  const started = await count(
    'prefill',
    () => prefill(parameters, { ids: ids(SHAPE.promptLength) }, encoded, CAPACITY) as unknown as tf.NamedTensorMap,
  );
  const { fixed, cache } = started as unknown as ReturnType<typeof prefill>;
  const position = tf.scalar(SHAPE.promptLength, 'int32');
  const request = { tokens: tf.fill([SHAPE.batch], 5, 'int32'), position, fixed, cache, capacity: CAPACITY };
  await count('step', () => step(parameters, request) as unknown as tf.NamedTensorMap);
  tf.disposeVariables();
  return flops;
}

describe('generationCosts', () => {
  it.each([
    ['a decoder-only model with windows', { kind: 'decoder-only' }],
    ['an encoder-decoder whose sides differ', { encoder: { ...ODD_SIDE, layers: 2, hidden: 14, feedForward: 9 } }],
    ['merged attention', { family: 't5gemma2', decoder: { ...ODD_SIDE, layers: 6, slidingWindow: 3 } }],
  ])('counts the operations that the parts compute: %s', async (_, options) => {
    const model = tinyGemma(options);
    const { hidden, vocabularySize } = model.config.decoder;
    const costs = generationCosts(model.config, SHAPE, { parameterBytes: 4 });
    // States become logits outside of the parts.
    const output = 2 * SHAPE.batch * hidden * vocabularySize;
    expect({
      ...(costs.encode && { encode: costs.encode.flops }),
      prefill: costs.prefill!.flops - output,
      step: costs.step!.flops - output,
    }).toEqual(await counted(model));
  });

  it('each part reads its own parameters once, one row of a table for each token, and what was kept before it', () => {
    const { config, parameters } = tinyGemma({ encoder: { ...ODD_SIDE, hidden: 14 }, decoder: ODD_SIDE });
    const { encoder, decoder } = config as EncoderDecoderConfig;
    const [states, parametersAlso] = [0, 1].map((parameterBytes) => generationCosts(config, SHAPE, { parameterBytes }));
    const parametersOf = (part: 'encode' | 'prefill' | 'step'): number =>
      parametersAlso[part]!.bytesRead - states[part]!.bytesRead;
    const { batch, sourceLength, promptLength } = SHAPE;
    const rows = batch * (sourceLength * encoder.hidden + promptLength * decoder.hidden);
    const encoderTable = encoder.vocabularySize * encoder.hidden;
    expect(parametersOf('encode') + parametersOf('prefill') - rows).toBe(
      countParameters({ parameters }) - encoderTable,
    );
    // Keys and values of cross-attention are made before the first token.
    const keys = 2 * decoder.layers * decoder.keyValueHeads * decoder.headDim * encoder.hidden;
    expect(parametersOf('prefill') - parametersOf('step')).toBe(keys + batch * (promptLength - 1) * decoder.hidden);

    const perSlot = 4 * 2 * batch * decoder.keyValueHeads * decoder.headDim;
    expect(states.encode!.bytesRead).toBe(0);
    expect(states.prefill!.bytesRead).toBe(4 * batch * sourceLength * encoder.hidden);
    // Two sliding layers keep 16 positions and the newest 16; the full one between them 32 and 16.
    expect(states.step!.bytesRead).toBe(perSlot * (32 + 48 + 32 + decoder.layers * sourceLength));
  });
});
