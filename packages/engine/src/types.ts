import type * as tf from '@tensorflow/tfjs-core';
import type { Collectives } from './collectives';
import type { OperationProfile } from './jit/profile';
import type { Mesh, MeshAxes } from './mesh/types';

/** What a user may ask for. `auto`: native if the library is there (XLA, or `mixed` for bfloat16), else portable. */
export type EngineMode = 'auto' | Executor;

/**
 * What compiles a jitted function: XLA, the whole of it; TensorFlow's graph executor; or both (`mixed`): a graph whose
 * products are oneDNN's and whose rest XLA compiles.
 */
export type CompilingExecutor = 'xla' | 'graph' | 'mixed';

/**
 * What runs a jitted function: a compiling executor; op by op on native TensorFlow; tfjs's own JavaScript and wasm; or the
 * device of a PJRT plugin.
 */
export type Executor = CompilingExecutor | 'eager' | 'portable' | 'pjrt';

/** Precision of the operands of matrix multiplications; everything else stays float32. */
export type Precision = 'float32' | 'bfloat16';

/**
 * A tree of tensors: a tensor, an array of trees or a plain object of trees. Leaves that are not tensors (numbers,
 * strings, booleans, null, undefined) are static: they are part of the key of a trace.
 */
export type Tree =
  tf.Tensor | number | string | boolean | null | undefined | readonly Tree[] | { readonly [key: string]: Tree };

/** Options of `Engine.jit`. */
export interface JitOptions {
  /** Shown in errors and statistics. Default: the function's own name. */
  name?: string;
  /** Default: the engine's executor. `eager` and `portable` call the function directly. */
  executor?: Executor;
  /**
   * Members of the first argument that are donated: the call disposes their tensors. If the result has a tensor of the
   * same shape and dtype at the same path (`parameters.w` for `parameters.w`), it reuses that memory. If the call fails
   * while computing, they are disposed too.
   */
  donates?: readonly string[];
  /** Precision of the matrix multiplications inside. Default: the current one when it is traced. */
  precision?: Precision;
  /**
   * Called with each new trace, before it is compiled and run. `temporaryBytes`: bytes that it needs in addition to its
   * arguments, estimated from shapes; executors reorder and fuse operations. The engine `eager` traces for it alone, once for
   * each signature; `portable` has no estimate.
   */
  onTrace?: (trace: { readonly temporaryBytes: number }) => void;
  /**
   * Whether a call takes so little time, as one token's does, that starting many compiled pieces would cost more than
   * they save: `mixed` then runs it as one graph. Default false.
   */
  shortCalls?: boolean;
  /** Whether the results should be in pages of 2 MiB, which makes repeated reads faster. Default false. */
  largePages?: boolean;
}

/** What a compiled function has cost so far. */
export interface JitStatistics {
  /** Distinct signatures (shapes, dtypes, static values) traced so far. */
  traces: number;
  /** Milliseconds of tracing and building, summed over all traces. */
  traceMs: number;
  /** Milliseconds of the first execution of each trace (including XLA's compilation), summed over all traces. */
  firstRunMs: number;
  /** Operations in the newest trace. */
  operations: number;
}

/** A compiled function. Outputs are new tensors that the caller disposes; they join the open `tf.tidy` scope as usual. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R;
  /** Like the plain call, but the computation runs on another thread and does not block the event loop. */
  async(...args: A): Promise<R>;
  /**
   * As `async`, but gives the results while they are still being made, one call after the other, so that they can be given to
   * the next call at once. Reading one (`data()`) waits for it, and throws if making it failed; what stands in line behind it
   * then fails with it, until one is read. The first call of each signature, and one with donated arguments (`donates`),
   * is waited for.
   */
  enqueue(...args: A): Promise<R>;
  /** Runs the function once, operation by operation, and says what each kind took; nothing is donated. Native engines only. */
  profile(...args: A): OperationProfile[];
  readonly statistics: JitStatistics;
  /** Frees the compiled functions. A later call traces again. */
  dispose(): void;
}

/** Counts of what is alive, as `Engine.memory` returns them. */
export interface EngineMemory {
  /** Tensors alive in tfjs (global to the process). */
  tensors: number;
  /** Native TensorFlow handles alive; 0 on the portable engine. */
  handles: number;
  /** Bytes behind those handles (tfjs's count on the portable engine). */
  bytes: number;
  /** Resident memory of the process, bytes. */
  residentBytes: number;
}

/** Options of `openEngine`. */
export interface EngineOptions {
  mode?: EngineMode;
  /**
   * Decides `auto` (XLA for float32, `mixed` for bfloat16) and is the default precision inside `engine.jit`. Default
   * float32.
   */
  precision?: Precision;
  /**
   * For the mode `pjrt`: the shared library of a PJRT plugin, such as `xla_cuda_plugin.so`. Default: GRAFT_PJRT_PLUGIN.
   * Read when the process opens the mode for the first time.
   */
  plugin?: string;
  /**
   * For the mode `pjrt`: how many devices are wanted, for a mesh. XLA's plugin for CPUs then has that many virtual ones;
   * other plugins have the devices of the machine. Read when the process opens the mode for the first time. Default: 1.
   */
  devices?: number;
  /** A folder with the two native libraries, or a file in it. Default: the cache, then installed packages. */
  libraryPath?: string;
  /**
   * Threads for one operation. Default: the number of cores. Read when the process loads the library for the first
   * time.
   */
  threads?: number;
  /**
   * Whether XLA's compiled programs are stored in Graft's cache for later processes. This saves compiling again, not
   * tracing; see docs/engine.md for the cost. Read when the process loads the library for the first time. Default
   * false.
   */
  compileCache?: boolean;
}

/** An opened engine. The native library is loaded once per process; engines are cheap views of it. */
export interface Engine {
  readonly executor: Executor;
  readonly precision: Precision;
  /** tfjs backend behind `tf`: `tensorflow`, `wasm` or `cpu`. */
  readonly backend: string;
  /** One line for logs: library, version, executor, threads. */
  readonly description: string;
  /** The reason, as a sentence, why the portable engine is used if no native one was available; otherwise undefined. */
  readonly fallbackReason?: string;
  /** How processes work together; the portable engine has workers of one machine only. */
  readonly collectives: Collectives;
  /**
   * Compiles a function of tensors, at its first call for each signature. On `eager` and `portable` it calls the
   * function.
   */
  jit<A extends readonly unknown[], R>(fn: (...args: A) => R, options?: JitOptions): Jitted<A, R>;
  /**
   * Devices of this process as a mesh, over which tensors are split: `{ data: 4, model: 2 }`. The same axes give the same
   * mesh. Throws EngineError for wrong axes, for more devices than there are, and on engines other than `pjrt`.
   */
  mesh(axes: MeshAxes): Mesh;
  /** What is alive now, in tensors, handles and bytes. */
  memory(): EngineMemory;
}
