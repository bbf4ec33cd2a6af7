import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { firstUntrusted, notLoaded } from '../../setup/trust';
import type { EngineDevice } from '../../types';
import type { ClientOptions, CompileFlags } from './options';

/** A plugin's file and what it needs around it. */
export interface FoundPlugin {
  readonly file: string;
  /** Libraries to load first, in this order. */
  readonly preload: readonly string[];
  /** Options that every compilation needs, such as the folder of ptxas and libdevice. */
  readonly flags: CompileFlags;
  /** Options for all programs but those of short calls, such as one token's. */
  readonly longCallFlags?: CompileFlags;
  /** Options of its client. */
  readonly options?: ClientOptions;
}

/**
 * NVIDIA's libraries that a plugin for CUDA 13 needs, in the order in which they must be loaded, below `nvidia/` of
 * site-packages. The plugin finds further ones, such as cuDNN's parts, through these.
 */
const CUDA_13_LIBRARIES = [
  'cu13/lib/libcudart.so.13',
  'cu13/lib/libcublasLt.so.13',
  'cu13/lib/libcublas.so.13',
  'cudnn/lib/libcudnn.so.9',
];
/** The programs and data of CUDA 13 that XLA's compiler needs, below `nvidia/`. */
const CUDA_13_DATA = 'cu13';
const DATA_FILES = ['bin/ptxas', 'nvvm/libdevice/libdevice.10.bc'];

/** Trying XLA's own kernels for each product takes minutes for a model, and gains little (docs/pjrt.md). */
const CUDA_FLAGS: CompileFlags = { xla_gpu_enable_triton_gemm: false, xla_gpu_autotune_level: 0 };
/**
 * XLA records a program's kernels once and starts them as one (command buffers), but records all of them again if an
 * argument has come in other memory, as each training step's batch does: then they cost more than they save
 * (docs/performance.md). No program has that many kernels.
 */
const CUDA_LONG_CALL_FLAGS: CompileFlags = { xla_gpu_graph_min_graph_size: 1_000_000 };
/** Training needs nearly all of the memory; the rest is the driver's and the libraries'. */
const CUDA_OPTIONS: ClientOptions = { memory_fraction: 0.94 };

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Whether a plugin is for CUDA 13, by its name or its folder's: those of other releases need other libraries. */
const isForCuda13 = (file: string): boolean => /cuda_?13/.test(file.split('/').slice(-2).join('/'));

/** Which device a plugin or a platform is for, by the words in its name; the first that fits counts. */
const DEVICE_WORDS: readonly (readonly [EngineDevice, RegExp])[] = [
  ['cuda', /cuda/i],
  ['rocm', /rocm|(?:^|[^a-z])hip/i],
  ['tpu', /tpu/i],
  ['oneapi', /oneapi|sycl|xpu/i],
  ['cpu', /cpu/i],
];

/** The device that a platform's name stands for; undefined if it is none that Graft knows. */
export function deviceOfPlatform(platform: string): EngineDevice | undefined {
  return DEVICE_WORDS.find(([, word]) => word.test(platform))?.[0];
}

/** The device that a plugin is for, by its name or its folder's; undefined if neither shows it. */
export function deviceOfPlugin(file: string): EngineDevice | undefined {
  const [folder, name] = resolve(file).split('/').slice(-2);
  return deviceOfPlatform(name) ?? deviceOfPlatform(folder);
}

/**
 * A plugin by its path. For CUDA 13, NVIDIA's wheels are expected in the same site-packages; of their libraries those
 * that are there are loaded first, and the system's loader searches for the others.
 */
export function pluginAt(path: string, sitePackages?: string): FoundPlugin {
  const file = resolve(path);
  const folder = sitePackages ?? dirname(dirname(dirname(file)));
  if (!isForCuda13(file)) return { file, preload: [], flags: {} };
  const nvidia = join(folder, 'nvidia');
  const data = join(nvidia, CUDA_13_DATA);
  const hasData = DATA_FILES.every((name) => isFile(join(data, name)));
  return {
    file,
    preload: CUDA_13_LIBRARIES.map((name) => join(nvidia, name)).filter(isFile),
    flags: { ...CUDA_FLAGS, ...(hasData && { xla_gpu_cuda_data_dir: data }) },
    longCallFlags: CUDA_LONG_CALL_FLAGS,
    options: CUDA_OPTIONS,
  };
}

/**
 * The plugins in a Python's site-packages, by folder and name: `jax_plugins/*` + `/*.so` of the wheels of jax, and
 * libtpu. Only the files are looked at; nothing is loaded.
 */
export function findPlugins(sitePackages: string): FoundPlugin[] {
  const inJax = namesIn(join(sitePackages, 'jax_plugins')).flatMap((name) => {
    const folder = join(sitePackages, 'jax_plugins', name);
    return namesIn(folder)
      .filter((file) => file.endsWith('.so'))
      .map((file) => join(folder, file));
  });
  const tpu = join(sitePackages, 'libtpu', 'libtpu.so');
  return [...inJax, ...(isFile(tpu) ? [tpu] : [])].filter(isFile).map((file) => pluginAt(file, sitePackages));
}

const WHERE_ARE_PACKAGES = 'import sysconfig; print(sysconfig.get_paths()["purelib"])';

/**
 * The plugins in the site-packages of a Python; none if it cannot be started. Throws EngineError for a plugin, or a
 * library of NVIDIA's that it needs, which another user could have written.
 */
export async function findPythonPlugins(python = 'python3'): Promise<FoundPlugin[]> {
  const options = { timeout: 10_000, env: process.env };
  const asked = await promisify(execFile)(python, ['-c', WHERE_ARE_PACKAGES], options).catch(() => undefined);
  const folder = asked?.stdout.trim();
  if (!folder) return [];
  const found = findPlugins(folder);
  const untrusted = firstUntrusted(
    folder,
    found.flatMap(({ file, preload }) => [file, ...preload]),
  );
  if (untrusted) throw notLoaded(`The PJRT plugins in ${folder} are`, untrusted);
  return found;
}
