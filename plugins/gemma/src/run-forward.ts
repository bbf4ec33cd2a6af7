/** Shapes: B batch, T target length, S source length, V vocabulary. */
import { DataError, IGNORED_LABEL, type BatchTensors, type ModelOutputs, type Parameters } from '@graft/core';
import type { HostTensor } from '@graft/checkpoint';
import { tf, valueAndGradients, type Engine } from '@graft/engine';
import type { GemmaModel } from './model';

export type ForwardOutput = 'encoder' | 'loss' | 'gradients';
export const FORWARD_OUTPUTS: readonly ForwardOutput[] = ['encoder', 'loss', 'gradients'];

/** Decoder inputs from labels: one to the right behind the start token, ignored labels as pad (quirk 5). */
export function shiftRight(labels: HostTensor, start: number, pad: number): HostTensor {
  const [batch, length] = labels.shape;
  const values = new Int32Array(batch * length);
  for (let row = 0; row < batch; row++) {
    values[row * length] = start;
    for (let i = 1; i < length; i++) {
      const label = labels.values[row * length + i - 1];
      values[row * length + i] = label === IGNORED_LABEL ? pad : label;
    }
  }
  return { dtype: 'int32', shape: [batch, length], values };
}

const ENCODER_DECODER_FIELDS = ['input_ids', 'attention_mask', 'decoder_input_ids', 'decoder_attention_mask'];
const DECODER_ONLY_FIELDS = ['input_ids', 'attention_mask'];

/** The model's input fields out of a file's tensors, completed and checked. Throws DataError naming the field. */
export function modelFields(model: GemmaModel, inputs: Readonly<Record<string, HostTensor>>, where: string): Record<string, HostTensor> {
  const needed = (name: string): HostTensor => {
    if (!inputs[name]) {
      throw new DataError(`${where} has no "${name}", which a ${model.kind} model needs; it holds ${Object.keys(inputs).join(', ') || 'nothing'}.`, {
        code: 'gemma.field',
      });
    }
    return inputs[name];
  };
  const fields: Record<string, HostTensor> = { input_ids: needed('input_ids') };
  const wanted = model.kind === 'encoder-decoder' ? ENCODER_DECODER_FIELDS : DECODER_ONLY_FIELDS;
  for (const name of wanted) if (inputs[name]) fields[name] = inputs[name];
  if (model.kind === 'encoder-decoder' && !fields.decoder_input_ids) {
    if (!inputs.labels) needed('decoder_input_ids');
    fields.decoder_input_ids = shiftRight(inputs.labels, model.specialTokens.start, model.specialTokens.pad);
  }
  const batch = fields.input_ids.shape[0];
  for (const [name, { dtype, shape, values }] of Object.entries(fields)) {
    if (dtype !== 'int32') throw new DataError(`${where}: "${name}" should hold integers (I32 or I64), but holds floats.`, { code: 'gemma.field' });
    if (shape.length !== 2 || shape[0] !== batch) {
      throw new DataError(`${where}: "${name}" has shape [${shape.join(', ')}], expected [${batch}, length].`, { code: 'gemma.field' });
    }
    if (!name.endsWith('input_ids')) continue;
    const bad = values.findIndex((id) => id < 0 || id >= model.vocabularySize);
    if (bad >= 0) {
      throw new DataError(`${where}: "${name}" holds token ${values[bad]}, but the model's vocabulary has ${model.vocabularySize} tokens.`, {
        code: 'gemma.token-range',
      });
    }
  }
  const mask = (name: string, ids: string): void => {
    if (fields[name] && fields[name].shape.join() !== fields[ids].shape.join()) {
      throw new DataError(`${where}: "${name}" has shape [${fields[name].shape.join(', ')}], but "${ids}" has [${fields[ids].shape.join(', ')}].`, {
        code: 'gemma.field',
      });
    }
  };
  mask('attention_mask', 'input_ids');
  if (model.kind === 'encoder-decoder') mask('decoder_attention_mask', 'decoder_input_ids');
  return fields;
}

export type LossFunction = (logits: tf.Tensor3D, labels: tf.Tensor2D) => tf.Scalar;

