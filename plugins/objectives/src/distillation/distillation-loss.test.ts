/** Losses and gradients of distillation against double precision, whole and in chunks. */
import { createRandom, uploadBatch, type BatchTensors, type HostFields, type Parameters } from '@graft/core';
import { findNativeLibrary, openEngine, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import {
  capped,
  indicesOf,
  numbers,
  reference,
  SETTINGS,
  V,
  type Numbers,
} from '../../test-support/distillation-reference';
import { int32 } from '../../test-support/fake-model';
import { knownTargets, Teacher } from './distillation';
import type { DistillationSettings, TeacherTargets } from './teacher-targets';
import { distillationLoss } from './distillation-loss';
import { PrefixLm, prefixLmOptions } from '../objectives/prefix-lm';
import type { TopK } from '../loss/top-k-divergence';

/** Two rows, the second in two segments; ignored labels, weights, filling. */
const BATCH: HostFields = {
  input_ids: int32([
    [5, 6, 7, 3],
    [8, 9, 10, 0],
  ]),
  attention_mask: int32([
    [1, 1, 1, 1],
    [1, 1, 1, 0],
  ]),
  segment_ids: int32([
    [1, 1, 1, 1],
    [1, 1, 2, 0],
  ]),
  decoder_input_ids: int32([
    [2, 8, 9, 4, 11],
    [2, 4, 2, 3, 0],
  ]),
  decoder_segment_ids: int32([
    [1, 1, 1, 1, 1],
    [1, 1, 2, 2, 0],
  ]),
  decoder_attention_mask: int32([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0],
  ]),
  labels: int32([
    [8, -100, 4, 11, 1],
    [4, 1, 3, 1, -100],
  ]),
  label_weights: { dtype: 'float32', shape: [2, 5], values: Float32Array.from([1, 9, 0.5, 2, 1, 0.25, 1, 1, 0, 3]) },
};

const MODES: EngineMode[] = ['portable', 'eager', 'graph', 'xla'];

let hasLibrary = false;
beforeAll(async () => void (hasLibrary = (await findNativeLibrary()) !== undefined));

describe.each(MODES)('distillation on %s', (mode) => {
  // XLA compiles for a second each.
  test.each(mode === 'xla' ? SETTINGS.filter((_, i) => i % 3 === 1) : SETTINGS)(
    'the loss and gradients of %j agree with double precision, whole and in chunks',
    async (settings) => {
      if (!hasLibrary && mode !== 'portable') return;
      const engine = await openEngine({ mode });
      const [student, teacher] = [
        { states: numbers(1), output: numbers(2) },
        { states: numbers(3), output: numbers(4) },
      ];
      const [model, teacherModel] = [capped('encoder-decoder'), capped('decoder-only')];
      const upload = (own: { states: Numbers; output: Numbers }): Parameters =>
        Object.fromEntries(Object.entries(own).map(([name, rows]) => [name, tf.tensor2d(rows as number[][])]));
      const [ownTables, taughtTables] = [upload(student), upload(teacher)];
      const host = {
        ...BATCH,
        ...new Teacher(teacherModel, {}, settings).fields(BATCH, 4, model, (row) => createRandom(5).fork(row)),
      };
      const batch = uploadBatch(host);
      const indices = indicesOf(host);
      const expected = reference(indices, student, teacher, settings);
      for (const apart of mode === 'xla' ? [true] : [true, false]) {
        for (const chunkTokens of apart ? [undefined, 3] : [undefined]) {
          const teacher = new Teacher(apart ? teacherModel : capped('decoder-only', false), taughtTables, settings);
          const step = engine.jit((own: Parameters, fields: BatchTensors) => {
            const { loss, gradients, auxiliary } = valueAndGradients((parameters) => {
              const out = distillationLoss(model, parameters, fields, { training: true }, { chunkTokens }, teacher);
              const { crossEntropy, divergence } = out.metrics!;
              return {
                loss: tf.mul<tf.Scalar>(out.loss, 3),
                auxiliary: { crossEntropy, divergence, weight: out.weight! },
              };
            }, own);
            return { loss, gradients, auxiliary };
          });
          const before = tf.memory().numTensors;
          const { loss, gradients, auxiliary } = step(ownTables, batch);
          const near = (got: tf.Tensor, wanted: number): void =>
            expect(Math.abs(got.dataSync()[0] - wanted)).toBeLessThan(2e-5 * (1 + Math.abs(wanted)));
          near(loss, 3 * expected.loss);
          near(auxiliary.crossEntropy, expected.crossEntropy);
          near(auxiliary.divergence, expected.divergence);
          near(auxiliary.weight, 6.75);
          for (const name of ['states', 'output'] as const)
            expect(
              worstDifference(
                gradients[name].dataSync(),
                expected.gradients[name].flat().map((value) => 3 * value),
              ),
            ).toBeLessThan(2e-5);
          tf.dispose([loss, gradients, auxiliary]);
          expect(tf.memory().numTensors).toBe(before);
          step.dispose();
        }
      }
      tf.dispose([ownTables, taughtTables, batch]);
    },
  );

  test('a partly known distribution gives the same loss and gradients in chunks', async () => {
    if (!hasLibrary && mode !== 'portable') return;
    const engine = await openEngine({ mode });
    const model = capped('encoder-decoder');
    const own = { states: tf.tensor2d(numbers(1)), output: tf.tensor2d(numbers(2)) };
    const tokens = tf.tensor2d(
      Array.from({ length: 10 }, (_, n) => [n % V, (n + 5) % V]),
      [10, 2],
      'int32',
    );
    const known = { tokens, logProbabilities: tf.fill([10, 2], Math.log(0.3)), logRest: tf.fill([10], Math.log(0.4)) };
    const batch = uploadBatch(BATCH);
    const losses = (mode === 'xla' ? [undefined, 4] : [undefined, 1, 4, 100]).map((chunkTokens) => {
      const step = engine.jit((parameters: Parameters, fields: BatchTensors, taught: typeof known) =>
        valueAndGradients((p) => {
          const teacher = {
            options: { alpha: 0.3, temperature: 1.5 },
            targets: () => knownTargets(taught as unknown as TopK),
          } as unknown as TeacherTargets;
          return {
            loss: distillationLoss(model, p, fields, { training: true }, { chunkTokens }, teacher).loss,
            auxiliary: {},
          };
        }, parameters),
      );
      const { loss, gradients } = step(own, batch, known);
      const all = [loss, gradients.states, gradients.output].map((tensor) => Array.from(tensor.dataSync()));
      tf.dispose([loss, gradients]);
      step.dispose();
      return all.flat();
    });
    for (const other of losses.slice(1)) expect(worstDifference(other, losses[0])).toBeLessThan(1e-6);
    tf.dispose([own, known, batch]);
  });
});

