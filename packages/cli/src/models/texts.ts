import type { HostFields, Tokenizer } from '@graft/core';
// Not from the package's index, which loads the engine.
import { DataError } from '@graft/errors';

/** The UTF-8 text of a file or a pipe. Throws DataError if it cannot be read, or is not UTF-8. */
export async function readWholeText(file: string): Promise<string> {
  const { DataError } = await import('@graft/core');
  const { readTextFile } = await import('@graft/core/internal');
  return readTextFile(file, { stream: true }).catch((cause: Error & { code?: string }) => {
    const isUtf8 = cause.code !== 'NOT_UTF8';
    throw new DataError(`${file} cannot be read: ${cause.message}.`, {
      code: isUtf8 ? 'data.unreadable' : 'data.encoding',
      exitCode: 2,
      hint: isUtf8 ? undefined : 'Convert the file, e.g. with `iconv -f latin1 -t utf-8`.',
      cause,
    });
  });
}

/**
 * The texts of a file, one per line. Throws DataError for a file that is empty, is not UTF-8 or cannot be read, and for
 * a blank line.
 */
export async function readTexts(file: string): Promise<string[]> {
  const { DataError } = await import('@graft/core');
  const content = await readWholeText(file);
  if (content === '')
    throw new DataError(`${file} is empty; it should hold a text on each line.`, { code: 'data.empty', exitCode: 2 });
  const lines = content.replace(/\r?\n$/, '').split(/\r?\n/);
  const empty = lines.findIndex((line) => line.trim() === '');
  if (empty >= 0)
    throw new DataError(`${file}:${empty + 1} is blank; every line should hold a text.`, {
      code: 'data.bad-line',
      exitCode: 2,
    });
  return lines;
}

/** Lengths are padded to multiples of this many tokens: every new length is compiled again. */
const LENGTH_STEP = 32;

export interface Reading {
  readonly tokenizer: Tokenizer;
  readonly batchSize: number;
  /** The text's tokens with the special tokens that the model reads around them. */
  readonly read: (tokens: Int32Array) => Int32Array;
  /** Pads shorter rows. */
  readonly pad: number;
}

/** Throws DataError where a text gives the model nothing to read. */
export function nonEmpty(ids: Int32Array, text: string): Int32Array {
  if (ids.length > 0) return ids;
  throw new DataError(`The text ${JSON.stringify(text)} gives no token, and the model reads none before it.`, {
    code: 'data.empty',
    exitCode: 2,
    hint: 'Give a text that is not empty.',
  });
}

/** Token ids and masks of texts, in batches. Throws DataError for a text without a token. */
export function* textBatches(
  texts: readonly string[],
  { tokenizer, batchSize, read, pad }: Reading,
): Generator<HostFields> {
  for (let at = 0; at < texts.length; at += batchSize) {
    const rows = texts.slice(at, at + batchSize).map((text) => nonEmpty(read(tokenizer.encode(text)), text));
    const longest = rows.reduce((length, row) => Math.max(length, row.length), 1);
    const length = Math.ceil(longest / LENGTH_STEP) * LENGTH_STEP;
    const ids = new Int32Array(rows.length * length).fill(pad);
    const mask = new Int32Array(rows.length * length);
    rows.forEach((row, i) => {
      ids.set(row, i * length);
      mask.fill(1, i * length, i * length + row.length);
    });
    const shape = [rows.length, length];
    yield {
      input_ids: { dtype: 'int32', shape, values: ids },
      attention_mask: { dtype: 'int32', shape, values: mask },
    };
  }
}
