import { readFileSync } from 'node:fs';

/** The properties of a machine that decide whether the native library can run. */
export interface Platform {
  readonly platform: string;
  readonly arch: string;
  /** The C library is musl (Alpine), for which nobody builds TensorFlow. */
  readonly musl: boolean;
  /** Processor features as Linux names them; empty if they are unknown. */
  readonly flags: ReadonlySet<string>;
}

let current: Platform | undefined;

export function currentPlatform(): Platform {
  current ??= {
    platform: process.platform,
    arch: process.arch,
    // Node's own report contains it as well, but before 20.13 it first resolves every network address.
    musl: /\/ld-musl-/.test(readText('/proc/self/maps')),
    flags: new Set(/^flags\s*:(.*)$/m.exec(readText('/proc/cpuinfo'))?.[1].trim().split(/\s+/) ?? []),
  };
  return current;
}

/** A sentence with the reason if no native library exists for this machine; otherwise undefined. */
export function unsupportedPlatformReason(machine: Platform = currentPlatform()): string | undefined {
  const { platform, arch, musl, flags } = machine;
  if (platform !== 'linux' || arch !== 'x64')
    return `The native library exists for Linux on x86-64; this machine is ${platform} on ${arch}.`;
  if (musl) return 'The native library needs glibc; this machine has musl.';
  // TensorFlow ends the process if they are missing, so it must not even be loaded.
  if (flags.size > 0 && !flags.has('avx'))
    return 'The native library needs a processor with AVX instructions, which this machine lacks.';
  return undefined;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
