import { EngineError } from '@graft/errors';
import type { CompilingExecutor, EngineDevice, EngineMode, EngineOptions, EngineTarget } from '../types';

/** The targets that `EngineOptions.target` can name. */
export const ENGINE_TARGETS: readonly EngineTarget[] = ['auto', 'tensorflow', 'pjrt', 'portable'];

/** The modes that `EngineOptions.mode` can name. */
export const ENGINE_MODES: readonly EngineMode[] = ['auto', 'eager', 'xla', 'graph', 'mixed', 'portable', 'pjrt'];

/** The devices that `EngineOptions.device` can name; of several accelerators that are there, the first here counts. */
export const ENGINE_DEVICES: readonly EngineDevice[] = ['cpu', 'cuda', 'rocm', 'tpu', 'oneapi'];

/** What the options of an engine ask for. */
export interface TargetChoice {
  /** `auto`: whichever is there. */
  readonly target: EngineTarget;
  /** TensorFlow's executor; `auto`: by the precision. */
  readonly executor: CompilingExecutor | 'eager' | 'auto';
  /** Undefined: whichever the target has. */
  readonly device?: EngineDevice;
}

type RequestedOptions = Pick<
  EngineOptions,
  'target' | 'mode' | 'device' | 'plugin' | 'libraryPath' | 'memoryFraction' | 'preallocate'
>;

/** The target of each mode that names one. */
function targetOf(mode: EngineMode): EngineTarget {
  return mode === 'auto' || mode === 'portable' || mode === 'pjrt' ? mode : 'tensorflow';
}

function known<T extends string>(what: string, word: T, words: readonly T[], code: string): void {
  if (words.includes(word)) return;
  throw new EngineError(`engine ${what} "${String(word)}" is unknown; expected one of ${words.join(', ')}.`, {
    code,
    exitCode: 2,
  });
}

function contradiction(message: string, hint: string): EngineError {
  return new EngineError(message, { code: 'engine.options', exitCode: 2, hint });
}

/**
 * What the options of an engine ask for, by today's spellings and by `mode` alone. Looks at nothing but the options.
 * Throws EngineError for unknown words, and for options that contradict each other.
 */
export function chooseTarget(options: RequestedOptions): TargetChoice {
  const { target: named = 'auto', mode = 'auto', device, plugin, libraryPath } = options;
  known('mode', mode, ENGINE_MODES, 'engine.mode');
  known('target', named, ENGINE_TARGETS, 'engine.options');
  if (device !== undefined) known('device', device, ENGINE_DEVICES, 'engine.options');

  const ofMode = targetOf(mode);
  if (named !== 'auto' && ofMode !== 'auto' && named !== ofMode)
    throw contradiction(
      `engine target "${named}" and engine mode "${mode}" contradict each other: the mode is one of the target ${ofMode}.`,
      `Leave the mode out, or name the target ${ofMode}.`,
    );
  const target = named === 'auto' ? ofMode : named;
  const computing = named === 'auto' ? `engine mode "${mode}"` : `engine target "${named}"`;
  const isOnCpu = target === 'tensorflow' || target === 'portable';
  const isAccelerator = device !== undefined && device !== 'cpu';
  if (isOnCpu && isAccelerator)
    throw contradiction(
      `${computing} computes on CPUs alone, not on the device "${device}".`,
      'Name the target pjrt, or only the device.',
    );
  if (isOnCpu && plugin !== undefined)
    throw contradiction(
      `${computing} loads no PJRT plugin, but engine plugin names ${plugin}.`,
      'Name the target pjrt, or leave the plugin out.',
    );
  const chosen = target !== 'auto' ? target : isAccelerator || plugin !== undefined ? 'pjrt' : undefined;
  checkMemory(options, chosen, device);
  const executor = mode === 'portable' || mode === 'pjrt' ? 'auto' : mode;
  // A library that was named is to be used.
  const whichever = libraryPath === undefined ? 'auto' : 'tensorflow';
  const resolved = chosen ?? whichever;
  return { target: resolved, executor, device: resolved === 'pjrt' || resolved === 'auto' ? device : 'cpu' };
}

/** Options of a device's memory belong to devices that have some. */
function checkMemory(
  { memoryFraction, preallocate }: RequestedOptions,
  target: EngineTarget | undefined,
  device: EngineDevice | undefined,
): void {
  const option =
    memoryFraction !== undefined ? 'memoryFraction' : preallocate !== undefined ? 'preallocate' : undefined;
  if (option === undefined) return;
  if (memoryFraction !== undefined && !(memoryFraction > 0 && memoryFraction <= 1))
    throw contradiction(
      `engine memoryFraction is ${memoryFraction}; expected a number above 0, and at most 1.`,
      'It is the share of the memory of a device that its client may take.',
    );
  const has = device ?? (target === 'tensorflow' || target === 'portable' ? 'cpu' : undefined);
  if (has === undefined || has === 'cuda' || has === 'rocm') return;
  throw contradiction(
    `engine ${option} belongs to the devices cuda and rocm; the device here is "${has}".`,
    'Leave it out, or name one of those devices.',
  );
}
