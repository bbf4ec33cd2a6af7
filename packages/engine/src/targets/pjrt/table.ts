import { EngineError } from '@graft/errors';
import { CALLS } from './layout';

/** What `GetPjrtApi` points to: its size, its version and where its functions are (0n: none). */
export interface Table {
  readonly version: string;
  readonly functions: Readonly<Record<keyof typeof CALLS, bigint>>;
}

/** `struct_size`, extensions and version: what every version of the API begins with. */
export const HEADER_BYTES = 40;
const MAJOR = 0;
/** A table with more functions than any future version will have is something else. */
const LARGEST_BYTES = 1 << 16;

/** Functions that a plugin may lack. */
const OPTIONAL: ReadonlySet<string> = new Set<keyof typeof CALLS>([
  'Device_MemoryStats',
  'Executable_Serialize',
  'Executable_DeserializeAndLoad',
  'Executable_GetCompiledMemoryStats',
]);

/** Bytes of the table, from its first 40 bytes. Throws EngineError if they cannot be those of a PJRT API. */
export function tableBytes(header: Buffer, file: string): number {
  const size = Number(header.readBigUInt64LE(0));
  if (size >= HEADER_BYTES && size <= LARGEST_BYTES && size % 8 === 0) return size;
  throw new EngineError(`${file} is not a PJRT plugin: its table of functions claims ${size} bytes.`, {
    code: 'engine.pjrt-plugin',
    exitCode: 2,
  });
}

/**
 * Reads a plugin's table of functions. New functions are only appended, so that a table's size says which it has.
 * Throws EngineError if the plugin is too old to have those that Graft calls, or so new that calls have changed.
 */
export function readTable(bytes: Buffer, file: string): Table {
  const [major, minor] = [bytes.readInt32LE(32), bytes.readInt32LE(36)];
  const version = `${major}.${minor}`;
  if (major !== MAJOR) {
    throw new EngineError(
      `The PJRT plugin ${file} has version ${version} of the C API; Graft knows ${MAJOR}.x, which is incompatible.`,
      { code: 'engine.pjrt-version', exitCode: 2, hint: 'Install a plugin of another version.' },
    );
  }
  const functions = Object.fromEntries(
    Object.entries(CALLS).map(([name, { at }]) => [name, at + 8 <= bytes.length ? bytes.readBigUInt64LE(at) : 0n]),
  ) as Table['functions'];
  const missing = Object.entries(functions).find(([name, address]) => address === 0n && !OPTIONAL.has(name));
  if (missing) {
    throw new EngineError(
      `The PJRT plugin ${file} is too old: version ${version} of the C API has no PJRT_${missing[0]}.`,
      { code: 'engine.pjrt-version', exitCode: 2, hint: 'Install a newer release of the plugin.' },
    );
  }
  return { version, functions };
}
