import { noMesh } from '../../mesh/no-mesh';
import { availableParallelism } from 'node:os';
import { EngineError } from '@graft/errors';
import { collectives } from '../../collectives/join';
import { makeJit, type JitTarget } from '../../jit/jit';
import type { NativeTensor } from './native/runtime';
import {
  findNativeLibrary,
  unsupportedPlatformReason,
  untrustedPart,
  useCompileCache,
  warnOfUntrusted,
  type NativeLibrary,
} from '../../setup';
import type { TargetChoice } from '../../target/choose';
import { tf } from '../../tf';
import type { CompilingExecutor, Engine, EngineOptions, JitOptions, Precision } from '../../types';
import type { NativeBackend } from './tensorflow-target';

/** The only native runtime of this process: the library cannot be loaded twice, nor unloaded. */
let nativeBackend: NativeBackend | undefined;

/** The library, loaded; a sentence with the reason where this machine has none. Throws EngineError for a broken one. */
export async function loadTensorFlow(options: EngineOptions): Promise<NativeBackend | string> {
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

type NativeExecutor = CompilingExecutor | 'eager';

function executorFor(executor: TargetChoice['executor'], precision: Precision): NativeExecutor {
  // Measured (npm run bench): XLA's CPU code gains nothing from bfloat16, oneDNN's products in a graph do.
  if (executor === 'auto') return precision === 'bfloat16' ? 'mixed' : 'xla';
  return executor;
}

/** An engine on the loaded library. `fallbackReason`: why no accelerator is used, as a sentence. */
export async function openTensorFlowEngine(
  native: NativeBackend,
  wanted: TargetChoice['executor'],
  precision: Precision,
  fallbackReason?: string,
): Promise<Engine> {
  await tf.setBackend('tensorflow');
  const executor = executorFor(wanted, precision);
  const { runtime } = native.binding;
  return {
    target: 'tensorflow',
    device: 'cpu',
    executor,
    precision,
    backend: 'tensorflow',
    fallbackReason,
    mesh: noMesh,
    collectives: collectives(native),
    description: `TensorFlow ${runtime.version}, ${executor}, ${precision} matmuls, ${runtime.threads} threads`,
    jit: (fn, jitOptions: JitOptions = {}) =>
      makeJit(fn, jitTarget(native, executor, precision, jitOptions), jitOptions),
    upload: () => undefined,
    memory: () => ({
      tensors: tf.memory().numTensors,
      handles: runtime.liveTensors,
      bytes: runtime.liveBytes,
      residentBytes: process.memoryUsage.rss(),
    }),
  };
}

type TargetModule = typeof import('./tensorflow-target');

/** Loaded on demand, as the backend is. */
function loadTarget(): TargetModule {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- as in loadTensorFlow
  return require('./tensorflow-target') as TargetModule;
}

/** Where a function of a native engine runs. */
function jitTarget(
  native: NativeBackend,
  engineExecutor: NativeExecutor,
  precision: Precision,
  { executor = engineExecutor, shortCalls = false }: JitOptions,
): JitTarget<NativeTensor> {
  const own = executor === 'portable' || executor === 'pjrt' ? 'eager' : executor;
  const { ShortCallsTarget, TensorFlowTarget } = loadTarget();
  const target = own === 'mixed' && shortCalls ? new ShortCallsTarget(native) : new TensorFlowTarget(native, own);
  return { target, compiles: own !== 'eager', precision };
}
