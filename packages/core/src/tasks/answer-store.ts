import { parseJson, JsonProblem, readTextFile, writeFailure } from '@graft/checkpoint/internal';
import { DataError } from '@graft/engine';
import { FileProblem } from '@graft/files';
import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { GenerationAnswer, LikelihoodAnswer } from '../interfaces';
import type { Logger } from '../util/logger';

/** An answer of either kind. */
export type Answer = LikelihoodAnswer | GenerationAnswer;

const LineSchema = z.union([
  z.strictObject({ key: z.string(), logLikelihood: z.number(), isGreedy: z.boolean() }),
  z.strictObject({ key: z.string(), text: z.string(), tokens: z.int().min(0), ended: z.boolean() }),
]);

/**
 * Answers of one model to one task, by the digests of their requests: a line of JSON each, appended when a batch is
 * done. So a stopped evaluation goes on where it was, and a repeated one computes nothing.
 */
export class AnswerStore {
  private readonly answers = new Map<string, Answer>();
  /** Whether the file's last line was not finished, because a process was killed while it wrote. */
  private isCut = false;

  private constructor(private readonly file: string | undefined) {}

  /**
   * Reads the file, if it is there. Without one, answers are kept in memory only. Lines that are not answers are
   * reported and asked again. Throws DataError for a file that cannot be read.
   */
  static async open(file: string | undefined, logger?: Logger): Promise<AnswerStore> {
    const store = new AnswerStore(file);
    if (file === undefined) return store;
    let text: string;
    try {
      text = await readTextFile(file);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT' || isMissing(cause)) return store;
      throw new DataError(`The answers in ${file} cannot be read: ${(cause as Error).message}.`, {
        code: 'task.answers',
        hint: 'Remove the file: its requests will be answered again.',
        cause,
      });
    }
    const lines = text.split('\n');
    store.isCut = lines.pop() !== '';
    let odd = 0;
    for (const line of lines) {
      const parsed = LineSchema.safeParse(parsedOrNothing(line));
      if (!parsed.success) odd++;
      else {
        const { key, ...answer } = parsed.data;
        store.answers.set(key, answer);
      }
    }
    if (odd > 0)
      logger?.warn(`${file}: ${odd} of ${lines.length} lines are not answers; their requests are answered again.`);
    return store;
  }

  /** The answer to the request with this digest, if it is known. */
  find(key: string): Answer | undefined {
    return this.answers.get(key);
  }

  /** Keeps answers, in memory and in the file. Throws CheckpointError if it cannot be written. */
  async keep(answers: ReadonlyMap<string, Answer>): Promise<void> {
    for (const [key, answer] of answers) this.answers.set(key, answer);
    if (this.file === undefined || answers.size === 0) return;
    const lines = [...answers].map(([key, answer]) => `${JSON.stringify({ key, ...answer })}\n`).join('');
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      await appendFile(this.file, this.isCut ? `\n${lines}` : lines);
    } catch (cause) {
      throw await writeFailure(this.file, this.file, cause, 'The answers of finished batches are kept.');
    }
    this.isCut = false;
  }
}

const isMissing = (cause: unknown): boolean => cause instanceof FileProblem && cause.code === 'ENOENT';

function parsedOrNothing(line: string): unknown {
  try {
    return parseJson(line);
  } catch (error) {
    if (error instanceof JsonProblem) return undefined;
    throw error;
  }
}
