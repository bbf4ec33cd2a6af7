import { EngineError, messageOf } from '@graft/errors';

export type Koffi = typeof import('koffi');

let loaded: Koffi | undefined;

/**
 * koffi, loaded at the first native call: importing Graft must neither cost that nor need it, as the portable engine works on
 * machines for which koffi has no build. Throws EngineError there.
 */
export function koffi(): Koffi {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded on demand, see above
    return (loaded ??= require('koffi') as Koffi);
  } catch (cause) {
    const [reason] = messageOf(cause).split('\n');
    throw new EngineError(`koffi, which calls native libraries, cannot be loaded: ${reason.replace(/[.?!]+$/, '')}.`, {
      code: 'engine.koffi',
      hint: 'Reinstall the packages with `npm install`; `--engine portable` does without koffi.',
      cause,
    });
  }
}
