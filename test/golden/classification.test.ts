import { CheckpointReader } from '@graft/checkpoint';
import type { HostArray, Parameters } from '@graft/core';
import { openEngine, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { gemmaOf, readModelConfig } from '@graft/gemma';
import { classificationLoss, classLogits, type ClassificationBatch } from '@graft/superglue';
import { describeIf } from '../support';
import {
  expectedTensors,
  fixture,
  largestDifference,
  MISSING,
  NATIVE_MODES,
  PJRT_MODES,
  readJson,
  TOLERANCE,
} from './reference';

interface Expected {
  readonly loss: number;
  readonly pooled_index: readonly number[];
  readonly grad_l2: Readonly<Record<string, number>>;
}

const folder = fixture('seqcls-enconly');

/** Everything in the file: the encoder's parameters and the head's. */
async function readParameters(): Promise<Parameters> {
  const reader = await CheckpointReader.open(folder!);
  const entries: [string, tf.Tensor][] = [];
  for (const { name, shape } of reader.tensors.values())
    entries.push([name, tf.tensor(await reader.readFloat32(name), [...shape])]);
  await reader.close();
  return Object.fromEntries(entries);
}

const upload = ({ values, shape, dtype }: HostArray): tf.Tensor => tf.tensor(values, [...shape], dtype);

describeIf(folder !== undefined, MISSING, 'the published classifier on the encoder', () => {
  test.each<EngineMode>([...NATIVE_MODES, 'portable', ...PJRT_MODES])(
    'logits, loss and the norm of every gradient are the published ones on %s',
    async (mode) => {
      const engine = await openEngine({ mode });
      const config = readJson<Record<string, unknown>>(folder!, 'config.json');
      const expected = readJson<Expected>(folder!, 'expected.json');
      const tensors = await expectedTensors(folder!);
      const model = gemmaOf(readModelConfig(config, { encoderWindow: 'inclusive' }));
      const parameters = await readParameters();
      const [rows, length] = tensors.input_ids.shape;
      const batch: ClassificationBatch = {
        input_ids: upload(tensors.input_ids) as tf.Tensor2D,
        attention_mask: upload(tensors.attention_mask) as tf.Tensor2D,
        last_rows: tf.tensor1d(
          expected.pooled_index.map((index, row) => row * length + index),
          'int32',
        ),
        labels: upload(tensors.labels) as tf.Tensor1D,
        weights: tf.ones([rows]),
      };
      const step = engine.jit((own: Parameters, given: ClassificationBatch) => {
        const { loss, gradients, auxiliary } = valueAndGradients((trained) => {
          const logits = classLogits(model.representation, trained, given);
          return { loss: classificationLoss(logits, given), auxiliary: { logits } };
        }, own);
        const norms = Object.fromEntries(
          Object.entries(gradients).map(([name, gradient]) => [name, tf.norm(gradient)]),
        );
        return { loss, logits: auxiliary.logits, norms };
      });
      const got = await step.async(parameters, batch);
      const logits: HostArray = {
        dtype: 'float32',
        shape: got.logits.shape,
        values: await got.logits.data<'float32'>(),
      };
      expect(largestDifference(logits, tensors.logits)).toBeLessThanOrEqual(TOLERANCE.logits);
      expect(Math.abs((await got.loss.data())[0] - expected.loss)).toBeLessThanOrEqual(TOLERANCE.loss);
      expect(Object.keys(got.norms).sort()).toEqual(Object.keys(expected.grad_l2).sort());
      for (const [name, norm] of Object.entries(expected.grad_l2))
        expect(Math.abs((await got.norms[name].data())[0] / norm - 1)).toBeLessThanOrEqual(TOLERANCE.gradientOfLargest);
      tf.dispose([parameters, batch, got]);
      step.dispose();
    },
  );
});
