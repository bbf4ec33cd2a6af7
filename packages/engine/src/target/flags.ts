import type { EngineDevice, EngineMode, EngineOptions, EngineTarget } from '../types';

/** What a command line says of the engine. */
export interface EngineFlags {
  /** A target or a mode, as one word. */
  readonly engine?: EngineMode | EngineTarget;
  readonly device?: EngineDevice;
}

/** Target and mode for which the word of a config's `engine` or of `--engine` stands; an unknown word is taken for a mode. */
export function engineOfWord(word: string): { readonly mode: EngineMode; readonly target: EngineTarget } {
  if (word === 'tensorflow') return { target: word, mode: 'auto' };
  return { mode: word as EngineMode, target: 'auto' };
}

type Section = Pick<
  EngineOptions,
  'target' | 'mode' | 'device' | 'plugin' | 'libraryPath' | 'memoryFraction' | 'preallocate'
>;

/**
 * Options with a command line's flags over them: an engine replaces target and mode, a device the device, and what
 * belonged to another choice and contradicts the flags is left out.
 */
export function withEngineFlags<S extends Section>(section: S, { engine, device }: EngineFlags): S {
  let result = section;
  if (engine !== undefined) {
    result = { ...result, ...engineOfWord(engine) };
    if (engine !== 'pjrt') result = without(result, 'device', 'plugin', 'memoryFraction', 'preallocate');
  }
  if (device === undefined) return result;
  const isOtherDevice = result.device !== device;
  result = { ...result, device };
  if (isOtherDevice) result = without(result, 'plugin');
  if (device === 'cpu') return without(result, 'memoryFraction', 'preallocate');
  const { target = 'auto', mode = 'auto' } = result;
  const isOnCpu = (target !== 'auto' && target !== 'pjrt') || (mode !== 'auto' && mode !== 'pjrt');
  // With an engine beside it the contradiction is the user's.
  return isOnCpu && engine === undefined ? { ...result, target: 'auto', mode: 'auto' } : result;
}

function without<S extends Section>(section: S, ...keys: readonly (keyof Section)[]): S {
  return Object.fromEntries(Object.entries(section).filter(([key]) => !(keys as readonly string[]).includes(key))) as S;
}
