/** How a run's model answered the rows of its evaluations: `records/<task>.jsonl` in its folder. */
import { GraftError } from '@graft/core';
import { linesOf, streamRegularFile } from '@graft/core/internal';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** A row with the answer; texts are shortened to what a page shows. */
export interface AnsweredRow {
  /** Unique in its task. */
  readonly id: string;
  /** From 0, wrong, to 1, right. */
  readonly correct: number;
  /** The end of the prompt, which has the question. */
  readonly prompt: string;
  readonly target: string;
  /** What the model wrote or chose. */
  readonly answer: string;
}

/** Maximum bytes of a line: a long prompt, several times. */
const LONGEST_LINE_BYTES = 2 ** 23;
/** Maximum number of rows of a run, some 1 kB each in memory. */
const MOST_ROWS = 500_000;
const LONGEST_PROMPT = 400;
const LONGEST_ANSWER = 200;

const texts = z.union([z.string(), z.array(z.string())]);
const rowSchema = z.looseObject({
  id: z.union([z.string(), z.number()]),
  set: z.string().optional(),
  prompt: texts,
  choices: z.array(z.string()).optional(),
  logLikelihoods: z.array(z.number().nullable()).optional(),
  output: z.string().optional(),
  target: texts,
  correct: z.union([z.number(), z.boolean()]).optional(),
});

/**
 * The answered rows by task. Rows without `correct` are those of tasks without a right answer, and are left out. An
 * incomplete last line is one that is being written. Throws GraftError, naming the line, for any other that is not a row.
 */
export async function readAnsweredRows(runFolder: string): Promise<Map<string, AnsweredRow[]>> {
  const folder = join(runFolder, 'records');
  const names = await readdir(folder).catch(() => [] as string[]);
  const found = new Map<string, AnsweredRow[]>();
  let count = 0;
  for (const name of names.filter((one) => one.endsWith('.jsonl')).sort()) {
    const rows = await readFile(join(folder, name), MOST_ROWS - count);
    count += rows.length;
    if (rows.length > 0) found.set(name.slice(0, -'.jsonl'.length), rows);
  }
  return found;
}

async function readFile(file: string, mostRows: number): Promise<AnsweredRow[]> {
  const wrong = (problem: string): GraftError =>
    new GraftError(`${file} ${problem}.`, {
      code: 'report.records',
      hint: 'It should have one JSON object a line, as an evaluation of benchmarks writes it.',
    });
  const stream = await streamRegularFile(file).catch((cause: unknown) => {
    throw new GraftError(`${file} cannot be read: ${(cause as Error).message}.`, { code: 'report.unreadable', cause });
  });
  const rows: AnsweredRow[] = [];
  let number = 0;
  for await (const { text, ends } of linesOf(stream, LONGEST_LINE_BYTES)) {
    number++;
    if (text === undefined)
      throw wrong(`has more than ${LONGEST_LINE_BYTES.toLocaleString('en')} bytes in line ${number}`);
    if (text.trim() === '') continue;
    const row = parseRow(text);
    if (row === undefined && !ends) break;
    if (row === undefined) throw wrong(`has no answered row in line ${number}`);
    if (row.correct === undefined) continue;
    if (rows.length === mostRows)
      throw wrong(`has more rows by line ${number} than the ${MOST_ROWS.toLocaleString('en')} a report reads of a run`);
    rows.push(answeredRow(row, row.correct));
  }
  return rows;
}

function parseRow(text: string): z.output<typeof rowSchema> | undefined {
  try {
    return rowSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function answeredRow(
  { id, set, prompt, choices, logLikelihoods, output, target }: z.output<typeof rowSchema>,
  correct: number | boolean,
): AnsweredRow {
  return {
    id: own(set === undefined ? String(id) : `${set}/${id}`),
    correct: Number(correct),
    prompt: lastPart(joined(prompt), LONGEST_PROMPT),
    target: firstPart(joined(target), LONGEST_ANSWER),
    answer: firstPart(output ?? chosen(choices, logLikelihoods) ?? '', LONGEST_ANSWER),
  };
}

const joined = (text: string | readonly string[]): string => (typeof text === 'string' ? text : text.join(' | '));

/** The choice with the largest likelihood, the first of equal ones. */
function chosen(choices: readonly string[] = [], logLikelihoods: readonly (number | null)[] = []): string | undefined {
  const sums = logLikelihoods.map((sum) => sum ?? -Infinity);
  return choices[sums.indexOf(Math.max(...sums))];
}

const firstPart = (text: string, most: number): string => own(text.length > most ? `${text.slice(0, most)}…` : text);
const lastPart = (text: string, most: number): string => own(text.length > most ? `…${text.slice(-most)}` : text);

/** A text of its own: a part of a string keeps the whole string, a line of up to megabytes, in memory. */
const own = (text: string): string => Buffer.from(text).toString();
