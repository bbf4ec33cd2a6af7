import { EngineError, messageOf } from '@graft/errors';

export type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/** Stack of a native call: XLA compiles on it, for which koffi's default is too small. */
const STACK_BYTES = 16 << 20;

/** The sizes can only be set before the first library is loaded. */
function configured(koffi: Koffi): Koffi {
  // Another copy of this module in the process (a test runner's, say) may have done so.
  if (koffi.config().sync_stack_size !== STACK_BYTES)
    koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES, resident_async_pools: 2 });
  return koffi;
}

/**
 * koffi, loaded at the first native call: importing Graft must neither cost that nor need it, as the portable engine works on
 * machines for which koffi has no build. Throws EngineError there.
 */
export function koffi(): Koffi {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded on demand, see above
    return (loaded ??= configured(require('koffi') as Koffi));
  } catch (cause) {
    const [reason] = messageOf(cause).split('\n');
    throw new EngineError(`koffi, which calls native libraries, cannot be loaded: ${reason.replace(/[.?!]+$/, '')}.`, {
      code: 'engine.koffi',
      hint: 'Reinstall the packages with `npm install`; `--engine portable` does without koffi.',
      cause,
    });
  }
}