export interface ForwardRequest {
  readonly engine: Engine;
  readonly model: GemmaModel;
  readonly parameters: Parameters;
  readonly inputs: Readonly<Record<string, HostTensor>>;
  readonly outputs?: readonly ForwardOutput[];
  /** Mean cross-entropy over labels that are not ignored. */
  readonly loss: LossFunction;
  /** Named in errors: the file that the inputs came from. */
  readonly where?: string;
}

/**
 * One forward pass, compiled, and what was asked for beside the logits: `encoder_last_hidden_state`, `loss` (shape []),
 * `grad.<tensor name>`. All float32.
 */
export async function runForward(request: ForwardRequest): Promise<Record<string, HostTensor>> {
  const { engine, model, parameters, inputs, outputs = [], loss, where = 'the inputs' } = request;
  const fields = modelFields(model, inputs, where);
  const wantsLoss = outputs.includes('loss') || outputs.includes('gradients');
  if (outputs.includes('encoder') && model.kind !== 'encoder-decoder') {
    throw new DataError('A decoder-only model has no encoder states to write.', { code: 'gemma.no-encoder', exitCode: 2 });
  }
  if (wantsLoss) checkLabels(inputs.labels, fields[model.kind === 'encoder-decoder' ? 'decoder_input_ids' : 'input_ids'].shape, model, where);
  const batch = Object.fromEntries(Object.entries(fields).map(([name, { values, shape }]) => [name, tf.tensor(values, [...shape], 'int32')]));
  const labels = wantsLoss ? tf.tensor2d(inputs.labels.values, inputs.labels.shape as [number, number], 'int32') : undefined;
  const compute = engine.jit(
    (p: Parameters, b: BatchTensors, y: tf.Tensor2D | undefined): Record<string, tf.Tensor> => {
      const pick = (out: ModelOutputs): Record<string, tf.Tensor> =>
        outputs.includes('encoder') ? { logits: out.logits, encoder_last_hidden_state: out.encoderStates! } : { logits: out.logits };
      if (!y || !outputs.includes('gradients')) {
        const out = model.forward(p, b);
        return y ? { ...pick(out), loss: loss(out.logits, y) } : pick(out);
      }
      const { loss: value, gradients, auxiliary } = valueAndGradients((own) => {
        const out = model.forward(own, b);
        return { loss: loss(out.logits, y), auxiliary: pick(out) };
      }, p);
      const named = Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`grad.${name}`, gradient]));
      return { ...auxiliary, ...(outputs.includes('loss') ? { loss: value } : {}), ...named };
    },
    { name: 'forward' },
  );
  try {
    const result = await compute.async(parameters, batch, labels);
    const host: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(result)) {
      host[name] = { dtype: 'float32', shape: tensor.shape, values: (await tensor.data()) as Float32Array };
      tensor.dispose();
    }
    return host;
  } finally {
    tf.dispose(batch);
    labels?.dispose();
    compute.dispose();
  }
}

function checkLabels(labels: HostTensor | undefined, expected: readonly number[], model: GemmaModel, where: string): void {
  if (!labels) throw new DataError(`${where} has no "labels", which a loss needs.`, { code: 'gemma.field' });
  if (labels.dtype !== 'int32') throw new DataError(`${where}: "labels" should hold integers (I32 or I64), but holds floats.`, { code: 'gemma.field' });
  if (labels.shape.join() !== expected.join()) {
    throw new DataError(`${where}: "labels" has shape [${labels.shape.join(', ')}], expected [${expected.join(', ')}].`, { code: 'gemma.field' });
  }
  if (labels.values.every((label) => label === IGNORED_LABEL)) {
    throw new DataError(`${where}: every label is ${IGNORED_LABEL}, so there is nothing to learn from.`, { code: 'data.all-labels-ignored' });
  }
  const bad = labels.values.find((label) => label !== IGNORED_LABEL && (label < 0 || label >= model.vocabularySize));
  if (bad !== undefined) {
    throw new DataError(`${where}: "labels" holds ${bad}, but the vocabulary has ${model.vocabularySize} tokens.`, { code: 'gemma.token-range' });
  }
}
