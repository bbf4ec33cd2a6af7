import { DataError, modelFields, runForward, type HostFields } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { ints, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';

const source = ints([[5, 9, 4, 30]]);
const labels = ints([[7, 8, 1, -100, -100]]);

describe('modelFields', () => {
  const model = tinyGemma();

  it('given decoder inputs are used as they are', () => {
    const decoder_input_ids = ints([[2, 20, 21, 22, 23]]);
    expect(modelFields(model, { input_ids: source, labels, decoder_input_ids }, 'X').decoder_input_ids).toBe(
      decoder_input_ids,
    );
  });

  it('missing decoder inputs are built from the labels', () => {
    expect(Array.from(modelFields(model, { input_ids: source, labels }, 'X').decoder_input_ids.values)).toEqual([
      2, 7, 8, 1, 0,
    ]);
  });

  it.each<[HostFields, RegExp]>([
    [{ labels }, /in\.st: the field "input_ids" is missing; there is labels/],
    [{ input_ids: source }, /needs "decoder_input_ids", or "labels"/],
    [{ input_ids: { ...source, dtype: 'float32' }, labels }, /"input_ids" should hold integers/],
    [{ input_ids: { ...source, shape: [4] }, labels }, /"input_ids" has shape \[4\], expected \[batch, length\]/],
    [{ input_ids: ints([[5, 37]]), labels }, /token 37, but the vocabulary has 37/],
    [{ input_ids: ints([[5, -1]]), labels }, /token -1/],
    [
      { input_ids: source, attention_mask: ints([[1, 1]]), labels },
      /"attention_mask" has shape \[1, 2\], but "input_ids" has \[1, 4\]/,
    ],
    [{ input_ids: ints([[5], [6]]), labels }, /"labels" has shape \[1, 5\], expected \[2, length\]/],
    [{ input_ids: source, labels, decoder_attention_mask: ints([[1]]) }, /"decoder_attention_mask" has shape \[1, 1\]/],
  ])('the error for case %# names the wrong field', (fields, message) => {
    expect(() => modelFields(model, fields, 'in.st')).toThrow(DataError);
    expect(() => modelFields(model, fields, 'in.st')).toThrow(message);
  });
});

describe('runForward', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  test('the requested outputs are returned, and a small step along the gradient changes the loss as predicted', async () => {
    const model = tinyGemma();
    const before = tf.memory().numTensors;
    const parameters = tinyParameters(model);
    const inputs = { input_ids: source, labels };
    expect(Object.keys(await runForward({ engine, model, parameters, inputs }))).toEqual(['logits']);
    const all = await runForward({ engine, model, parameters, inputs, outputs: ['encoder', 'loss', 'gradients'] });
    expect(Object.keys(all)).toEqual([
      'logits',
      'encoder_last_hidden_state',
      'loss',
      ...model.parameters.map(({ name }) => `grad.${name}`),
    ]);
    expect(all.encoder_last_hidden_state.shape).toEqual([1, 4, 20]);
    const name = 'model.encoder.layers.1.self_attn.k_proj.weight';
    const gradient = all[`grad.${name}`].values;
    const square = Array.from(gradient).reduce((sum, value) => sum + value * value, 0);
    const lossAt = async (step: number): Promise<number> => {
      const moved = {
        ...parameters,
        [name]: parameters[name].sub(tf.tensor(gradient, [...all[`grad.${name}`].shape]).mul(step / square)),
      };
      const { loss } = await runForward({ engine, model, parameters: moved, inputs, outputs: ['loss'] });
      moved[name].dispose();
      return loss.values[0];
    };
    // A step of h/|g|^2 along the gradient lowers the loss by h.
    tf.engine().startScope();
    const [up, down] = [await lossAt(-1e-3), await lossAt(1e-3)];
    tf.engine().endScope();
    expect((up - down) / 2e-3).toBeCloseTo(1, 1);
    tf.dispose(parameters);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the loss of a decoder-only model takes labels that are already aligned', async () => {
    const model = tinyGemma({ kind: 'decoder-only' });
    const parameters = tinyParameters(model);
    const { logits, loss } = await runForward({
      engine,
      model,
      parameters,
      inputs: { input_ids: source, labels: ints([[-100, 3, -100, 6]]) },
      outputs: ['loss'],
    });
    const nll = (position: number, label: number): number => {
      const row = Array.from(logits.values.slice(position * 37, (position + 1) * 37));
      return Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label];
    };
    expect(loss.values[0]).toBeCloseTo((nll(1, 3) + nll(3, 6)) / 2, 4);
    tf.dispose(parameters);
  });

  test('outputs that the model or the inputs cannot give are refused with the reason', async () => {
    const model = tinyGemma({ kind: 'decoder-only' });
    const run = (inputs: HostFields, outputs: ('encoder' | 'loss')[]) =>
      runForward({ engine, model, parameters: {}, inputs, outputs });
    await expect(run({ input_ids: source }, ['encoder'])).rejects.toThrow(/model is decoder-only/);
    await expect(run({ input_ids: source }, ['loss'])).rejects.toThrow(/"labels" is missing/);
    await expect(run({ input_ids: source, labels: ints([[-100, -100, -100, -100]]) }, ['loss'])).rejects.toThrow(
      /every label is -100/,
    );
    await expect(run({ input_ids: source, labels: ints([[-100, -100, -100, 40]]) }, ['loss'])).rejects.toThrow(
      /holds 40, but the vocabulary has 37/,
    );
  });
});
