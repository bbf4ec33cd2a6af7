/** Rows that one model answers and another does not. */
import type { RunData } from '../read-run';
import type { AnsweredRow } from './read-rows';

/** A row of which just one of two models is right. */
export interface ChangedRow {
  readonly before: AnsweredRow;
  readonly after: AnsweredRow;
}

/** How two models differ in a task. */
export interface TaskChanges {
  readonly task: string;
  /** Indices of the runs. */
  readonly before: number;
  readonly after: number;
  readonly bothRight: number;
  readonly bothWrong: number;
  /** Right before and wrong after. */
  readonly lost: readonly ChangedRow[];
  /** Wrong before and right after. */
  readonly gained: readonly ChangedRow[];
  /** Rows that only one of the two has answered. */
  readonly unmatched: number;
  /** Exact McNemar test: how often a fair coin would divide the changed rows at least as unevenly. */
  readonly pValue: number;
}

/** A row counts as right from here on: scores such as F1 lie between. */
const RIGHT = 0.5;

/** Compares each run with the first that has answered the same task. */
export function changedRows(runs: readonly RunData[]): TaskChanges[] {
  const tasks = [...new Set(runs.flatMap(({ rows }) => [...rows.keys()]))];
  return tasks.flatMap((task) => {
    const having = [...runs.keys()].filter((run) => runs[run].rows.has(task));
    return having.slice(1).map((after) => compare(task, runs, having[0], after));
  });
}

function compare(task: string, runs: readonly RunData[], before: number, after: number): TaskChanges {
  const earlier = runs[before].rows.get(task)!;
  const later = new Map(runs[after].rows.get(task)!.map((row) => [row.id, row]));
  const lost: ChangedRow[] = [];
  const gained: ChangedRow[] = [];
  let [bothRight, bothWrong] = [0, 0];
  for (const one of earlier) {
    const other = later.get(one.id);
    if (!other) continue;
    const [was, is] = [one.correct >= RIGHT, other.correct >= RIGHT];
    if (was && is) bothRight++;
    else if (!was && !is) bothWrong++;
    else (was ? lost : gained).push({ before: one, after: other });
  }
  const matched = bothRight + bothWrong + lost.length + gained.length;
  return {
    task,
    before,
    after,
    bothRight,
    bothWrong,
    lost,
    gained,
    unmatched: earlier.length + later.size - 2 * matched,
    pValue: mcNemar(lost.length, gained.length),
  };
}

/** Two-sided and exact, from binomial coefficients of a fair coin; 1 if nothing changed. */
export function mcNemar(lost: number, gained: number): number {
  const count = lost + gained;
  // Logarithms, because 2^-count underflows from 1,075 rows on.
  let logarithm = -count * Math.LN2;
  let tail = 0;
  for (let fewer = 0; fewer <= Math.min(lost, gained); fewer++) {
    tail += Math.exp(logarithm);
    logarithm += Math.log(count - fewer) - Math.log(fewer + 1);
  }
  return Math.min(1, 2 * tail);
}
