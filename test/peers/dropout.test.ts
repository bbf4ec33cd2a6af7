/** The same masks in the same places: loss and every gradient of a training pass, here and in the published implementation. */
import { readHostTensors, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import type { BatchTensors, Parameters } from '@graft/core';
import { openEngine, random, tf, valueAndGradients } from '@graft/engine';
import { loadModel, type GemmaModel } from '@graft/gemma';
import { maskedCrossEntropy } from '@graft/objectives';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { ints, tinyGemma, writeTiny } from '../../plugins/gemma/test-support/tiny-gemma';

const isThere = hasModules('torch', 'transformers', 'safetensors');

const SIDE = { layers: 2, hidden: 24, feedForward: 20, heads: 4, keyValueHeads: 2, headDim: 6, slidingWindow: 3 };
const MODELS: Record<string, GemmaModel> = {
  'T5Gemma of two unlike sides': tinyGemma({
    ...{ encoder: { ...SIDE, layers: 3, hidden: 16 }, decoder: SIDE, encoderWindow: 'inclusive' },
    ...{ dropout: 0.2, attentionDropout: 0.3 },
  }),
  'Gemma 2': tinyGemma({ kind: 'decoder-only', decoder: SIDE, attentionDropout: 0.3 }),
};

const FIELDS = {
  input_ids: [
    [5, 6, 7, 8, 9, 10],
    [11, 12, 13, 14, 0, 0],
  ],
  attention_mask: [
    [1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 0],
  ],
  decoder_input_ids: [
    [2, 15, 16, 17],
    [2, 18, 19, 0],
  ],
  decoder_attention_mask: [
    [1, 1, 1, 1],
    [1, 1, 1, 0],
  ],
};
const LABELS = {
  'encoder-decoder': [
    [15, 16, 17, 1],
    [18, 19, 1, -100],
  ],
  'decoder-only': [
    [6, 7, 8, 9, 10, 1],
    [12, 13, 14, 1, -100, -100],
  ],
};

describeIf(isThere, 'the published implementation is not installed; `npm run test:peers` does it', 'dropout in the published implementation', () => {
  test.each(Object.entries(MODELS))('the loss and every gradient of %s are the published ones for the same masks', async (name, { config, kind }) => {
    await openEngine({ mode: 'portable' });
    const base = temporaryFolder();
    const folder = await writeTiny(join(base, 'model'), { config });
    const { model, parameters, dispose } = await loadModel(folder);
    expect(model.dropout).toEqual(kind === 'decoder-only' ? { attentionDropout: 0.3 } : config.dropout);
    const names = Object.keys(FIELDS).filter((field) => kind === 'encoder-decoder' || !field.startsWith('decoder_'));
    const inputs = Object.fromEntries(names.map((field) => [field, ints(FIELDS[field as keyof typeof FIELDS])]));
    const all = { ...inputs, labels: ints(LABELS[kind as keyof typeof LABELS]) };

    const masks: Record<string, HostTensor> = {};
    const draw = random.dropoutMask.bind(random);
    const spy = jest.spyOn(random, 'dropoutMask').mockImplementation((key, shape, rate) => {
      const mask = draw(key, shape, rate);
      const place = `mask ${String(Object.keys(masks).length).padStart(3, '0')}`;
      masks[place] = { dtype: 'float32', shape: [...shape], values: mask.dataSync() as Float32Array };
      return mask;
    });
    const own = tf.tidy(() => {
      const batch = Object.fromEntries(
        Object.entries(all).map(([field, { values, shape }]) => [field, tf.tensor(values, [...shape], 'int32')]),
      ) as BatchTensors;
      const { labels, ...fields } = batch;
      const options = { training: true, randomKey: random.key(4) };
      const { loss, gradients } = valueAndGradients((p: Parameters) => {
        const { logits } = model.forward(p, fields, options);
        return { loss: maskedCrossEntropy(logits, labels).loss, auxiliary: {} };
      }, parameters);
      return {
        loss: loss.dataSync()[0],
        gradients: Object.fromEntries(Object.entries(gradients).map(([key, one]) => [key, [...one.dataSync()]])),
      };
    });
    spy.mockRestore();
    dispose();

    const file = (what: string): string => join(base, `${what}.safetensors`);
    await writeHostTensors(file('inputs'), all);
    await writeHostTensors(file('masks'), masks);
    const script = [join(__dirname, 'dropout.py'), folder, file('inputs'), file('masks'), file('said')];
    const { status, stderr } = spawnSync(PYTHON, script, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    const theirs = await readHostTensors(file('said'));
    expect(Math.abs(theirs.loss.values[0] - own.loss)).toBeLessThan(1e-5);
    let compared = 0;
    for (const [parameter, values] of Object.entries(own.gradients)) {
      const expected = theirs[`grad.${parameter}`].values;
      const largest = Math.max(...Array.from(expected, Math.abs));
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      if (!(worst <= 1e-4 * largest)) throw new Error(`The gradient of ${parameter} is off by ${worst} of ${largest}.`);
      compared++;
    }
    console.log(`${name}: ${Object.keys(masks).length} masks, the loss and ${compared} gradients agree.`);
  });
});
