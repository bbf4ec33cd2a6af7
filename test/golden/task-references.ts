/**
 * What lm-eval 0.4.13 makes of real rows with two tiny models (EVALUATION.md, section 7, beside the repository): prompts,
 * continuations, log-likelihoods and metrics of each row.
 */
import type { ChoiceItem, GenerationItem, Task, TaskItem } from '@graft/core';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHARED } from '../support';

const eval_ = SHARED === undefined ? undefined : join(SHARED, 'data', 'eval');

/** The folder of all benchmarks; undefined where it is not. */
export const BENCHMARKS = eval_ !== undefined && existsSync(eval_) ? eval_ : undefined;

export const NO_BENCHMARKS = 'the rows of the benchmarks, ../shared/data/eval, are not here';

/** Of a sum of log-probabilities, absolute: the reference's own float32 is within 6e-5 of its float64. */
export const LIKELIHOOD_TOLERANCE = 1e-3;

/** The reference's runs of a model: no start token in the encoder and the strict window, which is Graft's default. */
export type ReferenceRun = 'gemma2' | 't5gemma' | 't5gemma-strict' | 't5gemma-bos';

export interface ReferenceRow {
  readonly doc_id: number;
  readonly context?: string;
  readonly contexts?: readonly string[];
  readonly continuations?: readonly string[];
  readonly until?: readonly string[];
  readonly max_new_tokens?: number;
  readonly models: Readonly<
    Partial<
      Record<
        ReferenceRun,
        {
          readonly loglikelihoods?: readonly number[];
          readonly is_greedy?: readonly boolean[];
          readonly metrics?: Readonly<Record<string, number>>;
          readonly ids?: readonly number[];
          readonly min_gap?: number;
          readonly text_after_stop?: string;
        }
      >
    >
  >;
}

/** One file of the reference, and how the same rows are asked for here. */
export interface TaskReference {
  readonly name: string;
  readonly task: string;
  readonly shots: number;
  /** The set of the task, if the file has one of several. */
  readonly set?: string;
}

const known: readonly (readonly [RegExp, (match: RegExpExecArray) => Omit<TaskReference, 'name'>])[] = [
  [/^(boolq|siqa|piqa|hellaswag|winogrande)_(\d)shot$/, ([, task, n]) => ({ task, shots: Number(n) })],
  [/^(arc_easy|arc_challenge)_(\d)shot$/, ([, task, n]) => ({ task: task.replace('_', '-'), shots: Number(n) })],
  [/^mmlu_(?!pro_)(.+)_(\d)shot$/, ([, set, n]) => ({ task: 'mmlu', set, shots: Number(n) })],
];

/** All files of the reference whose tasks are known here. */
export function references(): TaskReference[] {
  if (BENCHMARKS === undefined) return [];
  return readdirSync(join(BENCHMARKS, 'reference', 'tasks')).flatMap((file) => {
    const name = file.replace('.jsonl', '');
    for (const [pattern, of] of known) {
      const match = pattern.exec(name);
      if (match) return [{ name, ...of(match) }];
    }
    return [];
  });
}

export function referenceRows(name: string): ReferenceRow[] {
  return readFileSync(join(BENCHMARKS!, 'reference', 'tasks', `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReferenceRow);
}

/** A task's items that belong to a file of the reference, in its order. */
export async function itemsOf(task: Task, { shots, set }: TaskReference): Promise<readonly TaskItem[]> {
  const items = await task.items({ folder: BENCHMARKS!, shots });
  return set === undefined ? items : items.filter((item) => item.set === set);
}

/** What a row asks, as the reference writes it. */
export const askedBy = (item: ChoiceItem | GenerationItem): object =>
  item.kind === 'choices'
    ? { contexts: item.prompts, continuations: item.continuations }
    : { contexts: [item.prompt], until: item.until };

export const askedIn = ({ context, contexts, continuations, until }: ReferenceRow): object => ({
  contexts: contexts ?? [context],
  ...(continuations ? { continuations } : { until }),
});
