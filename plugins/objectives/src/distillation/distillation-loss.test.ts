/**
 * Losses and gradients of distillation against double precision, whole and in chunks. Shapes: B rows of a batch, T labels of a
 * row, D width of a state, V vocabulary.
 */
import {
  createRandom,
  uploadBatch,
  type BatchTensors,
  type HostFields,
  type Model,
  type Parameters,
} from '@graft/core';
import { findNativeLibrary, openEngine, random, tf, valueAndGradients, type EngineMode } from '@graft/engine';
import { worstDifference } from '@graft/test-support';
import { int32 } from '../../test-support/fake-model';
import { knownTargets, Teacher } from './distillation';
import type { DistillationSettings, TeacherTargets } from './teacher-targets';
import { distillationLoss } from './distillation-loss';
import { PrefixLm, prefixLmOptions } from '../objectives/prefix-lm';
import { noiseOf } from './teacher-samples';
import type { TopK } from '../loss/top-k-divergence';

const [V, D, CAP] = [12, 3, 4];

/** Embeds ids by a table [V, D] and makes capped logits by another; with `apart`, its output layer is to be had apart. */
function capped(kind: Model['kind'], apart = true): Model {
  const rows = (parameters: Parameters, fields: BatchTensors): tf.Tensor2D => {
    const ids = kind === 'encoder-decoder' ? fields.decoder_input_ids : fields.input_ids;
    return tf.gather(parameters.states, ids.reshape([-1]).toInt() as tf.Tensor1D) as tf.Tensor2D;
  };
  const logits = (parameters: Parameters, x: tf.Tensor): tf.Tensor2D =>
    tf.mul(tf.tanh(tf.div(tf.matMul(x as tf.Tensor2D, parameters.output as tf.Tensor2D, false, true), CAP)), CAP);
  return {
    kind,
    vocabularySize: V,
    specialTokens: { pad: 0, start: 2, eos: [1] },
    parameters: ['states', 'output'].map((name) => ({ name, shape: [V, D], part: 'embedding', initial: 'normal' })),
    checkpointConfig: {},
    readsSegments: true,
    forward(parameters, fields) {
      const [batch, length] = (kind === 'encoder-decoder' ? fields.decoder_input_ids : fields.input_ids).shape;
      return { logits: logits(parameters, rows(parameters, fields)).reshape([batch, length!, V]) };
    },
    ...(apart ? { head: { parameters: ['output'], rows, logits } } : {}),
  };
}

type Numbers = readonly (readonly number[])[];
const numbers = (seed: number): number[][] =>
  tf.tidy(() => tf.randomNormal([V, D], 0, 1.5, 'float32', seed).arraySync() as number[][]);
const softmax = (row: readonly number[]): number[] => {
  const peak = Math.max(...row);
  const e = row.map((x) => Math.exp(x - peak));
  const total = e.reduce((a, b) => a + b);
  return e.map((x) => x / total);
};
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
const cappedLogits = (state: readonly number[], output: Numbers): number[] =>
  output.map((row) => CAP * Math.tanh(dot(state, row) / CAP));

/** One row of labels with what is read before each: by the decoder, and by the teacher. */
interface IndexRow {
  readonly label: number;
  readonly weight: number;
  readonly read: number;
  readonly readByTeacher: number;
  /** Of Gumbel noise, [V]; for `gemma3`. */
  readonly noise: readonly number[];
}

/** The loss as its definition says, in double precision, with the gradients of both tables. */
function reference(
  indices: readonly IndexRow[],
  student: { states: Numbers; output: Numbers },
  teacher: { states: Numbers; output: Numbers },
  { loss: kind = 'blend', alpha, temperature: t, samples = 256 }: DistillationSettings,
) {
  const weight = indices.reduce((sum, place) => sum + place.weight, 0);
  const gradients = {
    states: student.states.map((row) => row.map(() => 0)),
    output: student.output.map((row) => row.map(() => 0)),
  };
  let [loss, crossEntropy, divergence] = [0, 0, 0];
  for (const { label, weight: own, read, readByTeacher, noise } of indices) {
    const w = own / weight;
    if (w === 0) continue;
    const x = cappedLogits(student.states[read], student.output);
    const taught = cappedLogits(teacher.states[readByTeacher], teacher.output).map((y) => y / t);
    let p = softmax(taught);
    if (kind === 'gemma3') {
      const order = p.map((_, i) => i).sort((a, b) => taught[b] + noise[b] - taught[a] - noise[a]);
      const drawn = new Set(order.slice(0, samples));
      const sum = p.reduce((all, value, i) => all + (drawn.has(i) ? value : 0), 0);
      p = p.map((value, i) => (drawn.has(i) ? value / sum : 0));
    }
    const [q, soft] = [softmax(x), softmax(x.map((y) => y / t))];
    const hard = -Math.log(q[label]);
    const entropy = -p.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0);
    const softCrossEntropy = -p.reduce((sum, value, i) => sum + (value > 0 ? value * Math.log(soft[i]) : 0), 0);
    crossEntropy += w * hard;
    divergence += w * t * t * (softCrossEntropy - entropy);
    loss +=
      w *
      (kind === 'blend' ? alpha * hard + (1 - alpha) * t * t * (softCrossEntropy - entropy) : t * t * softCrossEntropy);
    const share = kind === 'blend' ? alpha : 0;
    for (let i = 0; i < V; i++) {
      const ofLogit = w * (share * (q[i] - (i === label ? 1 : 0)) + (1 - share) * t * (soft[i] - p[i]));
      const raw = ofLogit * (1 - (x[i] / CAP) ** 2);
      for (let d = 0; d < D; d++) {
        gradients.states[read][d] += raw * student.output[i][d];
        gradients.output[i][d] += raw * student.states[read][d];
      }
    }
  }
  return { loss, crossEntropy, divergence, gradients };
}

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

const SETTINGS: DistillationSettings[] = [
  { loss: 'blend', alpha: 0.25, temperature: 1 },
  { loss: 'blend', alpha: 0.6, temperature: 2 },
  { loss: 'blend', alpha: 0, temperature: 1 },
  { loss: 'blend', alpha: 1, temperature: 1 },
  { loss: 'gemma2', alpha: 0, temperature: 1 },
  { loss: 'gemma2', alpha: 0, temperature: 1.5 },
  { loss: 'gemma3', alpha: 0, temperature: 1, samples: 4 },
  { loss: 'gemma3', alpha: 0, temperature: 1.5, samples: 3 },
  { loss: 'gemma3', alpha: 0, temperature: 1, samples: 256 },
];

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

/** The labels with what stands before them, and their noise. */
function indicesOf(host: HostFields): IndexRow[] {
  const [rows, length] = host.labels.shape;
  const teacherLength = host.teacher_input_ids.shape[1];
  const keys = host.teacher_keys as HostFields[string] | undefined;
  return Array.from({ length: rows }, (_, row) => {
    const key = keys && random.key([keys.values[2 * row], keys.values[2 * row + 1]]);
    const noise = key && (noiseOf(key, 0, [length, V]).arraySync() as number[][]);
    return Array.from({ length }, (__, j): IndexRow => {
      const at = row * length + j;
      const label = host.labels.values[at];
      return {
        label: Math.max(0, label),
        weight: label === -100 ? 0 : host.label_weights.values[at],
        read: host.decoder_input_ids.values[at],
        readByTeacher: host.teacher_input_ids.values[row * teacherLength + host.teacher_positions.values[at]],
        noise: noise?.[j] ?? [],
      };
    });
  }).flat();
}

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
