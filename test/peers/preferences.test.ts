/** Preference tuning and on-policy distillation beside TRL. */
import { createRandom, uploadBatch, type HostFields, type Model, type Objective, type Parameters } from '@graft/core';
import { openEngine, tf, valueAndGradients } from '@graft/engine';
import { loadModel } from '@graft/gemma';
import { Dpo, generalizedJsd, Reference, type DpoOptions } from '@graft/tuning';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixture } from '../golden/reference';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('torch', 'transformers', 'safetensors', 'trl');

/** Shares of the value; metrics, which are differences of sums of about 20, by themselves. */
const TOLERANCE = { loss: 2e-5, gradNorm: 1e-4, metrics: 1e-4 } as const;

const PAIRS = [
  { source: [5, 6, 7, 300], chosen: [8, 9, 1], rejected: [10, 1] },
  { source: [11, 12], chosen: [13, 1], rejected: [14, 15, 16, 1] },
  { source: [400, 401, 402], chosen: [20, 21, 22, 23, 1], rejected: [24, 1] },
];

type Settings = DpoOptions & { readonly perToken: boolean };

const SETTINGS: readonly Settings[] = [
  { loss: 'sigmoid', beta: 0.1, perToken: false },
  { loss: 'sigmoid', beta: 2, perToken: true },
  { loss: 'sigmoid', beta: 0.5, perToken: false, labelSmoothing: 0.2 },
  { loss: 'robust', beta: 0.3, perToken: false, labelSmoothing: 0.1 },
  { loss: 'hinge', beta: 0.1, perToken: false },
  { loss: 'ipo', beta: 0.2, perToken: true },
  // SimPO.
  { loss: 'sigmoid', beta: 2, perToken: true, margin: 1.5, reference: 'none' },
];
const DIVERGENCES = [
  { beta: 0, temperature: 1 },
  { beta: 0.5, temperature: 1 },
  { beta: 0.9, temperature: 1 },
  { beta: 1, temperature: 2 },
];

interface Expected {
  readonly losses: readonly ({
    readonly by: string;
    readonly loss: number;
    readonly gradNorm: number;
    readonly accuracy?: number;
    readonly margin?: number;
    readonly chosen?: number;
  } | null)[];
  readonly divergences: readonly { readonly loss: number; readonly gradNorm: number }[];
}

interface Computed {
  readonly loss: number;
  readonly gradNorm: number;
  readonly metrics: Record<string, number>;
}

function compute(
  parameters: Parameters,
  loss: (own: Parameters) => Pick<ReturnType<Objective['loss']>, 'loss' | 'metrics'>,
): Computed {
  const result = valueAndGradients((own: Parameters) => {
    const { loss: value, metrics = {} } = loss(own);
    return { loss: value, auxiliary: metrics };
  }, parameters);
  const squares = Object.values(result.gradients).map((gradient) =>
    (gradient.dataSync() as Float32Array).reduce((sum, value) => sum + value ** 2, 0),
  );
  const auxiliary = Object.entries(result.auxiliary).map(([name, value]) => [name, value.dataSync()[0]] as const);
  const computed = {
    loss: result.loss.dataSync()[0],
    gradNorm: Math.sqrt(squares.reduce((sum, value) => sum + value, 0)),
    metrics: Object.fromEntries(auxiliary),
  };
  tf.dispose(result as unknown as tf.TensorContainer);
  return computed;
}

function expectClose(got: Computed, expected: { readonly loss: number; readonly gradNorm: number }): void {
  expect(Math.abs(got.loss - expected.loss) / expected.loss).toBeLessThan(TOLERANCE.loss);
  expect(Math.abs(got.gradNorm - expected.gradNorm) / expected.gradNorm).toBeLessThan(TOLERANCE.gradNorm);
}

