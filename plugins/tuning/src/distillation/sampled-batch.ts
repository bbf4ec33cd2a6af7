/** Shapes: B batch, P prompt length, S source length, T target length, L length of a decoder-only row. */
import {
  FIELDS,
  generationOf,
  IGNORED_LABEL,
  shiftRight,
  type FieldSpec,
  type Generator,
  type HostArray,
  type HostFields,
  type Model,
  type Parameters,
  type Sampling,
} from '@graft/core';
import { paddingMask, padRows, roundUp } from '@graft/objectives';

/** What a decoder-only model continues; a batch has it until the model has written. */
export const PROMPT_FIELDS: readonly FieldSpec[] = [
  { name: 'prompt_ids', dtype: 'int32', rank: 2, optional: true, meaning: 'the prompt of a decoder-only model' },
  { name: 'prompt_mask', dtype: 'int32', rank: 2, optional: true, meaning: '1 where a token of it counts' },
];

/** How a model writes. */
export interface SampleSettings {
  readonly maxNewTokens: number;
  /** Divides the logits before drawing; 0: the most probable token. */
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly padToMultipleOf: number;
  readonly seed: number;
  /** Index of the first row in the batch of all workers: with any number of them, a row draws the same. */
  readonly firstRow: number;
}

/** Rows of an array [B, n] without what the mask hides. */
function seenRows({ values, shape: [rows, length] }: HostArray, mask: HostArray): Int32Array[] {
  return Array.from({ length: rows }, (_, row) =>
    (values as Int32Array)
      .subarray(row * length, (row + 1) * length)
      .filter((_id, i) => mask.values[row * length + i] !== 0),
  );
}

/** A batch in which the targets are what the model writes after its prompts, up to its end token or `maxNewTokens`. */
export async function sampledTargets(
  generator: Generator,
  model: Model,
  parameters: Parameters,
  batch: HostFields,
  { maxNewTokens, padToMultipleOf, temperature, topK, topP, seed, firstRow }: SampleSettings,
): Promise<HostFields> {
  const decodesAlone = model.kind === 'decoder-only';
  const [ids, mask] = decodesAlone ? [batch.prompt_ids, batch.prompt_mask] : [batch.input_ids, batch.attention_mask];
  // Of the model's own distribution: what the checkpoint would cut off or penalize is part of it.
  const sampling: Sampling = { sample: true, temperature, topK, topP, repetitionPenalty: 1, seed, firstRow };
  const rows = await generator.generate(parameters, {
    fields: { [FIELDS.inputIds]: ids, [FIELDS.attentionMask]: mask },
    maxNewTokens,
    sampling,
  });
  const prompts = seenRows(ids, mask);
  const ends = new Set(generationOf(model).eos);
  const targets = rows.map((row, i) => {
    const from = decodesAlone ? prompts[i].length : 1;
    // Behind a shorter prompt than the longest of the batch, a row goes on for longer.
    const written = row.subarray(from, from + maxNewTokens);
    const end = written.findIndex((id) => ends.has(id));
    return end < 0 ? written : written.subarray(0, end + 1);
  });
  return decodesAlone
    ? continuedRows(prompts, targets, model, padToMultipleOf)
    : { ...batch, ...targetFields(targets, model, padToMultipleOf) };
}

/** The decoder's fields of an encoder-decoder batch: [B, T]. */
function targetFields(targets: readonly Int32Array[], model: Model, padToMultipleOf: number): HostFields {
  const { start, pad } = model.specialTokens;
  const length = roundUp(Math.max(...targets.map((target) => target.length)), padToMultipleOf);
  const labels = padRows(targets, length, IGNORED_LABEL);
  return {
    [FIELDS.decoderInputIds]: shiftRight(labels, start, pad),
    [FIELDS.decoderAttentionMask]: paddingMask(targets, length),
    [FIELDS.labels]: labels,
  };
}

/**
 * The batch of a decoder-only model: [B, L]. Only what follows the prompts is learnt.
 *
 *     prompt [2, 5, 6], target [8, 9, 1]   ->   input_ids [2, 5, 6, 8, 9], labels [-100, -100, 8, 9, 1]
 */
function continuedRows(
  prompts: readonly Int32Array[],
  targets: readonly Int32Array[],
  model: Model,
  padToMultipleOf: number,
): HostFields {
  const inputs = prompts.map((prompt, i) => [...prompt, ...targets[i].subarray(0, -1)]);
  const labels = prompts.map((prompt, i) => [...prompt.subarray(1).map(() => IGNORED_LABEL), ...targets[i]]);
  const length = roundUp(Math.max(...inputs.map((row) => row.length)), padToMultipleOf);
  return {
    [FIELDS.inputIds]: padRows(inputs, length, model.specialTokens.pad),
    [FIELDS.attentionMask]: paddingMask(inputs, length),
    [FIELDS.labels]: padRows(labels, length, IGNORED_LABEL),
  };
}
