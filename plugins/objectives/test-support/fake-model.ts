import type { BatchTensors, HostArray, HostFields, Model, Parameters, SpecialTokensSection } from '@graft/core';
import { mergeSpecialTokens } from '@graft/core/internal';
import { tf } from '@graft/engine';

/** A model that looks its logits up in a table [vocabulary, vocabulary] by the ids it reads; 12 tokens, pad 0, eos 1, start 2. */
export function fakeModel(kind: Model['kind'], seen: BatchTensors[] = [], section?: SpecialTokensSection): Model {
  return {
    kind,
    vocabularySize: 12,
    specialTokens: { pad: 0, start: 2, eos: [1], policy: section && mergeSpecialTokens(section) },
    parameters: [{ name: 'table', shape: [12, 12], part: 'embedding', initial: 'normal' }],
    checkpointConfig: {},
    forward(parameters: Parameters, fields: BatchTensors) {
      seen.push(fields);
      const ids = kind === 'encoder-decoder' ? fields.decoder_input_ids : fields.input_ids;
      return { logits: tf.gather(parameters.table, ids) as tf.Tensor3D };
    },
  };
}

export function int32(values: readonly number[] | readonly (readonly number[])[]): HostArray {
  const rows = values as readonly (readonly number[])[];
  const nested = Array.isArray(values[0]);
  return {
    dtype: 'int32',
    shape: nested ? [rows.length, rows[0].length] : [values.length],
    values: Int32Array.from(nested ? rows.flat() : (values as readonly number[])),
  };
}

/** Batch fields as nested lists, for comparing. */
export function rowsOf(fields: HostFields): Record<string, number[][]> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { shape, values }]) => [
      name,
      Array.from({ length: shape[0] }, (_, i) => Array.from(values.slice(i * shape[1], (i + 1) * shape[1]))),
    ]),
  );
}
