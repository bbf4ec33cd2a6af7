import { CheckpointError } from '@graft/engine';
import { LARGEST_SETTINGS_BYTES } from '@graft/engine/internal';
import { open } from 'node:fs/promises';
import { WriteProblem } from '../files/atomic';
import { JsonProblem, parseJson } from './parse-json';
import { unreadable } from '../safetensors/problems';
import { readTextFile } from './read-file';

export interface JsonObjectOptions {
  /** Maximum size: a longer file is an error. Default: LARGEST_SETTINGS_BYTES. */
  readonly maxBytes?: number;
  /** Maximum number of objects, lists and keys. Default: any number. */
  readonly maxParts?: number;
}

/**
 * A JSON file that must contain an object. Throws CheckpointError for a file that cannot be read, is not a regular
 * file, is too long, is not UTF-8, contains anything else, or repeats a key.
 */
export async function readJsonObject(
  file: string,
  { maxBytes = LARGEST_SETTINGS_BYTES, maxParts }: JsonObjectOptions = {},
): Promise<Record<string, unknown>> {
  return parseObject(file, await readSettings(file, maxBytes), maxParts);
}

/** A small file of UTF-8. Throws CheckpointError for one that cannot be read. */
export function readSettings(file: string, maxBytes = LARGEST_SETTINGS_BYTES): Promise<string> {
  return readTextFile(file, { maxBytes }).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
}

/** The object in a file's text. Throws CheckpointError for anything else, and for a repeated key. */
export function parseObject(file: string, text: string, maxParts?: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text, { maxParts });
  } catch (cause) {
    if (!(cause instanceof JsonProblem)) throw cause;
    throw new CheckpointError(`${file} does not hold a JSON object: ${cause.message}.`, {
      code: 'checkpoint.malformed',
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CheckpointError(`${file} does not hold a JSON object.`, { code: 'checkpoint.malformed' });
  return value as Record<string, unknown>;
}

/** Writes a small file at exactly this name, through to the disk. */
export async function writeSmallFile(file: string, content: string | Uint8Array): Promise<void> {
  try {
    const handle = await open(file, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new WriteProblem(file, Buffer.byteLength(content), cause);
  }
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeSmallFile(file, jsonText(value));
}

/** Fields of a config.json that other readers declare as floats, and reject without a decimal point. */
const FLOATS =
  /("(?:attn_logit_softcapping|final_logit_softcapping|rope_theta|rms_norm_eps|initializer_range|\w*dropout\w*)": -?\d+)(?=,?$)/gm;

/**
 * The text of a config.json: whole numbers get a decimal point in fields of floats, which JavaScript does not
 * distinguish.
 */
export function configText(config: Readonly<Record<string, unknown>>): string {
  return jsonText(config).replace(FLOATS, '$1.0');
}
