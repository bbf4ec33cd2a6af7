import { cutText } from '@graft/core/internal';

/** Limits of one log-batch request (MLflow's REST reference), with a margin for the JSON around the values. */
const BYTES_PER_BATCH = 900_000;
const METRICS_PER_BATCH = 1000;
const PARAMETERS_PER_BATCH = 100;
/**
 * UTF-16 units of the longest parameter value that every store accepts, of the longest name, and of the longest tag.
 */
const PARAMETER_LENGTH = 500;
const NAME_LENGTH = 250;
const TAG_LENGTH = 5000;

/** A number of a step, as MLflow's REST API takes it. */
export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

/** A parameter of a run, as MLflow's REST API takes it. */
export interface Parameter {
  readonly key: string;
  readonly value: string;
}

/**
 * The nearest name that MLflow accepts: letters, digits and `_-. :/`, and no path segments with a special meaning in a
 * file system.
 */
export function toName(key: string): string {
  const name = key
    .replace(/[^\p{L}\p{N}_. :/-]/gu, '_')
    .split('/')
    .map((part) => (/^\.{0,2}$/.test(part) ? '_'.repeat(Math.max(part.length, 1)) : part))
    .join('/');
  // The cut may leave such a segment at the end.
  return cutText(name, NAME_LENGTH).replace(/\/\.{0,2}$/, (end) => '_'.repeat(end.length));
}

/** The beginning of a text, in whole characters, without half of a surrogate pair. */
const beginning = (text: string, longest: number): string =>
  cutText(text, longest).replace(/[\ud800-\udfff]/gu, '\ufffd');

/** A parameter's value, as long as every store accepts. */
export const toValue = (value: string): string => beginning(value, PARAMETER_LENGTH);

/** A tag's value, or the name of a run or an experiment. */
export const toTag = (value: string): string => beginning(value, TAG_LENGTH);
export const toTitle = (name: string): string => beginning(name, NAME_LENGTH);

/** The first items, as many as one request accepts. */
export function firstBatch<T extends Metric | Parameter>(items: readonly T[]): T[] {
  const batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const limit = 'step' in item ? METRICS_PER_BATCH : PARAMETERS_PER_BATCH;
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (batch.length === limit || (batch.length > 0 && bytes > BYTES_PER_BATCH)) break;
    batch.push(item);
  }
  return batch;
}
