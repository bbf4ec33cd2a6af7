/** Shapes: B batch, T target length, S source length, V vocabulary. */
import { DataError, tf, valueAndGradients, type Engine } from '@graft/engine';
import { uploadBatch } from '../../data/loader';
import type { BatchTensors, HostArray, HostFields, Model, Parameters } from '../../interfaces';
import { maskedCrossEntropy } from '../../loss/cross-entropy';
import { checkLabelIds, modelFields } from './host-fields';

/** Outputs of a forward pass in addition to the logits. */
export type ForwardOutput = 'encoder' | 'loss' | 'gradients';

/** All outputs that `runForward` can compute in addition to the logits. */
export const FORWARD_OUTPUTS: readonly ForwardOutput[] = ['encoder', 'loss', 'gradients'];

/** logits [B, T, V] and labels int32 [B, T] to a scalar; traceable. */
export type LossFunction = (logits: tf.Tensor3D, labels: tf.Tensor2D) => tf.Scalar;

/** What `runForward` computes, of which model and inputs. */
export interface ForwardRequest {
  readonly engine: Engine;
  readonly model: Model;
  readonly parameters: Parameters;
  /** Hugging Face names, int32; masks optional (all ones). See `modelFields` for what labels can replace. */
  readonly inputs: HostFields;
  /** In addition to the logits. Default: nothing. */
  readonly outputs?: readonly ForwardOutput[];
  /** Default: mean cross-entropy over the labels that are not -100. */
  readonly loss?: LossFunction;
  /** Begins the sentences of errors: the path of the inputs. */
  readonly where?: string;
}

/**
 * Runs one compiled forward pass. Returns float32 host arrays: `logits` [B, T, V], and on request
 * `encoder_last_hidden_state` [B, S, E], `loss` [] and `grad.<parameter>`; a tied output's gradient is part of its
 * embedding's. An encoder-only model returns its states, but not logits. Throws DataError naming the missing or invalid
 * field.
 */
export async function runForward(request: ForwardRequest): Promise<Record<string, HostArray>> {
  const {
    engine,
    model,
    parameters,
    inputs,
    outputs = [],
    loss: lossOf = (logits, labels) => maskedCrossEntropy(logits, labels).loss,
    where = 'The inputs',
  } = request;
  const [wantsEncoder, wantsLoss, wantsGradients] = FORWARD_OUTPUTS.map((output) => outputs.includes(output));
  const alone = model.kind === 'encoder-only';
  if (alone && (wantsLoss || wantsGradients)) {
    throw new DataError('A loss or gradients were asked for, but the model is an encoder alone: it has no logits.', {
      code: 'family.encoder-only',
      exitCode: 2,
    });
  }
  if (wantsEncoder && model.kind === 'decoder-only') {
    throw new DataError('Encoder states were asked for, but the model is decoder-only.', {
      code: 'family.no-encoder',
      exitCode: 2,
    });
  }
  const fields = modelFields(model, inputs, where);
  const outputName = model.kind === 'encoder-decoder' ? 'decoder_input_ids' : 'input_ids';
  const labels =
    wantsLoss || wantsGradients ? checkLabelIds(inputs, fields[outputName], outputName, model, where) : undefined;
  const compute = engine.jit(
    (own: Parameters, batch: BatchTensors, y: tf.Tensor2D | undefined): Record<string, tf.Tensor> => {
      if (alone) return { encoder_last_hidden_state: model.forward(own, batch).encoderStates! };
      const forward = (p: Parameters): { logits: tf.Tensor3D; shown: Record<string, tf.Tensor> } => {
        const { logits, encoderStates } = model.forward(p, batch);
        return { logits, shown: { logits, ...(wantsEncoder ? { encoder_last_hidden_state: encoderStates! } : {}) } };
      };
      if (!y) return forward(own).shown;
      if (!wantsGradients) {
        const { logits, shown } = forward(own);
        return { ...shown, loss: lossOf(logits, y) };
      }
      const { loss, gradients, auxiliary } = valueAndGradients((p) => {
        const { logits, shown } = forward(p);
        return { loss: lossOf(logits, y), auxiliary: shown };
      }, own);
      const named = Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [`grad.${name}`, gradient]));
      return { ...auxiliary, ...(wantsLoss ? { loss } : {}), ...named };
    },
    { name: 'forward' },
  );
  const batch = uploadBatch(fields);
  const y = labels && (uploadBatch({ labels }).labels as tf.Tensor2D);
  try {
    const results = await compute.async(parameters, batch, y);
    const host: Record<string, HostArray> = {};
    for (const [name, tensor] of Object.entries(results)) {
      host[name] = { dtype: 'float32', shape: tensor.shape, values: (await tensor.data()) as Float32Array };
      tensor.dispose();
    }
    return host;
  } finally {
    tf.dispose(batch);
    y?.dispose();
    compute.dispose();
  }
}
