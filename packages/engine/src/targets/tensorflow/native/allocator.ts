import { systemFunction } from '../../../foreign/library';

/** Calls glibc's mallopt; returns false if the C library does not have it. */
export function mallopt(parameter: number, value: number): boolean {
  return (
    systemFunction<(parameter: number, value: number) => number>('int mallopt(int, int)')?.(parameter, value) === 1
  );
}

/**
 * Returns freed memory to the system: glibc's malloc_trim, for the arenas of all threads. Does nothing if the C library
 * does not have it.
 */
export function trimMemory(): void {
  systemFunction<(pad: number) => number>('int malloc_trim(size_t)')?.(0);
}
