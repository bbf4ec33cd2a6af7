import { createHash } from 'node:crypto';
import { EngineError } from '@graft/errors';
import type { Argument } from './signature';

/** What is stored in front of the plugin's own bytes: what they cannot be asked for, and where they fit. */
export interface SerializedHeader {
  /** As `Client.compilerOf`. */
  readonly compiledBy: string;
  readonly name: string;
  /** Ids of the devices that it is for. */
  readonly devices: readonly number[];
  /** Undefined if the program's text did not say them. */
  readonly arguments?: readonly Argument[];
}

const MAGIC = Buffer.from('GRAFTXE2');
const DIGEST_BYTES = 32;
const HEADER_AT = MAGIC.length + DIGEST_BYTES + 4;

const digest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Magic, SHA-256 of the rest, length of the header, header as JSON, the plugin's bytes. */
export function pack(header: SerializedHeader, program: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const rest = Buffer.concat([length, json, program]);
  return Buffer.concat([MAGIC, digest(rest), rest]);
}

export function unusable(reason: string): EngineError {
  return new EngineError(`The compiled program cannot be loaded: ${reason}.`, {
    code: 'engine.executable',
    hint: 'Compile it again.',
  });
}

/**
 * The parts of what `pack` made. Throws EngineError if the bytes are damaged or something else: a plugin that is
 * given such bytes may crash.
 */
export function unpack(bytes: Uint8Array): { header: SerializedHeader; program: Buffer } {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (whole.length < HEADER_AT || !whole.subarray(0, MAGIC.length).equals(MAGIC))
    throw unusable('the bytes are not one that Graft has saved');
  const rest = whole.subarray(MAGIC.length + DIGEST_BYTES);
  if (!digest(rest).equals(whole.subarray(MAGIC.length, MAGIC.length + DIGEST_BYTES)))
    throw unusable('the bytes are damaged (their SHA-256 differs)');
  const end = 4 + rest.readUInt32LE(0);
  const header = JSON.parse(rest.subarray(4, end).toString()) as SerializedHeader;
  return { header, program: rest.subarray(end) };
}
