import { tf } from '@graft/engine';

/** Components may be written in JavaScript: what they return is looked at by name, as it may come out of another realm. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** Whether a value is an object with keys, and nothing more special. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  tagOf(value) === 'Object' && !(value instanceof tf.Tensor);

/** `a text`, `a Map`: what came in the place of something else. */
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
