import { EngineError } from '../errors';
import type { Replacements } from '../lower/lowering';
import { TensorFlowFunction } from '../lower/tensorflow';
import type { CaptureSource, GraftBackend } from '../native/backend';
import { trimMemory } from '../native/api';
import type { KoffiBinding } from '../native/binding';
import type { NativeTensor } from '../native/runtime';
import { currentPrecision, tracingForXla, withPrecision } from '../precision';
import { tapeState } from '../tape';
import { tf } from '../tf';
import { estimateMemory } from '../trace/memory';
import { withoutDeadCode, withoutRepetition, type Program, type Value } from '../trace/program';
import { Tracer } from '../trace/tracer';
import type { Executor, JitOptions, JitStatistics, Jitted, Precision, Tree } from '../types';
import { profileProgram, type OperationProfile } from './profile';
import { checkResult, signatureOf, treeLeaves, treeMap, treePaths } from './tree';
import { uncompiled } from './uncompiled';

/** The native runtime that compiled functions run on; undefined on the portable engine. */
export interface NativeSide {
  backend: GraftBackend;
  binding: KoffiBinding;
  /** The folder that stores compiled programs for later processes, if any. */
  compileCache?: string;
}

interface Compiled {
  fn: TensorFlowFunction;
  captures: CaptureSource[];
  /**
   * Leaves of the arguments that the call takes ownership of (donated), and the results that reuse their memory or
   * return them.
   */
  consumed: readonly number[];
  replacements: Replacements;
  /** Results that are a donated argument, unchanged. */
  passed: ReadonlyMap<number, number>;
  /** Estimated bytes that a call allocates. */
  bytes: number;
  /** The function's result with tensors standing for the outputs, in order; static leaves are in place. */
  rebuild(outputs: readonly tf.Tensor[]): unknown;
  ran: boolean;
}

/**
 * tfjs counts the gradients that are being recorded here. A compiled function has no gradient, so under a gradient it
 * runs uncompiled. (`activeTape` is not a reliable sign: an exception in a gradient leaves it behind.)
 */
function underGradientTape(): boolean {
  return tapeState().gradientDepth > 0;
}

