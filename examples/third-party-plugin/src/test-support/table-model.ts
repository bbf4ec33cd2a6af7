import type { BatchTensors, HostArray, HostFields, Model, Parameters } from '@graft/core';
import { tf } from '@graft/engine';

export const VOCABULARY = 12;

/** The smallest model for testing an objective: its logits are a row of a table, selected by the decoder's token. */
export function tableModel(kind: Model['kind'] = 'encoder-decoder'): Model {
  return {
    kind,
    vocabularySize: VOCABULARY,
    specialTokens: { pad: 0, start: 2, eos: [1] },
    parameters: [{ name: 'table', shape: [VOCABULARY, VOCABULARY], part: 'embedding', initial: 'normal' }],
    checkpointConfig: {},
    forward: (parameters: Parameters, fields: BatchTensors) => ({
      logits: tf.gather(parameters.table, fields.decoder_input_ids) as tf.Tensor3D,
    }),
  };
}

export function tokens(...values: number[]): HostArray {
  return { dtype: 'int32', shape: [values.length], values: Int32Array.from(values) };
}

/** A batch field as nested lists, for comparing. */
export function lists({ shape: [count, length], values }: HostArray): number[][] {
  return Array.from({ length: count }, (_, i) => Array.from(values.subarray(i * length, (i + 1) * length)));
}

export function listsOf(fields: HostFields): Record<string, number[][]> {
  return Object.fromEntries(Object.entries(fields).map(([name, array]) => [name, lists(array)]));
}