describe('the options of distillation', () => {
  const parse = (distillation: object): ReturnType<typeof prefixLmOptions.safeParse> =>
    prefixLmOptions.safeParse({ distillation: { teacher: 'there', ...distillation } });

  it.each([
    [{ loss: 'gemma2', alpha: 0.25 }, /belongs to `loss: blend`; gemma2 and gemma3 learn from the teacher alone/],
    [{ loss: 'gemma3', alpha: 0 }, /belongs to `loss: blend`/],
    [{ samples: 64 }, /belongs to `loss: gemma3`/],
    [{ loss: 'gemma' }, /gemma2/],
  ])('the options %j are refused', (options, message) => {
    expect(parse(options).error?.issues[0].message).toMatch(message);
  });

  it.each([
    [{ loss: 'gemma2', alpha: 0, temperature: 1 }, /distillation\.loss gemma2/],
    [{ alpha: 0, temperature: 1 }, /distillation\.alpha 0/],
  ] as const)('label smoothing is refused where labels have no part in the loss: %j', (settings, message) => {
    const make = (): PrefixLm =>
      new PrefixLm(prefixLmOptions.parse({ labelSmoothing: 0.1 }), new Teacher(capped('decoder-only'), {}, settings));
    expect(make).toThrow(/^objective\.labelSmoothing is of the labels' cross-entropy/);
    expect(make).toThrow(message);
  });
});

describe('the samples of gemma3', () => {
  const settings: DistillationSettings = { loss: 'gemma3', alpha: 0, temperature: 1, samples: 3 };
  const teacher = new Teacher(capped('decoder-only'), {}, settings);
  const rowsOf = (fields: HostFields): number[][] => {
    const { values } = fields.teacher_keys;
    return [0, 1].map((row) => Array.from(values.slice(2 * row, 2 * row + 2)));
  };

  it('the key of an example depends on step, seed and example, and not on the worker', () => {
    const objective = new PrefixLm(prefixLmOptions.parse({}), teacher);
    const prepare = (seed: number, step: number, firstExample = 0): number[][] =>
      rowsOf(
        objective.prepare(
          { kind: 'batch', batch: { input_ids: int32([[5, 6], [5, 6]]), labels: int32([[8, 1], [8, 1]]) } },
          { model: capped('encoder-decoder'), random: createRandom(seed).fork('step').fork(step), step, firstExample },
        ),
      ); // prettier-ignore
    const first = prepare(1, 0);
    expect(first[0]).not.toEqual(first[1]);
    expect(prepare(1, 0)).toEqual(first);
    expect(prepare(1, 0, 1)[0]).toEqual(first[1]);
    for (const other of [prepare(1, 1), prepare(2, 0)]) expect(other).not.toEqual(first);
  });
});
