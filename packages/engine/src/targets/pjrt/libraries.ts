import * as koffi from 'koffi';
import { systemFunction } from '../../native/api';

const RTLD_NOW = 0x2;
const RTLD_GLOBAL = 0x100;
/** Threads of a plugin outlive koffi's unloading at exit: without this flag the process crashes at its end. */
const RTLD_NODELETE = 0x1000;

type Open = (path: string, flags: number) => bigint | null;
type LastError = () => string | null;

function loader(): { open: Open; lastError: LastError } {
  // Also sets koffi's stacks, on which XLA compiles; that is possible only before the first library is loaded.
  const open = systemFunction<Open>('void *dlopen(const char *, int)');
  const lastError = systemFunction<LastError>('const char *dlerror()');
  if (open && lastError) return { open, lastError };
  // glibc before 2.34 keeps the two in a library of their own.
  const library = koffi.load('libdl.so.2');
  return {
    open: library.func('void *dlopen(const char *, int)') as unknown as Open,
    lastError: library.func('const char *dlerror()') as unknown as LastError,
  };
}

/**
 * Opens a library for the rest of the process's life and returns the reason if that fails. `global` lets libraries that
 * are opened later find it by its name.
 */
export function openLibrary(path: string, global: boolean): string | undefined {
  const { open, lastError } = loader();
  if (open(path, RTLD_NOW | RTLD_NODELETE | (global ? RTLD_GLOBAL : 0))) return undefined;
  const reason = lastError() ?? 'no reason given';
  return reason.replace(`${path}: `, '');
}

/** A function of an opened library that takes nothing and returns a pointer; undefined if it has none of that name. */
export function entryPoint(path: string, name: string): (() => bigint | null) | undefined {
  try {
    return koffi.load(path).func(`void *${name}()`) as unknown as () => bigint | null;
  } catch {
    return undefined;
  }
}