export function makeJit<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  native: NativeSide | undefined,
  defaults: { executor: Executor; precision: Precision },
  options: JitOptions,
): Jitted<A, R> {
  const { consumes = [] } = options;
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

  /** Calls the function directly; reading values in it is an error, as when compiled. */
  const called = (args: A): R => uncompiled(name, treeLeaves(args), () => inline(args));

  /** Runs uncompiled, with the same ownership: only the results remain, as separate tensors. */
  const eagerly = (args: A): R => {
    signatureOf(args, [], `jit "${name}"`);
    const results = tf.tidy(() => {
      const result = called(args);
      rejectPromise(result, name);
      checkResult(result, `jit "${name}"`);
      return treeMap(result as Tree, (leaf) => leaf.clone()) as tf.TensorContainer;
    }) as R;
    for (const leaf of consumedLeaves(args)) leaf.dispose();
    return results;
  };

  const consumedLeaves = (args: A): Set<tf.Tensor> => {
    const members = args[0] as Record<string, unknown> | undefined;
    return new Set(consumes.flatMap((member) => treeLeaves(members?.[member])));
  };

  /** The compiled function, its inputs, and those of them that were donated, by position. */
  const lookUp = (
    args: A,
    { backend }: NativeSide,
  ): { entry: Compiled; inputs: NativeTensor[]; taken: Map<number, NativeTensor> } => {
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
    // Only now: nothing before the computation itself can fail any more.
    const taken = new Map<number, NativeTensor>();
    for (const position of entry.consumed) {
      if (leaves[position].isDisposed) throw givenTwice(name);
      taken.set(position, (inputs[position] = backend.take(leaves[position], where)));
    }
    if (options.largePages) native!.binding.runtime.reserveLargePages(entry.bytes);
    return { entry, inputs, taken };
  };

  /** The function as a program, with its captures and the tree of its results. */
  const traced = (
    args: A,
    leaves: readonly tf.Tensor[],
    precision: Precision,
  ): { program: Program; result: unknown; captures: CaptureSource[] } => {
    const { backend, binding } = native!;
    const tracer = new Tracer(name, binding.runtime, executor);
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
          const returned = tracingForXla(executor === 'xla', () => withPrecision(precision, () => fn(...symbolic)));
          rejectPromise(returned, name);
          checkResult(returned, `jit "${name}"`);
          for (const leaf of treeLeaves(returned)) values.push(backend.traceValue(leaf, tracer));
          // The tensors in `returned` end with this scope; only their positions in the tree are stored.
          result = returned;
        });
      });
      const program = withoutDeadCode(withoutRepetition(tracer.finish(values)));
      const variables = new Map<object, tf.Variable>();
      for (const variable of Object.values(tf.engine().registeredVariables)) variables.set(variable.dataId, variable);
      return {
        program,
        result,
        captures: program.captures.map(({ source }) => ({
          dataId: source as object,
          variable: variables.get(source as object),
        })),
      };
    } finally {
      tracer.dispose();
    }
  };

  const trace = (args: A, leaves: readonly tf.Tensor[], precision: Precision): Compiled => {
    const { program: whole, result, captures } = traced(args, leaves, precision);
    const consumedTensors = consumedLeaves(args);
    const consumed = leaves.flatMap((leaf, position) => (consumedTensors.has(leaf) ? [position] : []));
    const { program, passed, replacements } = reuse(whole, consumed, treePaths(args[0]), treePaths(result));
    statistics.operations = program.nodes.length;
    const bytes = estimateMemory(program, new Set([...replacements.keys()].map((at) => program.results[at])));
    options.onTrace?.({ temporaryBytes: bytes });
    return {
      bytes,
      fn: new TensorFlowFunction(native!.binding.runtime, program, executor as 'xla' | 'graph' | 'mixed', replacements),
      captures,
      consumed,
      replacements,
      passed,
      rebuild: (outputs) => treeMap(result as Tree, (_, position) => outputs[position]),
      ran: false,
    };
  };

  const deliver = (
    { entry, taken }: ReturnType<typeof lookUp>,
    returned: readonly NativeTensor[],
    start: number,
  ): R => {
    if (!entry.ran) {
      entry.ran = true;
      statistics.firstRunMs += performance.now() - start;
      // The memory of the compiler's threads, hundreds of megabytes for a large step, is not needed again.
      trimMemory();
    }
    const { backend, binding } = native!;
    const outputs = outputsInOrder(entry, returned, taken);
    for (const left of taken.values()) binding.runtime.deleteTensor(left);
    return entry.rebuild(outputs.map((output) => backend.wrap(binding.adopt(output)))) as R;
  };

  const compiles = executor === 'xla' || executor === 'graph' || executor === 'mixed';

  const call = (...args: A): R => {
    // Inside another compiled function, this one becomes part of it.
    if (native?.binding.activeTracer) return inline(args);
    if (underGradientTape()) return called(args);
    if (!compiles || !native) return eagerly(args);
    const found = lookUp(args, native);
    const start = performance.now();
    try {
      return deliver(found, found.entry.fn.call(found.inputs), start);
    } catch (error) {
      throw failed(error, found);
    }
  };

  /** A call that computes on another thread; `enqueue`: it may return results before they are computed. */
  const callLater =
    (ahead: boolean) =>
    async (...args: A): Promise<R> => {
      if (!compiles || !native || native.binding.activeTracer || underGradientTape()) return call(...args);
      const found = lookUp(args, native);
      const { entry, inputs } = found;
      const start = performance.now();
      try {
        // The first call compiles and is awaited; so is a call with donated arguments.
        const enqueued = ahead && entry.ran && entry.consumed.length === 0;
        const returned = enqueued ? entry.fn.enqueue(inputs, `jit "${name}"`) : await entry.fn.callAsync(inputs);
        return deliver(found, returned, start);
      } catch (error) {
        throw failed(error, found);
      }
    };

  const rename = (error: unknown, { ran }: Compiled): unknown => {
    if (!(error instanceof EngineError)) return error;
    const kept = native?.compileCache;
    const damaged =
      kept && !ran
        ? `If it says so again, remove ${kept}, where compiled programs are kept (engine.compileCache): one may be damaged.`
        : undefined;
    return new EngineError(`jit "${name}": ${error.message.replace(/^graft_\w+: /, '')}`, {
      code: error.code,
      hint: error.hint ?? damaged,
      cause: error,
    });
  };

  const failed = (error: unknown, { entry, taken }: ReturnType<typeof lookUp>): unknown => {
    // When an XLA step fails, it has already freed the variables that it was to overwrite; they must not be freed again
    // here.
    for (const tensor of taken.values())
      native!.binding.runtime[executor === 'xla' ? 'abandon' : 'deleteTensor'](tensor);
    return rename(error, entry);
  };

  const dispose = (): void => {
    for (const { fn: compiledFunction } of compiled.values()) compiledFunction.dispose();
    compiled.clear();
  };

  const profile = (...args: A): OperationProfile[] => {
    if (!compiles || !native) {
      throw new EngineError(`jit "${name}" can be profiled on the engines xla and graph alone.`, {
        code: 'engine.profile',
      });
    }
    const leaves: tf.Tensor[] = [];
    const precision = precisionNow();
    signatureOf(args, leaves, `jit "${name}"`);
    const { program, captures } = traced(args, leaves, precision);
    const { backend, binding } = native;
    const inputs = [...leaves, ...captures].map((source) => backend.nativeOf(source.dataId, `jit "${name}"`));
    return profileProgram(binding.runtime, program, inputs);
  };

  return Object.assign(call, { async: callLater(false), enqueue: callLater(true), profile, statistics, dispose });
}

