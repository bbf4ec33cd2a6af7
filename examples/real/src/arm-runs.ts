/** The runs of an arm: configs with what the story decides, found again by the hash of what they resolve to. */
import {
  findSameRun,
  loadConfig,
  runEvaluation,
  runExperiment,
  type LoadedEvaluation,
  type LoadedExperiment,
  type Logger,
  type LoadOptions,
} from '@graft/core';
import type { Engine } from '@graft/engine';
import { join } from 'node:path';
import { ARMS, CONFIGS, type Arm, type ModelName } from './arms';
import type { ModelPlaces, StoredRows } from './prepare';

/** What every run of a story shares. */
export interface Story {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The folder of its runs. */
  readonly folder: string;
  readonly rows: StoredRows;
  readonly models: ModelPlaces;
  readonly plugins: LoadOptions['plugins'];
  /** `KEY=VALUE` for every arm, `ARM.KEY=VALUE` for one. */
  readonly overrides: readonly string[];
}

/** What the config of an arm depends on. */
export type ArmContext = Pick<Story, 'folder' | 'rows' | 'models' | 'plugins' | 'overrides'>;

/** Evaluations during a training, besides the one before its first step. */
export const EVALUATIONS = 4;
/** Of the steps, in which the learning rate rises. */
const WARM_UP_SHARE = 0.1;

export interface ArmSettings {
  readonly steps: number;
  /** Where its runs are. Default: the story's folder. */
  readonly runs?: string;
}

/** The config of an arm. Its own file says everything that is not decided here. */
export function loadArm(
  story: ArmContext,
  arm: Arm,
  { steps, runs = story.folder }: ArmSettings,
): Promise<LoadedExperiment> {
  const { rows, models } = story;
  const share = (of: number): number => Math.max(1, Math.round(steps * of));
  const ownSteps = Object.entries(arm.steps ?? {}).map(([key, of]) => `${key}=${share(of)}`);
  const places = Object.entries(arm.models).map(([name, key]) => `${key}=${models.get(name as ModelName)}`);
  return loadConfig({
    file: join(CONFIGS, `${arm.name}.yaml`),
    overrides: [
      ...places,
      `runs=${runs}`,
      `dataset.files=${join(rows.folder, 'train.jsonl')}`,
      `evaluators.0.dataset.files=${join(rows.folder, 'held-out.jsonl')}`,
      `evaluators.0.every=${Math.max(1, Math.ceil(steps / EVALUATIONS))}`,
      `train.steps=${steps}`,
      // In case the power fails: Ctrl-C saves by itself.
      `train.checkpointEvery=${Math.ceil(steps / 2)}`,
      `schedule.warmupSteps=${share(WARM_UP_SHARE)}`,
      ...ownSteps,
      ...ownOverrides(arm.name, story.overrides),
    ],
    plugins: story.plugins,
  });
}

const ARM_NAMES: ReadonlySet<string> = new Set(ARMS.map(({ name }) => name));

/** What the user set, for one arm. */
export function ownOverrides(name: string, overrides: readonly string[]): string[] {
  return overrides.flatMap((override) => {
    const first = /^[^.=]*/.exec(override)![0];
    if (!ARM_NAMES.has(first) && first !== 'superglue') return name === 'superglue' ? [] : [override];
    return first === name ? [override.slice(first.length + 1)] : [];
  });
}

/** The folder of a finished run; undefined: interrupted. */
export type Ran = string | undefined;

/** Trains an arm, unless a run with the same config has; continues one that was stopped. */
export async function runArm(story: Story, arm: Arm, settings: ArmSettings): Promise<Ran> {
  const { engine, logger, signal } = story;
  const loaded = await loadArm(story, arm, settings);
  const found = await findSameRun(join(loaded.config.runs, loaded.config.name), loaded.config);
  if (found?.isFinished) {
    logger.info(`${arm.name}: finished before, in ${found.folder}`);
    return found.folder;
  }
  const { status, folder } = await runExperiment(loaded, { engine, logger, signal, resume: found?.id });
  return status === 'finished' ? folder : undefined;
}

/** Measures an arm's held-out loss before its first step, unless that has been done. It is the same for every plan. */
export async function evaluateStart(story: Story, arm: Arm): Promise<Ran> {
  const loaded = await loadArm(story, arm, { steps: 1 });
  const { config, registry } = loaded;
  return evaluateOnce(story, join(config.runs, `${config.name}-evaluation`), { config, registry });
}

/** An evaluation, unless one with the same config is there; continues one that was stopped. */
export async function evaluateOnce(
  { engine, logger, signal }: Story,
  parent: string,
  loaded: LoadedEvaluation,
): Promise<Ran> {
  const found = await findSameRun(parent, loaded.config);
  if (found?.isFinished) return found.folder;
  const { status, folder } = await runEvaluation(loaded, { engine, logger, signal, resume: found?.id });
  return status === 'finished' ? folder : undefined;
}