describeIf(isThere, 'TRL is not installed; `npm run test:peers` does it', 'preference tuning beside TRL', () => {
  const base = temporaryFolder();
  const examples = PAIRS.map((pair) =>
    Object.fromEntries(
      Object.entries(pair).map(([name, ids]) => [
        name,
        { dtype: 'int32', shape: [ids.length], values: Int32Array.from(ids) },
      ]),
    ),
  ) as HostFields[];

  test.each(['gemma2-tiny', 't5gemma-tiny-balanced'])(
    '%s: losses, gradients and metrics are those of TRL',
    async (name) => {
      await openEngine({ mode: 'portable' });
      const folder = fixture(name)!;
      const [file, out] = [join(base, `${name}.json`), join(base, name)];
      writeFileSync(file, JSON.stringify({ pairs: PAIRS, settings: SETTINGS, divergences: DIVERGENCES }));
      const script = join(__dirname, 'preferences.py');
      const { status, stderr } = spawnSync(PYTHON, [script, folder, file, out], { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
      const expected = JSON.parse(readFileSync(join(out, 'expected.json'), 'utf8')) as Expected;
      const { model, parameters } = await loadModel(folder);
      const other = await loadModel(join(out, 'reference'));
      const reference = Reference.of({ ...other, dispose: () => undefined });
      const context = { model: model as Model, step: 0, random: createRandom(1) };
      const host = new Dpo({ padToMultipleOf: 8 }).prepare({ kind: 'examples', examples }, context);
      const batch = uploadBatch(host);

      for (const [i, settings] of SETTINGS.entries()) {
        const wanted = expected.losses[i];
        // TRL has the robust form for decoder-only models alone.
        if (!wanted) expect([settings.loss, model.kind]).toEqual(['robust', 'encoder-decoder']);
        if (!wanted) continue;
        const got = compute(parameters, (own) =>
          new Dpo(settings, reference).loss(model, own, batch, { training: true }),
        );
        expectClose(got, wanted);
        const { accuracy = got.metrics.rewardAccuracy, margin = got.metrics.rewardMargin } = wanted;
        const { chosen = got.metrics.chosenLogProbability } = wanted;
        expect(got.metrics.rewardAccuracy).toBeCloseTo(accuracy, 6);
        expect(Math.abs(got.metrics.rewardMargin - margin)).toBeLessThan(TOLERANCE.metrics);
        expect(Math.abs(got.metrics.chosenLogProbability - chosen)).toBeLessThan(TOLERANCE.metrics);
      }

      // Of both answers' tokens together, as GKD takes whatever labels it gets.
      const ofAnswers = ['', 'rejected_'].map((prefix) => {
        const fields = Object.fromEntries(
          ['input_ids', 'attention_mask', 'decoder_input_ids', 'decoder_attention_mask'].flatMap((field) => {
            const own = batch[`${prefix}${field}`] ?? (model.kind === 'encoder-decoder' ? batch[field] : undefined);
            return own ? [[field, own]] : [];
          }),
        );
        return { fields, labels: batch[`${prefix}labels`] };
      });
      const count = [host.labels, host.rejected_labels].flatMap(({ values }) => [...values]).filter((id) => id !== -100);
      for (const [i, { beta, temperature }] of DIVERGENCES.entries()) {
        const got = compute(parameters, (own) => {
          const parts = ofAnswers.map(({ fields, labels }) => {
            const flat = (from: Model, with_: Parameters): tf.Tensor2D =>
              tf.div(tf.reshape(from.forward(with_, fields).logits, [labels.size, model.vocabularySize]), temperature);
            const weights = tf.div(tf.notEqual(tf.reshape(labels, [-1]), -100).toFloat(), count.length);
            return generalizedJsd(flat(model, own), flat(other.model, other.parameters), weights as tf.Tensor1D, beta);
          });
          return { loss: tf.add(parts[0], parts[1]) };
        });
        expectClose(got, expected.divergences[i]);
      }
      tf.dispose([parameters, other.parameters, batch] as tf.TensorContainer);
    },
    300_000,
  );
});
