/** Rows that contain several sequences (segments), which do not attend to each other. */
import { checkFields, DataError, IGNORED_LABEL, type HostArray, type HostFields, type Model } from '@graft/core';
import { EXAMPLE_SEGMENTS } from './fields';

/** Part of a row: positions start..end-1. */
export interface Segment {
  readonly id: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The segments in an example's field; undefined if the example is one sequence. Throws DataError unless each token has
 * one.
 */
export function segmentsOf(
  example: HostFields,
  field: keyof typeof EXAMPLE_SEGMENTS,
  where: string,
): Int32Array | undefined {
  const spec = EXAMPLE_SEGMENTS[field];
  checkFields(example, [spec], where);
  const segments = example[spec.name];
  if (!segments) return undefined;
  if (segments.values.length !== example[field].values.length) {
    throw new DataError(
      `${where}: "${field}" has ${example[field].values.length} tokens, but "${spec.name}" ${segments.values.length}.`,
      { code: 'data.segments' },
    );
  }
  return segments.values as Int32Array;
}

/** Splits a row into runs of the same segment number, in order. Skips padding (0). */
export function stretchesOf(segments: ArrayLike<number>): Segment[] {
  const stretches: Segment[] = [];
  for (let start = 0, end = 1; end <= segments.length; end++) {
    if (end < segments.length && segments[end] === segments[start]) continue;
    if (segments[start] !== 0) stretches.push({ id: segments[start], start, end });
    start = end;
  }
  return stretches;
}

/** Segment numbers, from 1 on, of consecutive sequences with these lengths. */
export function numberedSegments(lengths: readonly number[]): Int32Array {
  const numbered = new Int32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  lengths.forEach((length, i) => numbered.fill(i + 1, at, (at += length)));
  return numbered;
}

/** int32 mask of the shape of `segments`: 1 at positions that belong to a segment. */
export function segmentsMask({ shape, values }: HostArray): HostArray {
  return { dtype: 'int32', shape, values: Int32Array.from(values, (id) => (id === 0 ? 0 : 1)) };
}

/** Throws DataError if the fields contain segments that the model does not keep apart: it would silently mix them. */
export function checkSegments(fields: HostFields, model: Model): void {
  if (!fields.segment_ids && !fields.decoder_segment_ids) return;
  if (!model.readsSegments) {
    throw new DataError('The rows hold several sequences (segment_ids), but this model does not keep them apart.', {
      code: 'data.segments',
      exitCode: 2,
      hint: 'Leave `segments` and `pack` out of the dataset.',
    });
  }
  if (model.kind !== 'encoder-decoder') return;
  if (!fields.segment_ids || !fields.decoder_segment_ids) {
    throw new DataError('segment_ids and decoder_segment_ids belong together: the batch has one of them.', {
      code: 'data.segments',
    });
  }
  checkSources(fields.segment_ids, fields.decoder_segment_ids, fields.labels);
}

/** Rejects targets without a source, which would attend to every source of their row. */
function checkSources(source: HostArray, target: HostArray, labels: HostArray | undefined): void {
  const [rows, length] = source.shape;
  const width = target.shape[1];
  for (let row = 0; row < rows; row++) {
    const sources = new Set(source.values.subarray(row * length, (row + 1) * length));
    for (let i = row * width; i < (row + 1) * width; i++) {
      const id = target.values[i];
      if (id === 0 || sources.has(id) || labels?.values[i] === IGNORED_LABEL) continue;
      throw new DataError(`Row ${row} of the batch has a target in segment ${id}, but no source.`, {
        code: 'data.segments',
      });
    }
  }
}
