import { CheckpointError } from '@graft/engine';
import { open, readFile } from 'node:fs/promises';
import { WriteProblem } from './atomic';
import { unreadable } from './problems';
import { scanKeys } from './strict-json';

/** A JSON file that must hold an object. Throws CheckpointError; with `uniqueKeys`, for a key given twice as well. */
export async function readJsonObject(
  file: string,
  options: { uniqueKeys?: boolean } = {},
): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below, in the same words as a value of another kind.
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CheckpointError(`${file} does not hold a JSON object.`, { code: 'checkpoint.malformed' });
  const duplicate = options.uniqueKeys ? scanKeys(text).duplicate : undefined;
  if (duplicate !== undefined)
    throw new CheckpointError(`${file} has ${JSON.stringify(duplicate)} twice, expected every name once.`, {
      code: 'checkpoint.duplicate',
    });
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

export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeSmallFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** Fields of a config.json that other readers declare as floats, and refuse where they stand there without a point. */
const FLOATS =
  /("(?:attn_logit_softcapping|final_logit_softcapping|rope_theta|rms_norm_eps|initializer_range|\w*dropout\w*)": -?\d+)(?=,?$)/gm;

/** Writes config.json: whole numbers get their point where the field holds floats, which JavaScript does not tell apart. */
export async function writeConfig(file: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  await writeSmallFile(file, `${JSON.stringify(config, null, 2).replace(FLOATS, '$1.0')}\n`);
}
