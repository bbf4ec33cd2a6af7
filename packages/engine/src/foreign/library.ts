import { koffi, type Koffi } from './koffi';
import type { Pointer } from './memory';

/* eslint-disable @typescript-eslint/no-explicit-any -- koffi's functions are untyped; their callers type them */

const RTLD_NOW = 0x2;
const RTLD_GLOBAL = 0x100;
const RTLD_NODELETE = 0x1000;

/**
 * Opens a library and keeps it mapped until the process is gone; returns the loader's reason if that fails. Threads of the
 * libraries outlive koffi's unloading at exit; without this, Node segfaults at a natural end of the program. `global`:
 * libraries that are opened later find its functions.
 */
export function openLibrary(path: string, global: boolean): string | undefined {
  const { dlopen, dlerror } = loader();
  if (dlopen(path, RTLD_NOW | RTLD_NODELETE | (global ? RTLD_GLOBAL : 0))) return undefined;
  return dlerror() ?? 'no reason given';
}

/** The system's loader. Both functions are looked up before the first is called: a look-up forgets the last error. */
function loader(): { dlopen: (path: string, flags: number) => Pointer | null; dlerror: () => string | null } {
  const within = (library: ReturnType<Koffi['load']>): ReturnType<typeof loader> => ({
    dlopen: library.func('void *dlopen(const char *, int)') as any,
    dlerror: library.func('const char *dlerror()') as any,
  });
  try {
    return within(koffi().load(null));
  } catch {
    // glibc before 2.34 keeps the two in a library of their own.
    return within(koffi().load('libdl.so.2'));
  }
}

/** A function of the C library by its prototype; undefined if there is none of that name. */
export function systemFunction<F>(prototype: string): F | undefined {
  const native = koffi();
  try {
    return native.load(null).func(prototype) as unknown as F;
  } catch {
    return undefined;
  }
}
