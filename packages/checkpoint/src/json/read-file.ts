import {
  FileProblem,
  LARGEST_WHOLE_FILE_BYTES,
  readInput,
  readRegularFile,
  type ReadOptions,
} from '@graft/engine/internal';
import { parseJson, type JsonOptions } from './parse-json';
import { decodeUtf8, describeInvalidUtf8 } from './unicode';

export interface TextOptions extends ReadOptions {
  /** Also read FIFOs and terminals to their end. Default: only regular files. */
  readonly stream?: boolean;
}

/** A file of UTF-8, whole. Throws FileProblem, for what is not UTF-8 with the code `NOT_UTF8`. */
export async function readTextFile(file: string, { stream = false, ...limits }: TextOptions = {}): Promise<string> {
  const bytes = await (stream ? readInput(file, limits) : readRegularFile(file, limits));
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new FileProblem(`it is not UTF-8 (${describeInvalidUtf8(bytes)})`, 'NOT_UTF8');
  return text;
}

/** A file of JSON, with parseJson's rules. Throws FileProblem or JsonProblem, whose messages are clauses. */
export async function readJsonFile(
  file: string,
  { maxBytes = LARGEST_WHOLE_FILE_BYTES, ...options }: ReadOptions & JsonOptions = {},
): Promise<unknown> {
  return parseJson(await readTextFile(file, { maxBytes }), options);
}
