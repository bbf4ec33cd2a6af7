import {
  estimateTrainingMemory,
  type BatchTensors,
  type Model,
  type Objective,
  type Optimizer,
  type Parameters,
} from '@graft/core';
import { makeTrainStep } from '@graft/core/internal';
import { openEngine, tf, type Engine, type Precision } from '@graft/engine';
import { asIfCompiledOn } from '@graft/engine/internal';
import { stepMemory } from './memory';
import type { EncoderDecoderConfig } from '../model/config-types';
import { GemmaModel } from '../model/model';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';

const gemma = (options: object): GemmaModel => new GemmaModel(resolveModelConfig(modelOptions.parse(options)));

/** The cross-entropy without anything else, in plain operations. */
const objective = {
  loss: (model: Model, parameters: Parameters, batch: BatchTensors) => {
    const { labels, ...inputs } = batch;
    const { logits } = model.forward(parameters, inputs, { training: true });
    const rows = tf.reshape(logits, [-1, model.vocabularySize]);
    const classes = tf.oneHot(tf.reshape(labels, [-1]).toInt(), model.vocabularySize).toFloat();
    return { loss: tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(rows), classes), 1))) as tf.Scalar };
  },
} as unknown as Objective;

const descent: Optimizer = {
  learningRate: 1,
  init: () => ({}),
  stateOf: () => [],
  update: ({ parameters, gradients, learningRate }) => ({
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([name, value]) => [name, tf.sub(value, tf.mul(gradients[name], learningRate))]),
    ),
    state: {},
  }),
};

describe('the estimate of a step', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'auto' });
  });

  /** Bytes of gradients and stored values in the traced program; the step is not computed. */
  async function traced(
    model: GemmaModel,
    batch: number,
    length: number,
    precision: Precision,
    targetsPerSource = 1,
  ): Promise<number> {
    const parameters = Object.fromEntries(model.parameters.map(({ name, shape }) => [name, tf.zeros([...shape])]));
    const ids = tf.fill([batch, length], 5, 'int32');
    const targets = tf.fill([targetsPerSource * batch, length], 5, 'int32');
    const fields = { input_ids: ids, decoder_input_ids: targets, labels: targets };
    let bytes = NaN;
    const onTrace = ({ temporaryBytes }: { temporaryBytes: number }): never => {
      bytes = temporaryBytes;
      throw new Error('traced');
    };
    const step = makeTrainStep(engine, model, objective, descent, { precision, donate: true, onTrace });
    const inputs = { parameters, state: {}, batch: fields, randomKey: tf.tensor1d([1, 2], 'int32') };
    await expect(step.async({ ...inputs, step: tf.scalar(0), learningRate: tf.scalar(1) })).rejects.toThrow('traced');
    tf.dispose([parameters, ids, targets]);
    return bytes;
  }

  /** Throws unless the estimate bounds the traced program, and is near it. */
  async function expectBound(
    model: GemmaModel,
    lengths: { batch: number; length: number; targetsPerSource?: number },
    precision: Precision,
  ): Promise<void> {
    const { batch, length, targetsPerSource } = lengths;
    const { gradients, castWeights, activations, logits } = estimateTrainingMemory({
      model,
      optimizer: descent,
      precision,
      batch: { batch, sourceLength: length, targetLength: length, targetsPerSource },
    });
    const bytes = await traced(model, batch, length, precision, targetsPerSource);
    const stored = activations! + logits!;
    expect(gradients + castWeights + stored).toBeGreaterThan(bytes);
    expect(Math.max(gradients, stored)).toBeLessThan(1.25 * bytes);
    expect(Math.max(gradients, stored)).toBeGreaterThan(0.6 * bytes);
  }

  const WINDOWS = { slidingWindow: 256, layerTypes: Array<string>(8).fill('sliding_attention') };
  const SMALL = { preset: 's-s', vocabularySize: 512 };
  it.each<[string, object, number, number, Precision]>([
    ['many layers', SMALL, 4, 128, 'float32'],
    ['long rows, where scores weigh most', SMALL, 1, 512, 'float32'],
    ['rematerialization', { ...SMALL, rematerialize: 'block' }, 8, 128, 'float32'],
    ['products in bfloat16', SMALL, 4, 128, 'bfloat16'],
    ['attention in blocks', { ...SMALL, attention: 'blocked' }, 1, 1536, 'float32'],
    ['blocks of windows', { ...SMALL, attention: 'blocked', encoder: WINDOWS, decoder: WINDOWS }, 1, 1536, 'float32'],
    ['blocks, rematerialized', { ...SMALL, attention: 'blocked', rematerialize: 'block' }, 1, 1536, 'float32'],
  ])(
    'bounds what the traced program needs, in which gradients take the place of stored values: %s',
    (_, options, batch, length, precision) => expectBound(gemma(options), { batch, length }, precision),
  );

  it('counts each target of a source, with the states of the source for itself', () =>
    expectBound(gemma(SMALL), { batch: 2, length: 128, targetsPerSource: 2 }, 'float32'));
});

