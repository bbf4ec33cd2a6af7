import type { HostArray, Parameters } from '@graft/core';
import { openEngine, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { loadClassifier, saveClassifier } from '@graft/gemma';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, temporaryFolder } from '../support';
import {
  expectedTensors,
  fixture,
  largestDifference,
  MISSING,
  NATIVE_MODES,
  readJson,
  SLOW_PJRT_MODES,
  TOLERANCE,
} from './reference';

interface Expected {
  readonly loss: number;
  readonly grad_l2: Readonly<Record<string, number>>;
}

const upload = ({ values, shape, dtype }: HostArray): tf.Tensor => tf.tensor(values, [...shape], dtype);

describe.each(['seqcls-enconly', 'seqcls-encdec'])('the published classifier %s', (name) => {
  const folder = fixture(name);
  describeIf(folder !== undefined, MISSING, 'the classifier as Graft loads it', () => {
    test.each<EngineMode>([...NATIVE_MODES, 'portable', ...SLOW_PJRT_MODES])(
      'logits, loss and the norm of every gradient are the published ones on %s',
      async (mode) => {
        const engine = await openEngine({ mode });
        const expected = readJson<Expected>(folder!, 'expected.json');
        const tensors = await expectedTensors(folder!);
        const loaded = await loadClassifier(folder!, { encoderWindow: 'inclusive' });
        expect(loaded.unknownTensors).toEqual([]);
        expect(loaded.classifier.config).toMatchObject({
          task: 'sequence',
          reads: name === 'seqcls-encdec' ? 'decoder' : 'encoder',
          labels: ['LABEL_0', 'LABEL_1', 'LABEL_2'],
        });
        const fields = {
          input_ids: upload(tensors.input_ids),
          attention_mask: upload(tensors.attention_mask),
        };
        const labels = upload(tensors.labels);
        const { classifier } = loaded;
        const step = engine.jit((own: Parameters, given: typeof fields, wanted: tf.Tensor) => {
          const { loss, gradients, auxiliary } = valueAndGradients((trained) => {
            const logits = classifier.logits(trained, given);
            return { loss: classifier.loss(logits, wanted), auxiliary: { logits } };
          }, own);
          const norms = Object.fromEntries(
            Object.entries(gradients).map(([parameter, gradient]) => [parameter, tf.norm(gradient)]),
          );
          return { loss, logits: auxiliary.logits, norms };
        });
        const got = await step.async(loaded.parameters, fields, labels);
        const logits: HostArray = {
          dtype: 'float32',
          shape: got.logits.shape,
          values: await got.logits.data<'float32'>(),
        };
        expect(largestDifference(logits, tensors.logits)).toBeLessThanOrEqual(TOLERANCE.logits);
        expect(Math.abs((await got.loss.data())[0] - expected.loss)).toBeLessThanOrEqual(TOLERANCE.loss);
        expect(Object.keys(got.norms).sort()).toEqual(Object.keys(expected.grad_l2).sort());
        for (const [parameter, norm] of Object.entries(expected.grad_l2)) {
          const ratio = (await got.norms[parameter].data())[0] / norm;
          expect(Math.abs(ratio - 1)).toBeLessThanOrEqual(TOLERANCE.gradientOfLargest);
        }
        tf.dispose([fields, labels, got]);
        step.dispose();
        loaded.dispose();
      },
    );

    test('a saved classifier is loaded as it was', async () => {
      await openEngine({ mode: 'portable' });
      const out = join(temporaryFolder(), 'again');
      const loaded = await loadClassifier(folder!);
      await saveClassifier(out, loaded.classifier, loaded.parameters, { extraFiles: { 'note.txt': 'x' } });
      const again = await loadClassifier(out);
      expect(again.classifier.config).toEqual(loaded.classifier.config);
      for (const [parameter, value] of Object.entries(loaded.parameters))
        expect(again.parameters[parameter].dataSync()).toEqual(value.dataSync());
      const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
      expect(config).toMatchObject({ label2id: { LABEL_2: 2 }, is_encoder_decoder: name === 'seqcls-encdec' });
      loaded.dispose();
      again.dispose();
    });
  });
});
