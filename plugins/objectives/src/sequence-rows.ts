/** What objectives share that make source and target of one piece of text, or of each of several in a row. */
import { checkFields, checkLabels, DataError, type HostFields, type ObjectiveContext } from '@graft/core';
import { checkTokenIds, checkWeights, EXAMPLE_FIELDS, EXAMPLE_WEIGHTS, maskLabels } from './fields';
import { checkSegments, numberedSegments, segmentsOf, stretchesOf, type Segment } from './segments';
import { encoderDecoderBatch } from './seq2seq';

/**
 * The sequences of an example's `tokens`, each of at least two: the whole of it, or its segments but those that are too short to
 * be read and to be predicted. `packed`: whether it names segments. Throws DataError where none is left, or where the
 * example's fields are not what they should be; `need` says in that sentence for what.
 */
export function sequencesOf(
  example: HostFields,
  { vocabularySize }: { readonly vocabularySize: number },
  need: string,
  where: string,
): { parts: Segment[]; packed: boolean } {
  checkFields(example, [EXAMPLE_FIELDS.tokens, EXAMPLE_WEIGHTS], where);
  const { tokens, weights } = example;
  const { length } = tokens.values;
  if (length < 2) {
    throw new DataError(`${where}: "tokens" has length ${length}, but ${need} at least 2.`, { code: 'data.too-short' });
  }
  checkTokenIds(tokens, 'tokens', vocabularySize, where);
  if (weights) checkWeights(weights, length, 'tokens', where);
  const segments = segmentsOf(example, 'tokens', where);
  if (!segments) return { parts: [{ id: 1, start: 0, end: length }], packed: false };
  const parts = stretchesOf(segments).filter(({ start, end }) => end - start >= 2);
  if (parts.length > 0) return { parts, packed: true };
  throw new DataError(`${where} has no segment of at least 2 tokens.`, { code: 'data.too-short' });
}

/** What a row's sequences became, one behind the other. */
export interface SequenceRow {
  readonly source: ArrayLike<number>;
  readonly target: ArrayLike<number>;
  /** One for each token of the target. */
  readonly weights?: ArrayLike<number>;
  /** Lengths of the sequences on both sides, where they must not see each other. */
  readonly parts?: { readonly sources: readonly number[]; readonly targets: readonly number[] };
}

/** The encoder-decoder batch of such rows, checked; `where` names it. A row without parts is one of its own beside others with. */
export function batchOfRows(
  rows: readonly SequenceRow[],
  lengths: { readonly sourceLength: number; readonly targetLength: number },
  context: ObjectiveContext,
  where: string,
): HostFields {
  const { model } = context;
  const segments = {
    sources: rows.map(({ parts, source }) => numberedSegments(parts?.sources ?? [source.length])),
    targets: rows.map(({ parts, target }) => numberedSegments(parts?.targets ?? [target.length])),
  };
  const batch = encoderDecoderBatch(
    rows.map(({ source }) => source),
    rows.map(({ target }) => target),
    model,
    {
      ...lengths,
      weights: rows.map(({ weights }) => weights),
      segments: rows.some(({ parts }) => parts) ? segments : undefined,
    },
  );
  const masked = maskLabels(batch, where);
  checkSegments(masked, model);
  checkLabels(masked, where, context);
  return masked;
}
