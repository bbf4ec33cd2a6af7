import { ConfigError, nearest } from '@graft/core';
import { boolq } from './boolq';
import { copa } from './copa';
import { cb, rte } from './entailment';
import { multirc } from './multirc';
import { record } from './record';
import type { SuperGlueTask } from './task';
import { wic } from './wic';
import { wsc } from './wsc';

export * from './task';
export { DIAGNOSTICS, type Diagnostic } from './diagnostics';
export { diagnosticFile, fileOf, hasDiagnostic, hasPart, readDiagnostic, readTask, readTextTask } from './read-task';

/** All eight, in the order of the paper's list, with ReCoRD at the end. */
export const TASKS: readonly SuperGlueTask[] = [copa, wic, wsc, rte, multirc, cb, boolq, record];

/** Throws ConfigError naming the existing tasks. */
export function findTask(id: string): SuperGlueTask {
  const found = TASKS.find((task) => task.id === id);
  if (found) return found;
  const known = TASKS.map((task) => task.id);
  const guess = nearest(id, known);
  throw new ConfigError(
    `There is no SuperGLUE task "${id}"; there are ${known.join(', ')}${guess ? `. Did you mean "${guess}"?` : '.'}`,
    { code: 'superglue.task' },
  );
}
