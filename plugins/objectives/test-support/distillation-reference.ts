/**
 * What tests of distillation compare with: models whose logits are known in closed form, and the loss in double precision.
 * Shapes: B rows of a batch, T labels of a row, D width of a state, V vocabulary.
 */
import type { BatchTensors, HostFields, Model, Parameters } from '@graft/core';
import { random, tf } from '@graft/engine';
import { noiseOf } from '../src/distillation/teacher-samples';
import type { DistillationSettings } from '../src/distillation/teacher-targets';

export const V = 12;
const [D, CAP] = [3, 4];

/** Embeds ids by a table [V, D] and makes capped logits by another; with `apart`, its output layer is to be had apart. */
export function capped(kind: Model['kind'], apart = true): Model {
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

export type Numbers = readonly (readonly number[])[];
export const numbers = (seed: number): number[][] =>
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
export interface IndexRow {
  readonly label: number;
  readonly weight: number;
  readonly read: number;
  readonly readByTeacher: number;
  /** Of Gumbel noise, [V]; for `gemma3`. */
  readonly noise: readonly number[];
  /** Whether the label's distribution is one-hot, at temperature 1, instead of the teacher's. */
  readonly oneHot?: boolean;
}

/** The loss as its definition says, in double precision, with the gradients of both tables. */
export function reference(
  indices: readonly IndexRow[],
  student: { states: Numbers; output: Numbers },
  teacher: { states: Numbers; output: Numbers },
  { loss: kind = 'blend', alpha, temperature, samples = 256 }: DistillationSettings,
) {
  const weight = indices.reduce((sum, place) => sum + place.weight, 0);
  const gradients = {
    states: student.states.map((row) => row.map(() => 0)),
    output: student.output.map((row) => row.map(() => 0)),
  };
  let [loss, crossEntropy, divergence] = [0, 0, 0];
  for (const { label, weight: own, read, readByTeacher, noise, oneHot = false } of indices) {
    const t = oneHot ? 1 : temperature;
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
    if (oneHot) p = p.map((_, i) => (i === label ? 1 : 0));
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

export const SETTINGS: DistillationSettings[] = [
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

/** The labels with what stands before them, and their noise. */
export function indicesOf(host: HostFields): IndexRow[] {
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
