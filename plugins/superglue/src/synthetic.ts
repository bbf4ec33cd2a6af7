import { writeFolderAtomically } from '@graft/checkpoint/internal';
import { createRandom, UsageError } from '@graft/core';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SYNTHETIC_DIAGNOSTICS, SYNTHETIC_ROWS } from './synthetic-rows';
import { DIAGNOSTICS, TASKS, type SuperGlueTask } from './tasks';

/** How many rows of synthetic tasks are made, from which seed. */
export interface SyntheticBenchmarkOptions {
  readonly seed: number;
  /** Rows of each task's train.jsonl. A row of MultiRC and of ReCoRD gives two examples. */
  readonly trainRows: number;
  readonly valRows: number;
  /**
   * Rows of each task's test.jsonl, which have no labels, and of the two diagnostic sets (AX-g: pairs). Default 0: there are
   * none.
   */
  readonly testRows?: number;
}

/**
 * Writes a synthetic benchmark: the files of all eight tasks, in the benchmark's own layout, with rows that a small
 * model can learn, and with `testRows` the test sets and AX-b and AX-g. Classes are balanced, no example comes twice, and
 * the same seed gives the same files. The folder appears complete; an existing one is an error.
 */
export async function writeSyntheticBenchmark(folder: string, options: SyntheticBenchmarkOptions): Promise<void> {
  const { trainRows, valRows, testRows = 0, seed } = options;
  for (const [name, rows, least] of [
    ['trainRows', trainRows, 1],
    ['valRows', valRows, 1],
    ['testRows', testRows, 0],
  ] as const) {
    if (Number.isSafeInteger(rows) && rows >= least) continue;
    throw new UsageError(`${name} should be an integer of at least ${least}, but is ${rows}.`, {
      code: 'superglue.synthetic-rows',
    });
  }
  await writeFolderAtomically(folder, async (temporary) => {
    for (const task of TASKS) {
      const own = join(temporary, task.folder);
      await mkdir(own);
      const rows = syntheticRows(task, trainRows + valRows + testRows, seed);
      const test = rows.slice(trainRows + valRows).map(withoutLabels);
      await writeFile(join(own, 'train.jsonl'), lines(rows.slice(0, trainRows)));
      await writeFile(join(own, 'val.jsonl'), lines(rows.slice(trainRows, trainRows + valRows)));
      if (test.length > 0) await writeFile(join(own, 'test.jsonl'), lines(test));
    }
    if (testRows === 0) return;
    for (const { id, folder: name } of DIAGNOSTICS) {
      const random = createRandom(seed).fork('superglue').fork(id);
      const rows = Array.from({ length: testRows }, (_, at) => SYNTHETIC_DIAGNOSTICS[id](at, random)).flat();
      await mkdir(join(temporary, name));
      await writeFile(join(temporary, name, `${name}.jsonl`), lines(rows.map((row, idx) => ({ ...row, idx }))));
    }
  });
}

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** After this many draws of existing examples in succession, a task has no more. */
const ATTEMPTS = 2000;

/** Rows of which no two share an example, numbered like the benchmark's. */
function syntheticRows(task: SuperGlueTask, count: number, seed: number): SyntheticRow[] {
  const random = createRandom(seed).fork('superglue').fork(task.id);
  const { classes, make } = SYNTHETIC_ROWS[task.id];
  const rows: SyntheticRow[] = [];
  const seen = new Set<string>();
  for (let attempts = 0; rows.length < count; attempts++) {
    if (attempts === ATTEMPTS) {
      throw new UsageError(`${count} rows were asked for, but ${task.id} has only about ${rows.length} that differ.`, {
        code: 'superglue.synthetic-rows',
        hint: 'Ask for fewer training, validation or test rows.',
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

type Row = Readonly<Record<string, unknown>>;

interface SyntheticRow extends Row {
  readonly qas?: readonly Row[];
  readonly passage?: string | (Row & { readonly questions?: readonly (Row & { readonly answers: readonly Row[] })[] });
}

/** With the benchmark's numbers for the row, its queries, its questions and their answers. */
function numbered(row: SyntheticRow, idx: number): SyntheticRow {
  if (row.qas) return { ...row, qas: row.qas.map((query) => ({ ...query, idx })), idx };
  const { passage } = row;
  if (typeof passage !== 'object' || !passage.questions) return { ...row, idx };
  const questions = passage.questions.map((question) => ({
    ...question,
    answers: question.answers.map((answer, i) => ({ ...answer, idx: 2 * idx + i })),
    idx,
  }));
  return { ...row, passage: { ...passage, questions }, idx };
}

/** As the benchmark publishes its test sets: queries have no answers, all else has no label. */
function withoutLabels(row: SyntheticRow): object {
  const hidden = row.qas ? 'answers' : 'label';
  return JSON.parse(JSON.stringify(row, (key, value: unknown) => (key === hidden ? undefined : value))) as object;
}
