import { openLibrary as open } from '../../foreign/library';
import { koffi } from '../../foreign/koffi';

/** As `openLibrary` of foreign/library.ts; the reason is without the path, which the caller names. */
export function openLibrary(path: string, global: boolean): string | undefined {
  return open(path, global)?.replace(`${path}: `, '');
}

/** A function of an opened library that takes nothing and returns a pointer; undefined if it has none of that name. */
export function entryPoint(path: string, name: string): (() => bigint | null) | undefined {
  try {
    return koffi().load(path).func(`void *${name}()`) as unknown as () => bigint | null;
  } catch {
    return undefined;
  }
}
