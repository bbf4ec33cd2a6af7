import { EngineError } from '@graft/errors';
import type { Replacements } from '../lower/tensorflow-lowering';
import { TensorFlowFunction } from '../lower/tensorflow-function';
import type { CaptureSource, GraftBackend } from '../native/backend';
import { trimMemory } from '../native/api';
import type { KoffiBinding } from '../native/binding';
import type { NativeTensor } from '../native/runtime';
import { currentPrecision, tracingForXla, withPrecision } from '../precision';
import { tapeState } from '../tape';
import { tf } from '../tf';
import { estimateMemory, estimateUncompiledMemory } from '../trace/memory';
import { withoutDeadCode, withoutRepetition, type Program, type Value } from '../trace/program';
import { Tracer } from '../trace/tracer';
import type { CompilingExecutor, Executor, JitOptions, JitStatistics, Jitted, Precision, Tree } from '../types';
import { profileProgram, type OperationProfile } from './profile';
import { checkResult, signatureOf, treeLeaves, treeMap, treePaths } from './tree';
import { uncompiled } from './uncompiled';

/** The native runtime that compiled functions run on; undefined on the portable engine. */
export interface NativeBackend {
  backend: GraftBackend;
  binding: KoffiBinding;
  /** The folder that stores compiled programs for later processes, if any. */
  compileCache?: string;
}

