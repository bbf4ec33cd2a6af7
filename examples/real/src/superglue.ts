import { loadEvaluationConfig } from '@graft/core';
import { readRun } from '@graft/report';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIGS, isFineTuned, type Arm } from './arms';
import { evaluateOnce, ownOverrides, type Story } from './arm-runs';
import { lastCheckpoint } from './checkpoints';
import { writeJson } from './stored';

/** Tasks in the order in which they are done, shortest texts first, and their folders in SuperGLUE's archives. */
export const TASKS = [
  ['cb', 'CB'],
  ['copa', 'COPA'],
  ['wsc', 'WSC'],
  ['rte', 'RTE'],
  ['wic', 'WiC'],
  ['boolq', 'BoolQ'],
  ['multirc', 'MultiRC'],
] as const;

/** Of 32 rows with the settings of superglue.yaml; each reads about as many tokens as a step of the training. */
const STEPS = 32;

/** The file that says which tasks were done. */
export const SUPERGLUE_FILE = 'superglue.json';

export interface SuperGlueRecord {
  readonly tasks: readonly string[];
  /** Tasks for which there was no time, or no rows. */
  readonly left: readonly string[];
  /** Folders of evaluations: by arm, by task. */
  readonly folders: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * Fine-tunes the models of some arms on each task of `folder`, with one setting for all: with this few rows nothing can be
 * chosen on them. A task is begun for all arms or for none, and only if it would end in time if it took as long as the
 * longest so far, or, for the first, as many steps of the training.
 * `until` is a time of `performance.now()`. false: interrupted.
 */
export async function fineTuneArms(
  story: Story,
  runs: ReadonlyMap<Arm, string>,
  { folder, until = Infinity }: { readonly folder: string; readonly until?: number },
): Promise<boolean> {
  const { logger } = story;
  const arms = [...runs].filter(([arm]) => isFineTuned(arm));
  if (arms.length === 0) {
    logger.warn(
      'SuperGLUE: only decoder-only and balanced adapted arms are fine-tuned, and none of them was asked for.',
    );
    return true;
  }
  const folders: Record<string, Record<string, string>> = Object.fromEntries(arms.map(([{ name }]) => [name, {}]));
  const [tasks, left]: [string[], string[]] = [[], []];
  let longest = until === Infinity ? 0 : await expectedMs(arms.map(([, run]) => run));
  for (const [task, archive] of TASKS) {
    const began = performance.now();
    if (began + longest > until || !existsSync(join(folder, archive, 'train.jsonl'))) {
      left.push(task);
      continue;
    }
    for (const [arm, run] of arms) {
      logger.info(`SuperGLUE: ${task}, ${arm.title}`);
      const done = await fineTune(story, arm, { task, run, folder });
      if (done === undefined) return false;
      folders[arm.name][task] = done;
    }
    tasks.push(task);
    longest = Math.max(longest, performance.now() - began);
  }
  if (left.length > 0) logger.warn(`SuperGLUE: there was no time, or there are no rows, for ${left.join(', ')}.`);
  const record: SuperGlueRecord = { tasks, left, folders };
  await writeJson(join(story.folder, SUPERGLUE_FILE), record);
  return true;
}

/** How long a task takes for the models of some runs, by the steps of their training. */
async function expectedMs(runs: readonly string[]): Promise<number> {
  let sum = 0;
  for (const run of runs) {
    const { training } = await readRun(run);
    const seconds = training.find(({ metric }) => metric === 'stepSeconds')?.values ?? [];
    const sorted = seconds.filter((value): value is number => value !== null).sort((a, b) => a - b);
    sum += STEPS * 1000 * (sorted[sorted.length >> 1] ?? 0);
  }
  return sum;
}

async function fineTune(
  story: Story,
  arm: Arm,
  { task, run, folder }: { task: string; run: string; folder: string },
): Promise<string | undefined> {
  const checkpoint = await lastCheckpoint(run);
  const name = `superglue-${arm.name}-${task}`;
  const loaded = await loadEvaluationConfig({
    file: join(CONFIGS, 'superglue.yaml'),
    overrides: [
      `name=${name}`,
      `runs=${story.folder}`,
      `initializer.path=${checkpoint}`,
      `evaluators.0.folder=${folder}`,
      `evaluators.0.tasks=[${task}]`,
      ...ownOverrides('superglue', story.overrides),
    ],
    plugins: story.plugins,
  });
  return evaluateOnce(story, join(story.folder, name), loaded);
}
