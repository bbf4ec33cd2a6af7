import { koffi, type Koffi } from '../../../foreign/koffi';

/**
 * Runs `fn` with the process's standard error discarded. The library prints a banner there through a logger that has no
 * level yet; its errors are returned as statuses and exceptions.
 */
export function withoutNativeChatter<T>(fn: () => T): T {
  let libc: ReturnType<Koffi['load']>;
  let nowhere: number;
  let kept: number;
  const native = koffi();
  try {
    libc = native.load(null);
    const open = libc.func('int open(const char *, int)') as (path: string, flags: number) => number;
    const dup = libc.func('int dup(int)') as (descriptor: number) => number;
    nowhere = open('/dev/null', 1);
    kept = dup(2);
  } catch {
    return fn();
  }
  const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
  const close = libc.func('int close(int)') as (descriptor: number) => number;
  if (nowhere < 0 || kept < 0) return fn();
  dup2(nowhere, 2);
  try {
    return fn();
  } finally {
    dup2(kept, 2);
    close(kept);
    close(nowhere);
  }
}
