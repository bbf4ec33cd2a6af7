import { openEngine, type Engine, type JitOptions, type Jitted } from '@graft/engine';
import { recorded } from './recording';

/**
 * A portable engine that refuses what engines that compile refuse or silently do differently: needs no native library, and
 * is meant for tests. In addition to the portable engine, which refuses reading values, it throws EngineError for a function
 * given to `jit` that
 *
 * - assigns or creates a variable (`engine.assignment-in-trace`),
 * - keeps a tensor beyond its end, or disposes an argument (`testing.effect-in-jit`),
 * - uses an operation whose shape depends on values (`engine.dynamic-shape`),
 * - is given one tensor twice in what is donated (`engine.consumed-twice`),
 * - does something else, or captures other tensors, when it is called again with the same signature
 *   (`testing.impure-jit`): compiled functions run once, and repeat what they did then.
 *
 * To detect the last, it runs a function twice at its first call of every signature.
 */
export async function openStrictEngine(): Promise<Engine> {
  const portable = await openEngine({ mode: 'portable' });
  const jit = <A extends readonly unknown[], R>(fn: (...args: A) => R, options: JitOptions = {}): Jitted<A, R> => {
    const name = options.name ?? (fn.name || 'anonymous');
    return portable.jit(recorded(fn, name, options.donates ?? []), { ...options, name });
  };
  return Object.assign(Object.create(portable) as Engine, { jit });
}
