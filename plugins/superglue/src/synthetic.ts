import { writeFolderAtomically } from '@graft/checkpoint/internal';
import { createRandom, UsageError } from '@graft/core';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SYNTHETIC_ROWS } from './synthetic-rows';
import { TASKS, type SuperGlueTask } from './tasks';

/** How many rows of synthetic tasks are made, from which seed. */
export interface SyntheticBenchmarkOptions {
  readonly seed: number;
  /** Rows of each task's train.jsonl. A row of MultiRC and of ReCoRD gives two examples. */
  readonly trainRows: number;
  readonly valRows: number;
}

/**
 * Writes a synthetic benchmark: the files of all eight tasks, in the benchmark's own layout, with rows that a small
 * model can learn. Classes are balanced, no example comes twice, and the same seed gives the same files. The folder
 * appears complete; an existing one is an error.
 */
export async function writeSyntheticBenchmark(folder: string, options: SyntheticBenchmarkOptions): Promise<void> {
  for (const name of ['trainRows', 'valRows'] as const) {
    if (Number.isSafeInteger(options[name]) && options[name] >= 1) continue;
    throw new UsageError(`${name} should be an integer of at least 1, but is ${options[name]}.`, {
      code: 'superglue.synthetic-rows',
    });
  }
  await writeFolderAtomically(folder, async (temporary) => {
    for (const task of TASKS) {
      const own = join(temporary, task.folder);
      await mkdir(own);
      const rows = syntheticRows(task, options);
      await writeFile(join(own, 'train.jsonl'), lines(rows.slice(0, options.trainRows)));
      await writeFile(join(own, 'val.jsonl'), lines(rows.slice(options.trainRows)));
    }
  });
}

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** After this many draws of existing examples in succession, a task has no more. */
const ATTEMPTS = 2000;

/** Rows of which no two share an example, numbered like the benchmark's. */
function syntheticRows(task: SuperGlueTask, { seed, trainRows, valRows }: SyntheticBenchmarkOptions): object[] {
  const random = createRandom(seed).fork('superglue').fork(task.id);
  const { classes, make } = SYNTHETIC_ROWS[task.id];
  const count = trainRows + valRows;
  const rows: object[] = [];
  const seen = new Set<string>();
  for (let attempts = 0; rows.length < count; attempts++) {
    if (attempts === ATTEMPTS) {
      throw new UsageError(`${count} rows were asked for, but ${task.id} has only about ${rows.length} that differ.`, {
        code: 'superglue.synthetic-rows',
        hint: 'Ask for fewer training or validation rows.',
      });
    }
    const row = numbered(make(rows.length % classes, random), rows.length);
    const place = { file: `synthetic rows of ${task.id}`, line: rows.length + 1 };
    const texts = task.examples(row, place, 'train').map(({ parts }) => parts.map(({ text }) => text).join(''));
    if (texts.some((text) => seen.has(text))) continue;
    texts.forEach((text) => seen.add(text));
    rows.push(row);
    attempts = 0;
  }
  return rows;
}

interface SyntheticRow {
  readonly qas?: readonly object[];
  readonly passage?: { readonly questions?: readonly { readonly answers: readonly object[] }[] };
}

/** With the benchmark's numbers for the row, its queries, its questions and their answers. */
function numbered(row: SyntheticRow, idx: number): object {
  if (row.qas) return { ...row, qas: row.qas.map((query) => ({ ...query, idx })), idx };
  if (!row.passage?.questions) return { ...row, idx };
  const questions = row.passage.questions.map((question) => ({
    ...question,
    answers: question.answers.map((answer, i) => ({ ...answer, idx: 2 * idx + i })),
    idx,
  }));
  return { ...row, passage: { ...row.passage, questions }, idx };
}
