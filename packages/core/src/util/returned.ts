import { tf } from '@graft/engine';

/**
 * Components may be written in JavaScript: return values are checked by class name, because they may come from another
 * realm.
 */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** Whether a value is a plain object with keys. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  tagOf(value) === 'Object' && !(value instanceof tf.Tensor);

/** Describes an unexpected value: `a text`, `a Map`. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (value instanceof tf.Tensor) return 'a tensor';
  if (isRecord(value)) return 'an object';
  if (typeof value === 'string') return 'a text';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  const tag = tagOf(value);
  return typeof value === 'object' ? `${/^[AEIO]/.test(tag) ? 'an' : 'a'} ${tag}` : `a ${typeof value}`;
}
