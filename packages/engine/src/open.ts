import { EngineError } from '@graft/errors';
import { examine, type DoctorOptions, type DoctorReport } from './setup';
import { chooseTarget, type TargetChoice } from './target/choose';
import { listTargets } from './targets/list-targets';
import { acceleratorHere } from './targets/pjrt/locate-plugin';
import { installedPlugins } from './targets/pjrt/setup';
import { openPortableEngine } from './targets/portable/open-engine';
import { loadTensorFlow, openTensorFlowEngine } from './targets/tensorflow/open-engine';
import type { NativeBackend } from './targets/tensorflow/tensorflow-target';
import type { Engine, EngineDevice, EngineOptions } from './types';

type PjrtModule = typeof import('./targets/pjrt/open-engine');

/** Loaded on demand: the portable engine must work where koffi has no build for the machine. */
function openPjrt(options: EngineOptions, device: EngineDevice | undefined): Promise<Engine> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
  const { openPjrtEngine } = require('./targets/pjrt/open-engine') as PjrtModule;
  return openPjrtEngine({ ...options, device }, options.precision ?? 'float32');
}

/**
 * Opens the engine of the target, the mode and the device that the options name; `auto`, the default, takes an
 * accelerator that Graft has installed, otherwise native TensorFlow, otherwise tfjs's wasm or JavaScript backend. tfjs
 * has one backend per process, so the newest call decides where plain `tf` calls run. Throws EngineError if the options
 * contradict each other, if what they name is not available, and with `require`, if `auto` would use something slower
 * than what should be there.
 */
export async function openEngine(options: EngineOptions = {}): Promise<Engine> {
  const choice = chooseTarget(options);
  const precision = options.precision ?? 'float32';
  switch (choice.target) {
    case 'portable':
      return openPortableEngine(precision);
    case 'pjrt':
      return openPjrt(options, choice.device);
    case 'tensorflow': {
      const native = await loadTensorFlow(options);
      if (typeof native === 'string') throw libraryMissing(options, native);
      return openTensorFlowEngine(native, choice.executor, precision);
    }
    default:
      return openWhichever(options, choice);
  }
}

function libraryMissing({ target = 'auto', mode = 'auto' }: EngineOptions, reason: string): EngineError {
  const what = mode === 'auto' ? `target "${target === 'auto' ? 'tensorflow' : target}"` : `mode "${mode}"`;
  return new EngineError(`engine ${what} needs the native TensorFlow library. ${reason}`, {
    code: 'engine.library-missing',
    hint: 'Run `graft engine install`, or use `--engine portable`, which is slower and needs no library.',
  });
}

/** The fastest engine that opens; with `require`, the fastest that should. */
async function openWhichever(options: EngineOptions, { device, executor }: TargetChoice): Promise<Engine> {
  const { precision = 'float32', require: required = false } = options;
  const reasons: string[] = [];
  /** What does not open is a reason to go on, unless it is required. */
  const attempt = async <T>(open: () => Promise<T | string>): Promise<T | undefined> => {
    try {
      const opened = await open();
      if (typeof opened !== 'string') return opened;
      if (required) throw fallbackRefused(opened);
      reasons.push(opened);
    } catch (error) {
      if (required || !(error instanceof EngineError)) throw error;
      reasons.push(error.message);
    }
    return undefined;
  };
  const accelerator = device === undefined ? acceleratorHere() : undefined;
  const engine = accelerator && (await attempt(() => openPjrt(options, accelerator)));
  if (engine) return engine;
  const native = await attempt<NativeBackend>(() => loadTensorFlow(options));
  const reason = reasons.length > 0 ? reasons.join(' ') : undefined;
  if (native) return openTensorFlowEngine(native, executor, precision, reason);
  return openPortableEngine(precision, reason);
}

function fallbackRefused(reason: string): EngineError {
  return new EngineError(`Nothing but the portable engine is here, and engine.require refuses it. ${reason}`, {
    code: 'engine.required',
    hint: 'Run `graft engine install`, name the engine that you want, or leave engine.require out.',
  });
}

/** Checks what Graft needs on this machine, and opens every target that is there; a plugin in a process of its own. */
export async function doctor(options?: DoctorOptions): Promise<DoctorReport> {
  const report = await examine(
    async ({ folder }) => (await openEngine({ mode: 'xla', libraryPath: folder })).description,
    options,
    installedPlugins(),
  );
  const isIntact = report.checks.every(({ name, status }) => name !== 'hashes' || status !== 'fail');
  const targets = await listTargets(
    report.checks.find(({ name }) => name === 'engine'),
    isIntact,
  );
  const accelerator = acceleratorHere();
  const auto =
    targets.find(({ target, device, usable }) => target === 'pjrt' && device === accelerator && usable) ??
    targets.find(({ target, usable }) => target !== 'pjrt' && usable)!;
  return { ...report, targets, auto };
}
