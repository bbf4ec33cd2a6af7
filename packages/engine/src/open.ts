import { availableParallelism } from 'node:os';
import { collectives } from './collectives/join';
import { EngineError } from '@graft/errors';
import { makeJit, type JitTarget } from './jit/jit';
import { noMesh } from './mesh/no-mesh';
import type { NativeTensor } from './native/runtime';
import { preparePortableBackend } from './portable';
import {
  examine,
  findNativeLibrary,
  unsupportedPlatformReason,
  untrustedPart,
  useCompileCache,
  warnOfUntrusted,
  type DoctorOptions,
  type DoctorReport,
  type NativeLibrary,
} from './setup';
import type { NativeBackend } from './targets/tensorflow/tensorflow-target';
import { tf } from './tf';
import type { Engine, EngineMode, EngineOptions, Executor, JitOptions, Precision } from './types';

const MODES: readonly EngineMode[] = ['auto', 'eager', 'xla', 'graph', 'mixed', 'portable', 'pjrt'];

/** The only native runtime of this process: the library cannot be loaded twice, nor unloaded. */
let nativeBackend: NativeBackend | undefined;

async function loadNative(options: EngineOptions): Promise<NativeBackend | string> {
  const unsupported = unsupportedPlatformReason();
  if (unsupported) return unsupported;
  if (!nativeBackend || options.libraryPath !== undefined) {
    const library = await findNativeLibrary({ libraryPath: options.libraryPath });
    if (nativeBackend) return sameLibrary(nativeBackend, library!);
    if (!library) return 'The native library is not installed (`graft engine install` fetches it).';
    // An explicit path is the user's choice.
    const wasNamed = library.origin === 'option' || library.origin === 'environment';
    const untrusted = wasNamed ? untrustedPart(library) : undefined;
    if (untrusted)
      warnOfUntrusted(`The native library in ${library.folder} is loaded, but others could change it`, untrusted);
    shimNodeUtil();
    // Loaded on demand: the portable engine must work where koffi has no build for the machine.
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
    const { loadNativeBackend } = require('./native/load-backend') as typeof import('./native/load-backend');
    const compileCache = options.compileCache ? useCompileCache(library) : undefined;
    nativeBackend = { ...loadNativeBackend(library, options.threads ?? availableParallelism()), compileCache };
  }
  return nativeBackend;
}

/** A process has one library: a request for another one later cannot be met, so it is an error. */
function sameLibrary(loaded: NativeBackend, wanted: NativeLibrary): NativeBackend {
  const { folder } = loaded.binding.runtime.library;
  if (folder === wanted.folder) return loaded;
  throw new EngineError(
    `engine.libraryPath names ${wanted.folder}, but this process has loaded the library in ${folder} already.`,
    {
      code: 'engine.library-loaded',
    },
  );
}

/** tfjs-node's kernels call two helpers of `util` that Node 22 deprecates and Node 23 removed. */
function shimNodeUtil(): void {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the shim must change the module object itself
  const util = require('node:util') as {
    isNullOrUndefined?: (value: unknown) => boolean;
    isArray?: (value: unknown) => boolean;
  };
  util.isNullOrUndefined = (value) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

function executorFor(mode: EngineMode, precision: Precision): Executor {
  // Measured (npm run bench): XLA's CPU code gains nothing from bfloat16, oneDNN's products in a graph do.
  if (mode === 'auto') return precision === 'bfloat16' ? 'mixed' : 'xla';
  return mode;
}

/**
 * Opens the engine: native TensorFlow if it is available, tfjs's wasm or JavaScript backend otherwise (`auto`) or on
 * request (`portable`). tfjs has one backend per process, so the newest call decides where plain `tf` calls run. Throws
 * EngineError if native execution was requested (`eager`, `xla`, `graph`, or a libraryPath) but is not available.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const mode = options.mode ?? 'auto';
  const precision = options.precision ?? 'float32';
  if (!MODES.includes(mode)) {
    throw new EngineError(`engine mode "${String(mode)}" is unknown; expected one of ${MODES.join(', ')}.`, {
      code: 'engine.mode',
      exitCode: 2,
    });
  }
  if (mode === 'portable') return portableEngine(precision);
  if (mode === 'pjrt') {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- as in loadNative
    const { openPjrtEngine } = require('./targets/pjrt/open-engine') as typeof import('./targets/pjrt/open-engine');
    return openPjrtEngine(options, precision);
  }
  let native: NativeBackend | string;
  try {
    native = await loadNative(options);
  } catch (error) {
    if (mode !== 'auto' || options.libraryPath !== undefined || !(error instanceof EngineError)) throw error;
    native = error.message;
  }
  if (typeof native === 'string') {
    if (mode === 'auto' && options.libraryPath === undefined) return portableEngine(precision, native);
    throw new EngineError(`engine mode "${mode}" needs the native TensorFlow library. ${native}`, {
      code: 'engine.library-missing',
      hint: 'Run `graft engine install`, or use `--engine portable`, which is slower and needs no library.',
    });
  }
  return nativeEngine(native, executorFor(mode, precision), precision);
}

async function nativeEngine(native: NativeBackend, executor: Executor, precision: Precision): Promise<Engine> {
  await tf.setBackend('tensorflow');
  const { runtime } = native.binding;
  return {
    executor,
    precision,
    backend: 'tensorflow',
    collectives: collectives(native),
    mesh: noMesh,
    description: `TensorFlow ${runtime.version}, ${executor}, ${precision} matmuls, ${runtime.threads} threads`,
    jit: (fn, jitOptions: JitOptions = {}) =>
      makeJit(fn, jitTarget(native, executor, precision, jitOptions), jitOptions),
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: runtime.liveTensors,
      bytes: runtime.liveBytes,
      residentBytes: process.memoryUsage.rss(),
    }),
  };
}

type TargetModule = typeof import('./targets/tensorflow/tensorflow-target');

/** Loaded on demand, as the backend is. */
function loadTarget(): TargetModule {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- as in loadNative
  return require('./targets/tensorflow/tensorflow-target') as TargetModule;
}

/** Where a function of a native engine runs. */
function jitTarget(
  native: NativeBackend,
  engineExecutor: Executor,
  precision: Precision,
  { executor = engineExecutor, shortCalls = false }: JitOptions,
): JitTarget<NativeTensor> {
  // Each call of a compiled piece between products costs more than it saves where a call takes no time.
  const own = executor === 'portable' || executor === 'pjrt' ? 'eager' : executor;
  const best = own === 'mixed' && shortCalls ? 'graph' : own;
  const { TensorFlowTarget } = loadTarget();
  return { target: new TensorFlowTarget(native, best), compiles: best !== 'eager', precision };
}

async function portableEngine(precision: Precision, fallbackReason?: string): Promise<Engine> {
  const backend = await preparePortableBackend();
  await tf.setBackend(backend);
  return {
    executor: 'portable',
    precision,
    backend,
    fallbackReason,
    collectives: collectives(undefined),
    mesh: noMesh,
    description: `portable (tfjs ${tf.version_core}, ${backend})`,
    jit: (fn, jitOptions: JitOptions = {}) =>
      makeJit(fn, { target: undefined, compiles: false, precision }, jitOptions),
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: 0,
      bytes: tf.memory().numBytes,
      residentBytes: process.memoryUsage.rss(),
    }),
  };
}

/** Checks what Graft needs on this machine, and whether the native engine opens. */
export function doctor(options?: DoctorOptions): Promise<DoctorReport> {
  return examine(async ({ folder }) => (await openEngine({ mode: 'xla', libraryPath: folder })).description, options);
}
