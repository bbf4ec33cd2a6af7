import { runExperiment, type ExperimentConfig } from '@graft/core';
import { readRun } from '@graft/report';
import { rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import type { Arm } from './arms';
import { evaluateStart, loadArm, ownOverrides, type Story } from './arm-runs';
import type { Measured } from './plan';
import { readJson, writeJson } from './stored';

/** The first step also opens what later ones use; the mean of the others counts. */
const STEPS = 3;

type MeasuredSteps = Omit<Measured, 'evaluationSeconds'>;

/** Next to the folders of all stories: steps do not depend on the text. */
export const measuredFile = ({ folder }: Pick<Story, 'folder'>): string => join(dirname(folder), 'measured.json');

/**
 * Seconds of a step, an evaluation and everything else of an arm. Its evaluation is the one before its first step, which
 * it needs anyway; its steps are those of a run of three, which arms with models of the same sizes share. undefined:
 * interrupted.
 */
export async function measureArm(story: Story, arm: Arm): Promise<Measured | undefined> {
  const start = await evaluateStart(story, arm);
  if (start === undefined) return undefined;
  const { evaluations } = await readRun(start);
  const steps = await measureSteps(story, arm);
  return steps && { ...steps, evaluationSeconds: evaluations.at(-1)!.seconds };
}

async function measureSteps(story: Story, arm: Arm): Promise<MeasuredSteps | undefined> {
  const runs = join(story.folder, 'measuring');
  const loaded = await loadArm(story, arm, { steps: STEPS, runs });
  const file = measuredFile(story);
  const known = ((await readJson(file)) ?? {}) as Record<string, MeasuredSteps>;
  const key = stepsKey(story, arm, loaded.config);
  if (Object.hasOwn(known, key)) return known[key];

  const { engine, logger, signal } = story;
  logger.info(`Measuring ${arm.name}: ${STEPS} steps …`);
  const began = performance.now();
  const quiet = { ...loaded, config: { ...loaded.config, evaluators: [] } };
  const { status, folder } = await runExperiment(quiet, { engine, logger, signal, quiet: true });
  if (status === 'interrupted') return undefined;
  const seconds = (performance.now() - began) / 1000;
  const { training } = await readRun(folder);
  const steps = training.find(({ metric }) => metric === 'stepSeconds')?.values ?? [];
  const later = steps.slice(1).map((value) => value!);
  const stepSeconds = later.reduce((sum, value) => sum + value, 0) / later.length;
  const measured: MeasuredSteps = { stepSeconds, overheadSeconds: Math.max(0, seconds - STEPS * stepSeconds) };
  await rm(runs, { recursive: true, force: true });
  await writeJson(file, { ...known, [key]: measured });
  return measured;
}

/**
 * What decides how long a step takes: the sizes of the models, which the tokenizers name, the settings, and the machine.
 * Where the parameters come from, and the learning rate, do not.
 */
function stepsKey({ engine, overrides }: Story, arm: Arm, config: ExperimentConfig): string {
  const { model, objective, train, optimizer } = config;
  const decisive = [
    arm.tokenizers,
    { model, objective, train, optimizer: optimizer.use },
    ownOverrides(arm.name, overrides),
    engine.description,
    cpus()[0]?.model,
  ];
  return createHash('sha256').update(JSON.stringify(decisive)).digest('hex').slice(0, 16);
}
