import type * as tf from '@tensorflow/tfjs-core';
import type { Collectives } from './collectives';
import type { OperationProfile } from './jit/profile';
import type { Mesh, MeshAxes } from './mesh/types';

/**
 * Where programs run. `tensorflow`: native TensorFlow, on CPUs; `pjrt`: the devices of a PJRT plugin; `portable`: tfjs's
 * own JavaScript and wasm; `auto`: an accelerator that Graft has installed, otherwise TensorFlow, otherwise portable.
 */
export type EngineTarget = 'auto' | 'tensorflow' | 'pjrt' | 'portable';

/** A kind of device, as PJRT plugins name their platforms. */
export type EngineDevice = 'cpu' | 'cuda' | 'rocm' | 'tpu' | 'oneapi';

/**
 * What runs functions, as one word: the executors of TensorFlow (`xla`, `graph`, `mixed`, `eager`), or another target.
 * `auto`: TensorFlow's by the precision (XLA, or `mixed` for bfloat16), or whichever target is there.
 */
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
   * they save: `mixed` then runs it as one graph, and a GPU records its kernels and starts them as one. Default false.
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
  /** Of the accelerator, bytes; absent where its plugin has no statistics, and on CPUs. */
  device?: { bytesInUse: number; peakBytesInUse?: number; bytesLimit?: number };
}

/** Options of `openEngine`. */
export interface EngineOptions {
  /**
   * Default `auto`: an accelerator that `graft engine install` has fetched and whose device is there, otherwise
   * TensorFlow, otherwise portable, with a reason in `Engine.fallbackReason`.
   */
  target?: EngineTarget;
  /**
   * The kind of device. Any but `cpu` implies the target `pjrt`; `cpu` with the target `pjrt` is XLA's plugin for CPUs.
   * Default: the one that the target has; for `pjrt`, that of the plugin that is named, or the first accelerator that is
   * found.
   */
  device?: EngineDevice;
  /** TensorFlow's executor; it can also name a target. Default `auto`. */
  mode?: EngineMode;
  /**
   * Whether `auto` fails where it would use something slower, because the accelerator that is installed or TensorFlow
   * cannot be opened. What is named (a target, a mode, a device) is always required. Default false.
   */
  require?: boolean;
  /**
   * Decides `auto` (XLA for float32, `mixed` for bfloat16) and is the default precision inside `engine.jit`. Default
   * float32.
   */
  precision?: Precision;
  /**
   * The shared library of a PJRT plugin, such as `xla_cuda_plugin.so`; implies the target `pjrt`. Default: GRAFT_PJRT_PLUGIN,
   * then Graft's cache, then the site-packages of `python3`. A process opens one plugin.
   */
  plugin?: string;
  /**
   * The share of a GPU's memory that Graft may take, above 0, at most 1. Default: 0.94 on `cuda`. For the
   * devices `cuda` and `rocm`, as `preallocate`; both are read when the process opens the plugin.
   */
  memoryFraction?: number;
  /** Whether that share is taken at once; otherwise it grows, and may fragment. Default: the plugin's, which is true. */
  preallocate?: boolean;
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
   * tracing; see docs/engine.md for the cost. Read when the process loads the library or the plugin for the first time.
   * Default: false on CPUs, true on accelerators.
   */
  compileCache?: boolean;
}

/** An opened engine. The native library is loaded once per process; engines are cheap views of it. */
export interface Engine {
  /** Where it computes. */
  readonly target: Exclude<EngineTarget, 'auto'>;
  /** The kind of device: `cpu`, `cuda` and the like, as `EngineDevice`; of an unknown plugin, the name of its platform. */
  readonly device: string;
  readonly executor: Executor;
  readonly precision: Precision;
  /** tfjs backend behind `tf`: `tensorflow`, `pjrt`, `wasm` or `cpu`. */
  readonly backend: string;
  /** One line for logs: library, version, executor, threads. */
  readonly description: string;
  /** The reason, as a sentence, why `auto` uses this engine and not a faster one that it tried first; otherwise undefined. */
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
  /**
   * Starts copying tensors whose values are still on the host to the device, and returns: a call that takes them later
   * need not wait for the copy. Does nothing where the host's memory is the device's. Throws EngineError for a disposed
   * tensor, and if memory runs out.
   */
  upload(tensors: Tree): void;
  /** What is alive now, in tensors, handles and bytes. */
  memory(): EngineMemory;
}
