import { EngineError } from '@graft/errors';
import type { CALLS } from './layout';

/** absl's status codes, which PJRT has. */
export const STATUS = { invalidArgument: 3, resourceExhausted: 8, unimplemented: 12, unavailable: 14 } as const;

const OUT_OF_MEMORY_HINT =
  'Compute less at once (smaller batches, shorter sequences), or give the client more of the memory (memory_fraction).';

export function closedClient(): EngineError {
  return new EngineError('The PJRT client was used after it was closed.', { code: 'engine.disposed' });
}

/** What a driver reports when a device does not answer any more, or after which it answers nothing. */
const LOST =
  /CUDA_ERROR_(?:ILLEGAL_ADDRESS|LAUNCH_FAILED|LAUNCH_TIMEOUT|ECC_UNCORRECTABLE|DEVICE_UNAVAILABLE|DEINITIALIZED)|hipError(?:IllegalAddress|LaunchFailure)|fallen off the bus|device (?:is |was )?lost/i;

/** What did not work, by the function that reported it. */
const WHAT: Partial<Record<keyof typeof CALLS, string>> = {
  Client_Create: 'The device cannot be opened',
  Client_Compile: 'The program does not compile',
  Client_BufferFromHostBuffer: 'The upload failed',
  Buffer_ToHostBuffer: 'The read failed',
  Event_Await: 'The device reports an error',
  LoadedExecutable_Execute: 'The program does not run',
  Executable_Serialize: 'The compiled program cannot be saved',
  Executable_DeserializeAndLoad: 'The compiled program cannot be loaded',
};

const CODES: Partial<Record<keyof typeof CALLS, string>> = {
  Client_Create: 'engine.device',
  Client_Compile: 'engine.compile',
  Executable_DeserializeAndLoad: 'engine.executable',
};

/** PJRT's message up to the stack trace; a first line that only titles the second one is joined with it. */
export function firstLine(message: string): string {
  const [first, second] = message.split('\n', 2).map((line) => line.trim());
  return (first.endsWith(':') && second ? `${first} ${second}` : first).replace(/\.$/, '');
}

/** The error for a status of PJRT's; `call` is the function that gave it. */
export function pjrtError(call: keyof typeof CALLS, status: number, message: string): EngineError {
  const what = WHAT[call] ?? `PJRT_${call} failed`;
  const line = firstLine(message) || `status ${status}`;
  const cause = message.includes('\n') ? message : undefined;
  if (status === STATUS.resourceExhausted)
    return new EngineError(`${what}: ${line}.`, { code: 'engine.out-of-memory', hint: OUT_OF_MEMORY_HINT, cause });
  if (LOST.test(message) || (status === STATUS.unavailable && call === 'Event_Await')) {
    return new EngineError(`The device is lost: ${line}.`, {
      code: 'engine.device-lost',
      hint: "Start the process again; if it happens again, the driver's log (for NVIDIA: dmesg, nvidia-smi) has the cause.",
      cause,
    });
  }
  if (status === STATUS.unimplemented)
    return new EngineError(`This PJRT plugin does not support PJRT_${call}: ${line}.`, {
      code: 'engine.unsupported',
      cause,
    });
  return new EngineError(`${what}: ${line}.`, { code: CODES[call] ?? 'engine.pjrt', cause });
}
