import { EngineError } from '../errors';
import { TensorFlowFunction } from '../lower/tensorflow';
import type { CaptureSource, GraftBackend } from '../native/backend';
import type { KoffiBinding } from '../native/binding';
import type { NativeTensor } from '../native/runtime';
import { currentPrecision, withPrecision } from '../precision';
import { tf } from '../tf';
import { withoutDeadCode, withoutRepetition, type Value } from '../trace/program';
import { Tracer } from '../trace/tracer';
import type { Executor, JitOptions, JitStatistics, Jitted, Precision, Tree } from '../types';
import { signatureOf, treeLeaves, treeMap } from './tree';

/** The native side that compiled functions run on; undefined on the portable engine. */
export interface NativeSide {
  backend: GraftBackend;
  binding: KoffiBinding;
}

interface Compiled {
  fn: TensorFlowFunction;
  captures: CaptureSource[];
  /** The function's result with tensors standing for the outputs, in order; static leaves are in place. */
  rebuild(outputs: readonly tf.Tensor[]): unknown;
  ran: boolean;
}

/** tfjs keeps the open gradient tape here; a compiled function has no gradient, so under a tape it runs uncompiled. */
function underGradientTape(): boolean {
  return (tf.engine() as unknown as { state: { activeTape?: unknown } }).state.activeTape != null;
}

export function makeJit<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  native: NativeSide | undefined,
  defaults: { executor: Executor; precision: Precision },
  options: JitOptions,
): Jitted<A, R> {
  const name = options.name ?? (fn.name || 'anonymous');
  const executor = native ? (options.executor ?? defaults.executor) : 'portable';
  const compiled = new Map<string, Compiled>();
  const statistics: JitStatistics = { traces: 0, traceMs: 0, firstRunMs: 0, operations: 0 };

  const precisionNow = (): Precision => {
    if (options.precision) return options.precision;
    const ambient = currentPrecision();
    return ambient === 'float32' ? defaults.precision : ambient;
  };

  const inline = (args: A): R => withPrecision(precisionNow(), () => fn(...args));

  /** Uncompiled, with the same ownership: only the results stay, and they are tensors of their own. */
  const eagerly = (args: A): R =>
    tf.tidy(() => {
      const result = inline(args);
      rejectPromise(result, name);
      return treeMap(result as Tree, (leaf) => leaf.clone()) as tf.TensorContainer;
    }) as R;

  const lookUp = (args: A, { backend }: NativeSide): { entry: Compiled; inputs: NativeTensor[] } => {
    const leaves: tf.Tensor[] = [];
    const precision = precisionNow();
    const key = `${precision} ${signatureOf(args, leaves, `jit "${name}"`)}`;
    let entry = compiled.get(key);
    if (!entry) {
      const start = performance.now();
      entry = trace(args, leaves, precision);
      compiled.set(key, entry);
      statistics.traces++;
      statistics.traceMs += performance.now() - start;
    }
    const where = `jit "${name}"`;
    const inputs = leaves.map((leaf) => backend.nativeOf(leaf.dataId, where));
    for (const source of entry.captures)
      inputs.push(backend.nativeOf(source.variable?.dataId ?? source.dataId, `${where} (a captured tensor)`));
    return { entry, inputs };
  };

  const trace = (args: A, leaves: readonly tf.Tensor[], precision: Precision): Compiled => {
    const { backend, binding } = native!;
    const tracer = new Tracer(name, binding.runtime, executor === 'xla');
    try {
      let result: unknown;
      const values: Value[] = [];
      backend.tracing(tracer, () => {
        tf.tidy(() => {
          const symbols = leaves.map((leaf) => {
            const value = tracer.argument({ dtype: backend.getDTypeInteger(leaf.dtype), shape: leaf.shape });
            return backend.wrap(binding.addValue(value, tracer));
          });
          const symbolic = treeMap(args as unknown as Tree, (_, position) => symbols[position]) as unknown as A;
          const traced = withPrecision(precision, () => fn(...symbolic));
          rejectPromise(traced, name);
          for (const leaf of treeLeaves(traced)) values.push(backend.traceValue(leaf, tracer));
          // The tensors in `traced` end with this scope; only their places in the tree are kept.
          result = traced;
        });
      });
      const program = withoutDeadCode(withoutRepetition(tracer.finish(values)));
      statistics.operations = program.nodes.length;
      const variables = new Map<object, tf.Variable>();
      for (const variable of Object.values(tf.engine().registeredVariables)) variables.set(variable.dataId, variable);
      return {
        fn: new TensorFlowFunction(binding.runtime, program, executor === 'xla'),
        captures: program.captures.map(({ source }) => ({
          dataId: source as object,
          variable: variables.get(source as object),
        })),
        rebuild: (outputs) => treeMap(result as Tree, (_, position) => outputs[position]),
        ran: false,
      };
    } finally {
      tracer.dispose();
    }
  };

  const deliver = (entry: Compiled, outputs: readonly NativeTensor[], start: number): R => {
    if (!entry.ran) {
      entry.ran = true;
      statistics.firstRunMs += performance.now() - start;
    }
    const { backend, binding } = native!;
    return entry.rebuild(outputs.map((output) => backend.wrap(binding.adopt(output)))) as R;
  };

  const compiles = executor === 'xla' || executor === 'graph';

  const call = (...args: A): R => {
    // Inside another compiled function, this one becomes part of it.
    if (native?.binding.activeTracer || underGradientTape()) return inline(args);
    if (!compiles || !native) return eagerly(args);
    const { entry, inputs } = lookUp(args, native);
    const start = performance.now();
    return deliver(
      entry,
      named(() => entry.fn.call(inputs)),
      start,
    );
  };

  const callAsync = async (...args: A): Promise<R> => {
    if (!compiles || !native || native.binding.activeTracer || underGradientTape()) return call(...args);
    const { entry, inputs } = lookUp(args, native);
    const start = performance.now();
    return deliver(
      entry,
      await entry.fn.callAsync(inputs).catch((error: unknown) => {
        throw rename(error);
      }),
      start,
    );
  };

  const rename = (error: unknown): unknown =>
    error instanceof EngineError
      ? new EngineError(`jit "${name}": ${error.message.replace(/^graft_\w+: /, '')}`, {
          code: error.code,
          hint: error.hint,
          cause: error,
        })
      : error;

  const named = <T>(run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw rename(error);
    }
  };

  const dispose = (): void => {
    for (const { fn: compiledFunction } of compiled.values()) compiledFunction.dispose();
    compiled.clear();
  };

  return Object.assign(call, { async: callAsync, statistics, dispose });
}

function rejectPromise(result: unknown, name: string): void {
  if (result instanceof Promise) {
    // Nobody will wait for it; without this its failure would end the process.
    result.catch(() => undefined);
    throw new EngineError(
      `jit "${name}" got a function that returns a promise; it can only compile synchronous code.`,
      {
        code: 'engine.jit-async',
      },
    );
  }
}