interface Compiled {
  fn: TensorFlowFunction;
  captures: CaptureSource[];
  /** Leaves of the arguments that are donated to the call, and which results get their memory. */
  donated: readonly number[];
  replacements: Replacements;
  /** Results that are a donated argument, unchanged. */
  aliased: ReadonlyMap<number, number>;
  /** What a call allocates, estimated. */
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

function compilingExecutor(executor: Executor): CompilingExecutor | undefined {
  return executor === 'eager' || executor === 'portable' ? undefined : executor;
}

export function makeJit<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  native: NativeBackend | undefined,
  defaults: { executor: Executor; precision: Precision },
  options: JitOptions,
): Jitted<A, R> {
  const { donates = [] } = options;
  const name = options.name ?? (fn.name || 'anonymous');
  const executor = native ? (options.executor ?? defaults.executor) : 'portable';
  const compiler = compilingExecutor(executor);
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

  const estimated = new Set<string>();

  /** For `onTrace`, on the native engine: a trace that is only measured. Code that cannot be traced gets no estimate. */
  const estimateFor = (signature: string, args: A, leaves: readonly tf.Tensor[]): void => {
    if (!native || !options.onTrace || estimated.has(signature)) return;
    estimated.add(signature);
    let temporaryBytes: number;
    try {
      temporaryBytes = estimateUncompiledMemory(traced(args, leaves, precisionNow()).program);
    } catch {
      // What is wrong with the code shows when it runs.
      return;
    }
    options.onTrace({ temporaryBytes });
  };

  /** Runs uncompiled, with the same ownership: only the results remain, as separate tensors. */
  const eagerly = (args: A): R => {
    const leaves: tf.Tensor[] = [];
    estimateFor(signatureOf(args, leaves, `jit "${name}"`), args, leaves);
    const results = tf.tidy(() => {
      const result = called(args);
      rejectPromise(result, name);
      checkResult(result, `jit "${name}"`);
      return treeMap(result as Tree, (leaf) => leaf.clone()) as tf.TensorContainer;
    }) as R;
    for (const leaf of donatedLeaves(args)) leaf.dispose();
    return results;
  };

  const donatedLeaves = (args: A): Set<tf.Tensor> => {
    const members = args[0] as Record<string, unknown> | undefined;
    return new Set(donates.flatMap((member) => treeLeaves(members?.[member])));
  };

  /** The compiled function, its inputs, and those of them that were donated, by position. */
  const lookUp = (
    args: A,
    { backend }: NativeBackend,
    compiler: CompilingExecutor,
  ): { entry: Compiled; inputs: NativeTensor[]; donations: Map<number, NativeTensor> } => {
    const leaves: tf.Tensor[] = [];
    const precision = precisionNow();
    const key = `${precision} ${signatureOf(args, leaves, `jit "${name}"`)}`;
    let entry = compiled.get(key);
    if (!entry) {
      const start = performance.now();
      entry = trace(args, leaves, precision, compiler);
      compiled.set(key, entry);
      statistics.traces++;
      statistics.traceMs += performance.now() - start;
    }
    const where = `jit "${name}"`;
    const inputs = leaves.map((leaf) => backend.nativeOf(leaf.dataId, where));
    for (const source of entry.captures)
      inputs.push(backend.nativeOf(source.variable?.dataId ?? source.dataId, `${where} (a captured tensor)`));
    // Only now: nothing before the computation itself can fail any more.
    const donations = new Map<number, NativeTensor>();
    for (const position of entry.donated) {
      if (leaves[position].isDisposed) throw donatedTwice(name);
      donations.set(position, (inputs[position] = backend.donate(leaves[position], where)));
    }
    if (options.largePages) native!.binding.runtime.reserveLargePages(entry.bytes);
    return { entry, inputs, donations };
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

  const trace = (
    args: A,
    leaves: readonly tf.Tensor[],
    precision: Precision,
    compiler: CompilingExecutor,
  ): Compiled => {
    const { program: whole, result, captures } = traced(args, leaves, precision);
    const donatedTensors = donatedLeaves(args);
    const donated = leaves.flatMap((leaf, position) => (donatedTensors.has(leaf) ? [position] : []));
    const { program, aliased, replacements } = planDonation(whole, donated, treePaths(args[0]), treePaths(result));
    statistics.operations = program.nodes.length;
    const bytes = estimateMemory(program, new Set([...replacements.keys()].map((at) => program.results[at])));
    options.onTrace?.({ temporaryBytes: bytes });
    return {
      bytes,
      fn: new TensorFlowFunction(native!.binding.runtime, program, compiler, replacements),
      captures,
      donated,
      replacements,
      aliased,
      rebuild: (outputs) => treeMap(result as Tree, (_, position) => outputs[position]),
      ran: false,
    };
  };

  const wrapResults = (
    { entry, donations }: ReturnType<typeof lookUp>,
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
    const outputs = outputsInOrder(entry, returned, donations);
    for (const left of donations.values()) binding.runtime.deleteTensor(left);
    return entry.rebuild(outputs.map((output) => backend.wrap(binding.adopt(output)))) as R;
  };

  const call = (...args: A): R => {
    // Inside another compiled function, this one becomes part of it.
    if (native?.binding.activeTracer) return inline(args);
    if (underGradientTape()) return called(args);
    if (!compiler || !native) return eagerly(args);
    const found = lookUp(args, native, compiler);
    const start = performance.now();
    try {
      return wrapResults(found, found.entry.fn.call(found.inputs), start);
    } catch (error) {
      throw failed(error, found);
    }
  };

  /** A call that computes on another thread; `enqueue`: it may return results before they are computed. */
  const callLater =
    (enqueues: boolean) =>
    async (...args: A): Promise<R> => {
      if (!compiler || !native || native.binding.activeTracer || underGradientTape()) return call(...args);
      const found = lookUp(args, native, compiler);
      const { entry, inputs } = found;
      const start = performance.now();
      try {
        // The first call compiles and is awaited; so is a call with donated arguments.
        const enqueued = enqueues && entry.ran && entry.donated.length === 0;
        const returned = enqueued ? entry.fn.enqueue(inputs, `jit "${name}"`) : await entry.fn.callAsync(inputs);
        return wrapResults(found, returned, start);
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

  const failed = (error: unknown, { entry, donations }: ReturnType<typeof lookUp>): unknown => {
    // A step of XLA's that fails has freed the variables whose memory it was to write to, and would free them once more here.
    for (const tensor of donations.values())
      native!.binding.runtime[executor === 'xla' ? 'abandon' : 'deleteTensor'](tensor);
    return rename(error, entry);
  };

  const dispose = (): void => {
    for (const { fn: compiledFunction } of compiled.values()) compiledFunction.dispose();
    compiled.clear();
  };

  const profile = (...args: A): OperationProfile[] => {
    if (!compiler || !native) {
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
function planDonation(
  program: Program,
  donated: readonly number[],
  argumentPaths: readonly string[],
  resultPaths: readonly string[],
): { program: Program; aliased: Map<number, number>; replacements: Map<number, number> } {
  const aliased = new Map<number, number>();
  const replacements = new Map<number, number>();
  const argumentAt = new Map(donated.map((position) => [argumentPaths[position], position]));
  const kept: Value[] = [];
  program.results.forEach((value, i) => {
    const position = argumentAt.get(resultPaths[i]);
    const argument = position === undefined ? undefined : program.arguments[position].outputs[0];
    if (argument && value === argument) {
      aliased.set(i, position!);
      return;
    }
    kept.push(value);
    if (argument?.dtype === value.dtype && argument.shape.join() === value.shape.join())
      replacements.set(kept.length - 1, position!);
  });
  return { program: { ...program, results: kept }, aliased, replacements };
}

/** All results: those that the function returned, and the donated arguments that it replaced or returned. */
function outputsInOrder(
  { aliased, replacements }: Pick<Compiled, 'aliased' | 'replacements'>,
  returned: readonly NativeTensor[],
  donations: Map<number, NativeTensor>,
): NativeTensor[] {
  const count = aliased.size + replacements.size + returned.length;
  const outputs: NativeTensor[] = [];
  let kept = 0;
  let next = 0;
  for (let i = 0; i < count; i++) {
    const position = aliased.get(i) ?? replacements.get(kept);
    if (!aliased.has(i)) kept++;
    if (position === undefined) {
      outputs.push(returned[next++]);
      continue;
    }
    outputs.push(donations.get(position)!);
    donations.delete(position);
  }
  return outputs;
}

function donatedTwice(name: string): EngineError {
  return new EngineError(`jit "${name}" was given one tensor twice among the arguments that it donates.`, {
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
