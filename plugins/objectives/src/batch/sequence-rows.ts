/** Shared code of the objectives that split a text, or each of several texts in a row, into source and target. */
import { checkLabels, DataError, type HostFields, type Model, type ObjectiveContext } from '@graft/core';
import { checkText, checkTokenIds, maskLabels } from './fields';
import { checkSegments, numberedSegments, segmentsOf, stretchesOf, type Segment } from './segments';
import { encoderDecoderBatch } from '../objectives/seq2seq';

/**
 * The sequences in an example's `tokens`: all of it, or its segments, without those of fewer than 2 tokens, which leave
 * nothing to read or nothing to predict. Throws DataError if no segment is long enough, or if the example's fields are
 * invalid; `need` begins the reason in the error: `denoising needs`.
 */
export function segmentsOfExample(
  example: HostFields,
  model: Pick<Model, 'vocabularySize' | 'encoderTokens'>,
  need: string,
  where: string,
): Segment[] {
  checkText(example, need, where);
  checkTokenIds(example.tokens, 'tokens', model, where);
  const segments = segmentsOf(example, 'tokens', where);
  if (!segments) return [{ id: 1, start: 0, end: example.tokens.values.length }];
  const parts = stretchesOf(segments).filter(({ start, end }) => end - start >= 2);
  if (parts.length > 0) return parts;
  throw new DataError(`${where} has no segment of at least 2 tokens.`, { code: 'data.too-short' });
}

/** Whether the rows made from these examples contain several sequences that must not attend to each other. */
export const isPacked = (examples: readonly HostFields[]): boolean => examples.some(({ segments }) => segments);

/** Source and target of a sequence. `weights` has one number per token of the target. */
export interface SplitSequence {
  readonly source: ArrayLike<number>;
  readonly target: ArrayLike<number>;
  readonly weights?: ArrayLike<number>;
}

/** Number of tokens on one side of a row, summed over its sequences. */
export function tokensOf(row: readonly SplitSequence[], side: 'source' | 'target'): number {
  return row.reduce((sum, sequence) => sum + sequence[side].length, 0);
}

/**
 * Builds and checks the encoder-decoder batch of rows with one sequence each, or several if `packed`. `where` names the
 * batch in errors.
 */
export function batchOfRows(
  rows: readonly (readonly SplitSequence[])[],
  layout: { readonly sourceLength: number; readonly targetLength: number; readonly packed: boolean },
  context: ObjectiveContext,
  where: string,
): HostFields {
  const { model } = context;
  const side = (name: 'source' | 'target'): ArrayLike<number>[] => rows.map((row) => join(row.map((one) => one[name])));
  const segments = (name: 'source' | 'target'): Int32Array[] =>
    rows.map((row) => numberedSegments(row.map((one) => one[name].length)));
  const batch = encoderDecoderBatch(side('source'), side('target'), model, {
    ...layout,
    weights: rows.map((row) => row[0].weights && join(row.map(({ weights }) => weights!))),
    segments: layout.packed ? { sources: segments('source'), targets: segments('target') } : undefined,
  });
  const masked = maskLabels(batch, where);
  // The source's ids may be another tokenizer's than those that were checked.
  checkTokenIds(masked.input_ids, 'input_ids', model, where);
  checkSegments(masked, model);
  checkLabels(masked, where, context);
  return masked;
}

function join(lists: readonly ArrayLike<number>[]): ArrayLike<number> {
  return lists.length === 1 ? lists[0] : lists.flatMap((list) => Array.from(list));
}
