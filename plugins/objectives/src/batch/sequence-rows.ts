/** What objectives share that make source and target of one piece of text, or of each of several in a row. */
import { checkLabels, DataError, type HostFields, type ObjectiveContext } from '@graft/core';
import { checkText, checkTokenIds, maskLabels } from './fields';
import { checkSegments, numberedSegments, segmentsOf, stretchesOf, type Segment } from './segments';
import { encoderDecoderBatch } from '../objectives/seq2seq';

/**
 * The sequences of an example's `tokens`, each of at least two: the whole of it, or its segments but those that are too short to
 * be read and to be predicted. Throws DataError where none is left, or where the example's fields are not what they
 * should be; `need` says in that sentence for what.
 */
export function segmentsOfExample(
  example: HostFields,
  { vocabularySize }: { readonly vocabularySize: number },
  need: string,
  where: string,
): Segment[] {
  checkText(example, need, where);
  checkTokenIds(example.tokens, 'tokens', vocabularySize, where);
  const segments = segmentsOf(example, 'tokens', where);
  if (!segments) return [{ id: 1, start: 0, end: example.tokens.values.length }];
  const parts = stretchesOf(segments).filter(({ start, end }) => end - start >= 2);
  if (parts.length > 0) return parts;
  throw new DataError(`${where} has no segment of at least 2 tokens.`, { code: 'data.too-short' });
}

/** Whether rows made of these examples hold several sequences that must not see each other. */
export const isPacked = (examples: readonly HostFields[]): boolean => examples.some(({ segments }) => segments);

/** What a sequence became; weights are those of the target's tokens. */
export interface SplitSequence {
  readonly source: ArrayLike<number>;
  readonly target: ArrayLike<number>;
  readonly weights?: ArrayLike<number>;
}

/** Tokens of a row, one side of its sequences together. */
export function tokensOf(row: readonly SplitSequence[], side: 'source' | 'target'): number {
  return row.reduce((sum, sequence) => sum + sequence[side].length, 0);
}

/** The encoder-decoder batch of rows that hold a sequence each, or several of them if `packed`, checked; `where` names it. */
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
  checkSegments(masked, model);
  checkLabels(masked, where, context);
  return masked;
}

function join(lists: readonly ArrayLike<number>[]): ArrayLike<number> {
  return lists.length === 1 ? lists[0] : lists.flatMap((list) => Array.from(list));
}
