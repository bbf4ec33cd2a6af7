import { tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { splitBatch, uploadBatch } from '../data/loader';
import type { HostFields, Model, Objective, Parameters } from '../interfaces';
import { availableMemory } from './memory';
import { widenedAll } from './parameter-storage';

/** The computation to measure: the loss of one row of a batch. */
export interface ForwardPass {
  readonly model: Model;
  readonly objective: Objective;
  readonly parameters: Parameters;
  /** Fields of the whole batch. */
  readonly fields: HostFields;
  readonly variant?: string;
}

/**
 * Memory of forward pass, backward pass and update as a multiple of the forward pass: each operation has about two
 * gradients. Nothing is freed before the step ends.
 */
const PASSES = 3;

/** Copies of the parameters that a step makes: gradients, and new parameters and state. */
const COPIES = 4;

/** Share of the free memory below which a step is small: it fits anyway, and is not worth a measurement. */
const WORTH_MEASURING = 1 / 16;

/** A rough estimate of a step's bytes from its parameters and logits, to decide whether it is small. */
const roughBytes = ({ model, fields }: Pick<ForwardPass, 'model' | 'fields'>): number => {
  const parameters = model.parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const positions = Object.values(fields).reduce((sum, { values }) => sum + values.length, 0);
  return 4 * (COPIES * parameters + PASSES * positions * model.vocabularySize);
};

/**
 * Bytes that a step takes on the portable engine, which cannot trace: estimated from the forward pass of one row of its
 * batch. Undefined if the step is small, or if the batch has only one row: measuring that would be the step itself.
 */
export function measureForwardMemory(
  { model, objective, parameters, fields, variant }: ForwardPass,
  available = availableMemory(),
): number | undefined {
  const rows = Object.values(fields)[0]?.shape[0] ?? 0;
  const isSmall = roughBytes({ model, fields }) < available * WORTH_MEASURING;
  if (rows < 2 || isSmall || Object.values(fields).some(({ shape }) => shape[0] !== rows)) return undefined;
  const batch = uploadBatch(splitBatch(fields, rows, 'rows')[0]);
  try {
    let forwardBytes = 0;
    tf.tidy(() => {
      const wide = widenedAll(parameters);
      const before = tf.memory().numBytes;
      objective.loss(model, wide, batch, { training: false, variant });
      forwardBytes = tf.memory().numBytes - before;
    });
    const own = model.parameters.reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0);
    return PASSES * rows * forwardBytes + COPIES * own;
  } catch {
    // The step will report what is wrong with the objective.
    return undefined;
  } finally {
    tf.dispose(batch as unknown as tf.TensorContainer);
  }
}
