/**
 * What lm-eval 0.4.13 makes of real rows with two tiny models (EVALUATION.md, section 7, beside the repository): prompts,
 * continuations, log-likelihoods and metrics of each row.
 */
import type { ChoiceItem, GenerationItem, Task, TaskItem } from '@graft/core';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SHARED, temporaryFolder } from '../support';

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
  /** First rows that are asked otherwise than in the reference. Default 0. */
  readonly without?: number;
}

const known: readonly (readonly [RegExp, (match: RegExpExecArray) => Omit<TaskReference, 'name'>])[] = [
  [/^(boolq|siqa|piqa|hellaswag|winogrande)_(\d)shot$/, ([, task, n]) => ({ task, shots: Number(n) })],
  [/^(arc_easy|arc_challenge)_(\d)shot$/, ([, task, n]) => ({ task: task.replace('_', '-'), shots: Number(n) })],
  [/^mmlu_(?!pro_)(.+)_(\d)shot$/, ([, set, n]) => ({ task: 'mmlu', set, shots: Number(n) })],
  [/^mmlu_pro_(.+)_(\d)shot$/, ([, set, n]) => ({ task: 'mmlu-pro', set: set.replaceAll('_', ' '), shots: Number(n) })],
  [/^truthfulqa_(mc\d)$/, ([, form]) => ({ task: `truthfulqa-${form}`, shots: 0 })],
  [
    /^agieval_(.+)_0shot$/,
    ([, set]) => ({
      task: set.startsWith('gaokao') ? 'agieval-zh' : 'agieval',
      set: set.replaceAll('_', '-'),
      shots: 0,
    }),
  ],
  [/^gpqa_made_up_zeroshot$/, () => ({ task: 'gpqa', shots: 0 })],
  // In the reference the first row is its own example, with its answer.
  [/^gpqa_made_up_n_shot_1shot$/, () => ({ task: 'gpqa', shots: 1, without: 1 })],
  [/^lambada_openai_0shot$/, () => ({ task: 'lambada', shots: 0 })],
  [/^lambada_standard_0shot$/, () => ({ task: 'lambada-standard', shots: 0 })],
  [/^gsm8k_(\d)shot$/, ([, n]) => ({ task: 'gsm8k', shots: Number(n) })],
  [/^mgsm_native_cot_(..)_1shot$/, ([, set]) => ({ task: 'mgsm', set, shots: 1 })],
  [/^mgsm_direct_(..)_1shot$/, ([, set]) => ({ task: 'mgsm-direct', set, shots: 1 })],
  [/^bbh_cot_fewshot_(.+)_1shot$/, ([, set]) => ({ task: 'bbh', set, shots: 1 })],
  // With examples the reference shows the names of the answer's fields (EVALUATION.md, DROP).
  [/^drop_0shot$/, () => ({ task: 'drop', shots: 0 })],
  [/^minerva_math500_1shot$/, () => ({ task: 'math-500', shots: 1 })],
  [/^nq_open_(\d)shot$/, ([, n]) => ({ task: 'nq', shots: Number(n) })],
  [/^humaneval_0shot$/, () => ({ task: 'humaneval', shots: 0 })],
  [/^mbpp_1shot$/, () => ({ task: 'mbpp', shots: 1 })],
  [/^wmt23_(.+)_1shot$/, ([, set]) => ({ task: 'wmt23', set, shots: 1 })],
  [/^triviaqa_(\d)shot$/, ([, n]) => ({ task: 'triviaqa', shots: Number(n) })],
];

/** The folder of all benchmarks for a task; GPQA's rows are not published, so that invented ones stand for them. */
function folderOf(task: string): string {
  if (task !== 'gpqa') return BENCHMARKS!;
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'gpqa'));
  copyFileSync(join(BENCHMARKS!, 'gpqa', 'made-up-shuffled.jsonl'), join(folder, 'gpqa', 'gpqa_main.jsonl'));
  return folder;
}

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

const linesOf = <T>(...path: string[]): T[] =>
  readFileSync(join(BENCHMARKS!, 'reference', ...path), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

export function referenceRows({ name, without = 0 }: TaskReference): ReferenceRow[] {
  return linesOf<ReferenceRow>('tasks', `${name}.jsonl`).filter(({ doc_id }) => doc_id >= without);
}

/** A completion that somebody wrote, and what stop strings, filters and metrics make of it. */
export interface Replay {
  readonly doc_id: number;
  readonly completion: string;
  readonly after_stop: string;
  readonly filters: Readonly<
    Record<string, { readonly text: string; readonly metrics: Readonly<Record<string, number>> }>
  >;
}

/** The hand-made completions of a file of the reference; none for tasks of choices. */
export function replaysOf({ name }: TaskReference): Replay[] {
  return existsSync(join(BENCHMARKS!, 'reference', 'replay', `${name}.jsonl`))
    ? linesOf<Replay>('replay', `${name}.jsonl`)
    : [];
}

/** A task's items that belong to a file of the reference, in its order. */
export async function itemsOf(task: Task, { shots, set }: TaskReference): Promise<readonly TaskItem[]> {
  const items = await task.items({ folder: folderOf(task.id), shots, allowCode: true });
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
