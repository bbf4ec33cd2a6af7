import type { Suites, Task, TaskResult } from '@graft/core';

/**
 * The paper's two suites (2504.06225, section 4): 22 tasks of pretrained models and 10 of instruction-tuned ones, of which it
 * reports the unweighted mean. Its prompts and shots are not printed, so that a suite means Graft's own tasks in their
 * versions.
 */
export const SUITES = {
  pretraining: [
    'boolq',
    'siqa',
    'piqa',
    'arc-challenge',
    'arc-easy',
    'mmlu',
    'mmlu-pro',
    'hellaswag',
    'winogrande',
    'truthfulqa-mc2',
    'agieval',
    'bbh',
    'drop',
    'gpqa',
    'gsm8k',
    'humaneval',
    'lambada',
    'math-500',
    'mbpp',
    'nq',
    'triviaqa',
    'wmt23',
  ],
  /** Every answer is written: what a tuned model would choose by likelihood is not what it says. */
  instruction: [
    'gsm8k',
    'mmlu-generative',
    'mmlu-pro',
    'mbpp',
    'humaneval',
    'math-500',
    'bbh',
    'gpqa-diamond-cot',
    'wmt23',
    'mgsm',
  ],
  /** The eight tasks, asked without fine-tuning. */
  superglue: ['boolq', 'cb', 'copa', 'multirc', 'record', 'rte', 'wic', 'wsc'],
} satisfies Suites;

/** Numbers of other tasks are shares from 0 to 1; these are from 0 to 100 already. */
const PERCENT = ['chrf', 'bleu'];

/** The names of what `suiteMeans` returns where these tasks ran. */
export const suiteMeanNames = (tasks: readonly string[], suites: Suites = SUITES): string[] =>
  Object.entries(suites).flatMap(([name, ids]) =>
    ids.every((id) => tasks.includes(id)) ? [name, `${name}AboveChance`] : [],
  );

/**
 * For each suite of which every task ran: `pretraining`, the mean of the tasks' metrics from 0 to 100, and
 * `pretrainingAboveChance`, the mean of what exceeds a guess.
 */
export function suiteMeans(results: ReadonlyMap<Task, TaskResult>, suites: Suites = SUITES): Record<string, number> {
  const means: Record<string, number> = {};
  for (const [name, ids] of Object.entries(suites)) {
    const scores = [...results].flatMap(([task, { metrics }]) => {
      if (!ids.includes(task.id)) return [];
      const scale = PERCENT.includes(task.metric) ? 1 : 100;
      return [{ score: scale * metrics[task.metric], chance: 100 * task.chance }];
    });
    if (scores.length < ids.length) continue;
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    means[name] = mean(scores.map(({ score }) => score));
    means[`${name}AboveChance`] = mean(scores.map(({ score, chance }) => score - chance));
  }
  return means;
}