/** How a call of that program uses its donated arguments. */
function reuse(
  program: Program,
  consumed: readonly number[],
  argumentPaths: readonly string[],
  resultPaths: readonly string[],
): { program: Program; passed: Map<number, number>; replacements: Map<number, number> } {
  const passed = new Map<number, number>();
  const replacements = new Map<number, number>();
  const argumentAt = new Map(consumed.map((position) => [argumentPaths[position], position]));
  const kept: Value[] = [];
  program.results.forEach((value, i) => {
    const position = argumentAt.get(resultPaths[i]);
    const argument = position === undefined ? undefined : program.arguments[position].outputs[0];
    if (argument && value === argument) {
      passed.set(i, position!);
      return;
    }
    kept.push(value);
    if (argument?.dtype === value.dtype && argument.shape.join() === value.shape.join())
      replacements.set(kept.length - 1, position!);
  });
  return { program: { ...program, results: kept }, passed, replacements };
}

/** All results: those that the function returned, and the donated arguments that it replaced or returned. */
function outputsInOrder(
  { passed, replacements }: Pick<Compiled, 'passed' | 'replacements'>,
  returned: readonly NativeTensor[],
  taken: Map<number, NativeTensor>,
): NativeTensor[] {
  const count = passed.size + replacements.size + returned.length;
  const outputs: NativeTensor[] = [];
  let kept = 0;
  let next = 0;
  for (let i = 0; i < count; i++) {
    const position = passed.get(i) ?? replacements.get(kept);
    if (!passed.has(i)) kept++;
    if (position === undefined) {
      outputs.push(returned[next++]);
      continue;
    }
    outputs.push(taken.get(position)!);
    taken.delete(position);
  }
  return outputs;
}

function givenTwice(name: string): EngineError {
  return new EngineError(`jit "${name}" was given one tensor twice in what it takes over.`, {
    code: 'engine.consumed-twice',
    hint: 'Give it a clone of the tensor at one of the two places.',
  });
}

function rejectPromise(result: unknown, name: string): void {
  if (result instanceof Promise) {
    // Nothing awaits it; without this handler its failure would end the process.
    result.catch(() => undefined);
    throw new EngineError(
      `jit "${name}" got a function that returns a promise; it can only compile synchronous code.`,
      {
        code: 'engine.jit-async',
      },
    );
  }
}