describe('stepMemory', () => {
  const lengths = { batch: 2, sourceLength: 1024, targetLength: 1024 };

  it('chunked cross-entropy keeps the logits of a chunk, and rematerialization next to no layers', () => {
    const { config } = gemma({ preset: '2b-2b' });
    const plain = stepMemory(config, lengths);
    expect(stepMemory(config, lengths, { chunkTokens: 256 }).logits).toBe(plain.logits / 8);
    expect(stepMemory({ ...config, rematerialize: true }, lengths).activations).toBeLessThan(plain.activations / 8);
  });

  const ON_CUDA = { device: 'cuda', precision: 'bfloat16', onMesh: false } as const;

  it('attention in blocks stores no scores, and a kernel neither scores nor parts of the keys', () => {
    const { config } = gemma({ preset: '2b-2b' });
    const long = { batch: 1, sourceLength: 2048, targetLength: 2048 };
    const [whole, blocked, fused] = (['whole', 'blocked', 'fused'] as const).map(
      (attention) => stepMemory({ ...config, attention }, long).activations,
    );
    expect(blocked).toBeLessThan(0.7 * whole);
    expect(fused).toBeLessThan(blocked);
    // Of each attention, and of a layer's two for their gradients: scores, tanhs, and the result in two orders of heads.
    const { layers, heads, headDim } = (config as EncoderDecoderConfig).decoder;
    const attentions = 3 * layers + 2;
    expect(whole - fused).toBe(4 * attentions * 2048 * (2 * heads * 2048 + heads * headDim - heads));
  });

  it('auto counts blocks from 4,096 tokens on, and kernels where the device has them', () => {
    const { config } = gemma({ preset: '2b-2b' });
    const bytes = (length: number, attention: 'auto' | 'whole' | 'blocked' | 'fused'): number =>
      stepMemory({ ...config, attention }, { batch: 1, sourceLength: length, targetLength: length }).activations;
    expect(bytes(4095, 'auto')).toBe(bytes(4095, 'whole'));
    expect(bytes(4096, 'auto')).toBe(bytes(4096, 'blocked'));
    expect(asIfCompiledOn(ON_CUDA, () => bytes(4096, 'auto'))).toBe(bytes(4096, 'fused'));
    expect(asIfCompiledOn({ ...ON_CUDA, onMesh: true }, () => bytes(4096, 'auto'))).toBe(bytes(4096, 'blocked'));
    expect(asIfCompiledOn({ ...ON_CUDA, precision: 'float32' }, () => bytes(64, 'auto'))).toBe(bytes(64, 'whole'));
    const dropping = { ...config, dropout: { dropout: 0, attentionDropout: 0.1, classifierDropout: 0 } };
    const of = (one: typeof config): number =>
      stepMemory(one, { batch: 1, sourceLength: 4096, targetLength: 4096 }).activations;
    expect(of(dropping)).toBe(bytes(4096, 'whole'));
  });

  it('devices that share rows divide heads, the feed-forward and the vocabulary, and not the rows between', () => {
    const { config } = gemma({ preset: '2b-2b' });
    const [one, four] = [1, 4].map((rowParts) => stepMemory(config, lengths, { rowParts }));
    expect(four.logits).toBe(one.logits / 4);
    expect(four.activations).toBeGreaterThan(one.activations / 4);
    expect(four.activations).toBeLessThan(one.activations / 2);
  });

  it('2B-2B with float32 masters and 8-bit moments fits one device of 80 GB, and not in float32', () => {
    const model = gemma({ preset: '2b-2b', rematerialize: 'block' });
    const moments = (bytes: number): Pick<Optimizer, 'stateOf'> => ({
      stateOf: (_, shape) => [{ shape: [...shape, bytes / 4], dtype: 'float32' }],
    });
    const common = { model, batch: lengths, chunkTokens: 256, precision: 'bfloat16' } as const;
    const usable = 74.4 * 2 ** 30;
    const narrow = { ...common, parameterDtype: 'bfloat16', optimizer: moments(2) } as const;
    expect(estimateTrainingMemory(narrow).total).toBeLessThan(usable);
    const none = { ...common, parameterDtype: 'bfloat16', masterWeights: 'none', optimizer: moments(4) } as const;
    expect(estimateTrainingMemory(none).total).toBeLessThan(0.8 * usable);
    expect(estimateTrainingMemory({ ...common, optimizer: moments(8) }).total).toBeGreaterThan(usable);
  });
});
