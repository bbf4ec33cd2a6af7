import { EngineError } from '@graft/errors';
import { currentPrecision, withPrecision } from '../precision';
import { estimateUncompiledMemory } from '../program/memory';
import { tapeState } from '../tape';
import type { CompilingTarget, Target } from '../target/target';
import { tf } from '../tf';
import type { JitOptions, JitStatistics, Jitted, Precision, Tree } from '../types';
import { capturesOf, CompiledFunction, type GivenInputs } from './compiled-function';
import type { OperationProfile } from './profile';
import { record, rejectPromise } from './record';
import { checkResult, signatureOf, treeLeaves, treeMap } from './tree';
import { uncompiled } from './uncompiled';

/** Where a jitted function runs. */
export interface JitTarget<B> {
  readonly target: Target<B>;
  /** Whether functions are compiled, if the target can; otherwise they are called as they are. */
  readonly compiles: boolean;
  /** Default precision of products. */
  readonly precision: Precision;
}

/**
 * tfjs counts the gradients that are being recorded here. A compiled function has no gradient, so under a gradient it
 * runs uncompiled. (`activeTape` is not a reliable sign: an exception in a gradient leaves it behind.)
 */
function underGradientTape(): boolean {
  return tapeState().gradientDepth > 0;
}

export function makeJit<B, A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  { target, compiles, precision: defaultPrecision }: JitTarget<B>,
  options: JitOptions,
): Jitted<A, R> {
  const { donates = [] } = options;
  const name = options.name ?? (fn.name || 'anonymous');
  const where = `jit "${name}"`;
  const recorder = target.records ? target : undefined;
  const compiler = compiles ? recorder : undefined;
  const compiled = new Map<string, CompiledFunction<B>>();
  const statistics: JitStatistics = { traces: 0, traceMs: 0, firstRunMs: 0, operations: 0 };

  const precisionNow = (): Precision => {
    if (options.precision) return options.precision;
    const ambient = currentPrecision();
    return ambient === 'float32' ? defaultPrecision : ambient;
  };

  const inline = (args: A): R => withPrecision(precisionNow(), () => fn(...args));
  /** Calls the function directly; reading values in it is an error, as when compiled. */
  const called = (args: A): R => uncompiled(name, treeLeaves(args), () => inline(args));

  const estimated = new Set<string>();
  /** For `onTrace`, where nothing is compiled: a trace that is only measured. Code that cannot be traced gets no estimate. */
  const estimateFor = (signature: string, args: A, leaves: readonly tf.Tensor[]): void => {
    if (!recorder || !options.onTrace || estimated.has(signature)) return;
    estimated.add(signature);
    let temporaryBytes: number;
    try {
      const { program } = record(recorder, { name, fn, precision: precisionNow() }, args, leaves);
      temporaryBytes = estimateUncompiledMemory(program);
    } catch {
      // What is wrong with the code shows when it runs.
      return;
    }
    options.onTrace({ temporaryBytes });
  };

  const donatedLeaves = (args: A): Set<tf.Tensor> => {
    const members = args[0] as Record<string, unknown> | undefined;
    return new Set(donates.flatMap((member) => treeLeaves(members?.[member])));
  };

  /** Runs uncompiled, with the same ownership: only the results remain, as separate tensors. */
  const eagerly = (args: A): R => {
    const leaves: tf.Tensor[] = [];
    estimateFor(signatureOf(args, leaves, where), args, leaves);
    const results = tf.tidy(() => {
      const result = called(args);
      rejectPromise(result, name);
      checkResult(result, where);
      return treeMap(result as Tree, (leaf) => leaf.clone()) as tf.TensorContainer;
    }) as R;
    for (const leaf of donatedLeaves(args)) leaf.dispose();
    return results;
  };

  const compile = (
    on: CompilingTarget<B>,
    args: A,
    leaves: readonly tf.Tensor[],
    precision: Precision,
  ): CompiledFunction<B> => {
    const start = performance.now();
    const donated = donatedLeaves(args);
    const positions = leaves.flatMap((leaf, position) => (donated.has(leaf) ? [position] : []));
    const recorded = record(on, { name, fn, precision }, args, leaves);
    const entry = new CompiledFunction(on, where, recorded, args, positions, (temporaryBytes) =>
      options.onTrace?.({ temporaryBytes }),
    );
    statistics.operations = entry.operations;
    statistics.traces++;
    statistics.traceMs += performance.now() - start;
    return entry;
  };

  /** The compiled function for such arguments, and its inputs. */
  const lookUp = (on: CompilingTarget<B>, args: A): { entry: CompiledFunction<B>; given: GivenInputs<B> } => {
    const leaves: tf.Tensor[] = [];
    const precision = precisionNow();
    const key = `${precision} ${signatureOf(args, leaves, where)}`;
    let entry = compiled.get(key);
    if (!entry) compiled.set(key, (entry = compile(on, args, leaves, precision)));
    const given = entry.take(leaves, name);
    if (options.largePages) on.reserveLargePages(entry.temporaryBytes);
    return { entry, given };
  };

  const finish = (entry: CompiledFunction<B>, returned: readonly B[], given: GivenInputs<B>, start: number): R => {
    if (!entry.ran) statistics.firstRunMs += performance.now() - start;
    return entry.wrap(returned, given) as R;
  };

  const failed = (
    error: unknown,
    on: CompilingTarget<B>,
    entry: CompiledFunction<B>,
    given: GivenInputs<B>,
  ): unknown => {
    entry.freeDonations(given);
    if (!(error instanceof EngineError)) return error;
    const damaged =
      on.compileCache && !entry.ran
        ? `If it says so again, remove ${on.compileCache}, where compiled programs are kept (engine.compileCache): one may be damaged.`
        : undefined;
    return new EngineError(`${where}: ${error.message.replace(/^graft_\w+: /, '')}`, {
      code: error.code,
      hint: error.hint ?? damaged,
      cause: error,
    });
  };

  const call = (...args: A): R => {
    // Inside another compiled function, this one becomes part of it.
    if (recorder?.activeTracer) return inline(args);
    if (underGradientTape()) return called(args);
    if (!compiler) return eagerly(args);
    const { entry, given } = lookUp(compiler, args);
    const start = performance.now();
    try {
      return finish(entry, entry.call(given), given, start);
    } catch (error) {
      throw failed(error, compiler, entry, given);
    }
  };

  /** A call that computes on another thread; `enqueues`: it may return results before they are computed. */
  const callLater =
    (enqueues: boolean) =>
    async (...args: A): Promise<R> => {
      if (!compiler || compiler.activeTracer || underGradientTape()) return call(...args);
      const { entry, given } = lookUp(compiler, args);
      const start = performance.now();
      try {
        return finish(entry, await entry.callLater(given, enqueues), given, start);
      } catch (error) {
        throw failed(error, compiler, entry, given);
      }
    };

  const dispose = (): void => {
    for (const entry of compiled.values()) entry.dispose();
    compiled.clear();
  };

  const profile = (...args: A): OperationProfile[] => {
    if (!compiler) {
      throw new EngineError(`${where} can be profiled on the engines xla and graph alone.`, { code: 'engine.profile' });
    }
    const leaves: tf.Tensor[] = [];
    signatureOf(args, leaves, where);
    const recorded = record(compiler, { name, fn, precision: precisionNow() }, args, leaves);
    const own = compiler.compilerOf(recorded.program);
    const program = own.rewrite(recorded.program);
    const inputs = [...leaves, ...capturesOf(program)].map(({ dataId }) => own.bufferOf(dataId, where));
    return own.profile(program, inputs);
  };

  return Object.assign(call, { async: callLater(false), enqueue: callLater(true), profile, statistics, dispose });
}
