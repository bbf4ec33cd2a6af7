import { decodeUtf8, JsonProblem, parseJson, writeFailure } from '@graft/checkpoint/internal';
import { DataError } from '@graft/engine';
import { readRegularFile, type FileProblem } from '@graft/files';
import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { GenerationAnswer, LikelihoodAnswer } from '../interfaces';
import type { Logger } from '../util/logger';
import { isObject } from '../util/objects';

/** An answer of either kind. */
export type Answer = LikelihoodAnswer | GenerationAnswer;

const AnswerSchema: z.ZodType<Answer> = z.union([
  z.strictObject({ logLikelihood: z.number(), isGreedy: z.boolean() }),
  z.strictObject({ text: z.string(), tokens: z.int().min(0), ended: z.boolean() }),
]);

/**
 * Answers of one model to one task, by the digests of their requests: a line of JSON each, appended when a batch is
 * done. So what was stopped goes on where it was, and what is repeated computes nothing. Several processes may append to
 * one file; each knows what was there when it opened the file.
 */
export class AnswerStore<A extends object = Answer> {
  private readonly answers = new Map<string, A>();
  /** Whether the file's last line was not finished, because a process was killed while it wrote. */
  private isCut = false;

  private constructor(private readonly file: string | undefined) {}

  /**
   * Reads the file, if it is there. Without one, answers are kept in memory only. Lines that are not answers are
   * reported and asked again. `schema`: what an answer is; by default an `Answer`. Throws DataError for a file that
   * cannot be read.
   */
  static async open<A extends object = Answer>(
    file: string | undefined,
    logger?: Logger,
    schema: z.ZodType<A> = AnswerSchema as unknown as z.ZodType<A>,
  ): Promise<AnswerStore<A>> {
    const store = new AnswerStore<A>(file);
    if (file === undefined) return store;
    const lines = dividedLines(await contentsOf(file));
    store.isCut = lines.length > 0 && lines.pop()!.length > 0;
    let odd = Number(store.isCut);
    for (const line of lines) {
      const { key, ...answer } = objectOf(line);
      const parsed = schema.safeParse(answer);
      if (typeof key !== 'string' || !parsed.success) odd++;
      else store.answers.set(key, parsed.data);
    }
    if (odd > 0) {
      const all = lines.length + Number(store.isCut);
      logger?.warn(`${file}: ${odd} of ${all} lines are not answers; their requests are answered again.`);
    }
    return store;
  }

  /** How many answers are known. */
  get size(): number {
    return this.answers.size;
  }

  /** The answer to the request with this digest, if it is known. */
  find(key: string): A | undefined {
    return this.answers.get(key);
  }

  /** Keeps answers, in memory and in the file. Throws CheckpointError if it cannot be written: memory has them. */
  async keep(answers: ReadonlyMap<string, A>): Promise<void> {
    for (const [key, answer] of answers) this.answers.set(key, answer);
    if (this.file === undefined || answers.size === 0) return;
    const lines = [...answers].map(([key, answer]) => `${JSON.stringify({ key, ...answer })}\n`).join('');
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      await appendFile(this.file, this.isCut ? `\n${lines}` : lines);
    } catch (cause) {
      throw await writeFailure(this.file, this.file, cause, 'Answers that were written before are kept.');
    }
    this.isCut = false;
  }
}

async function contentsOf(file: string): Promise<Uint8Array> {
  try {
    return await readRegularFile(file, { maxBytes: LARGEST_FILE_BYTES });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException | FileProblem).code === 'ENOENT') return new Uint8Array();
    throw new DataError(`The answers in ${file} cannot be read: ${(cause as Error).message}.`, {
      code: 'task.answers',
      hint: 'Remove the file: its requests will be answered again.',
      cause,
    });
  }
}

/** Some twenty million pairs or answers by letter. */
const LARGEST_FILE_BYTES = 2 ** 31;

const NEWLINE = 10;

/** What newlines divide; the last one is empty, unless the file ends in the middle of a line. */
function dividedLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let from = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  lines.push(bytes.subarray(from));
  return lines;
}

/** Line by line, since a damaged byte in one says nothing about the others. Empty for what is not a JSON object. */
function objectOf(line: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(decodeUtf8(line) ?? '');
    return isObject(value) ? value : {};
  } catch (error) {
    if (error instanceof JsonProblem) return {};
    throw error;
  }
}
