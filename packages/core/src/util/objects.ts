export { isObject } from '@graft/engine';

/** Not an instance of some class. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Not compared with this realm's Object.prototype: a config may come out of another one.
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'));
}
