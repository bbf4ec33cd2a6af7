import { EngineError } from '@graft/errors';
import { withPrecision } from '../precision';
import { simplified } from '../program/passes';
import type { Program, Value } from '../program/program';
import type { CompilingTarget } from '../target/target';
import { tf } from '../tf';
import { withLayoutHints } from '../trace/layout-hints';
import { Tracer } from '../trace/tracer';
import type { Precision, Tree } from '../types';
import { checkResult, treeLeaves, treeMap } from './tree';

export interface Recorded {
  readonly program: Program;
  /** What the function returned; its tensors are disposed, only their positions in the tree count. */
  readonly result: unknown;
}

/** A function as a program: it is called once with symbols in the place of its tensors, which are `leaves`, in order. */
export function record<A extends readonly unknown[], R>(
  target: CompilingTarget<unknown>,
  { name, fn, precision }: { name: string; fn: (...args: A) => R; precision: Precision },
  args: A,
  leaves: readonly tf.Tensor[],
): Recorded {
  const tracer = new Tracer(name, (op) => target.lowers?.(op) ?? true);
  let result: unknown;
  const values: Value[] = [];
  target.tracing(tracer, () => {
    tf.tidy(() => {
      const symbols = leaves.map(({ dtype, shape }) => target.symbol(tracer.argument({ dtype, shape }), tracer));
      const symbolic = treeMap(args as unknown as Tree, (_, position) => symbols[position]) as unknown as A;
      const returned = withLayoutHints(target.hints, () => withPrecision(precision, () => fn(...symbolic)));
      rejectPromise(returned, name);
      checkResult(returned, `jit "${name}"`);
      for (const leaf of treeLeaves(returned)) values.push(target.traceValue(leaf, tracer));
      result = returned;
    });
  });
  return { program: simplified(tracer.finish(values)), result };
}

export function rejectPromise(result: unknown, name: string): void {
  if (!(result instanceof Promise)) return;
  // Nothing awaits it; without this handler its failure would end the process.
  result.catch(() => undefined);
  throw new EngineError(`jit "${name}" got a function that returns a promise; it can only compile synchronous code.`, {
    code: 'engine.jit-async',
  });
}
