import { configHash, runExperiment } from '@graft/core';
import { readRun } from '@graft/report';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Arm } from './arms';
import { loadArm, type Story } from './arm-runs';
import type { Measured } from './plan';
import { readJson, writeJson } from './stored';

/** The first step also opens what later ones use; the mean of the others counts. */
const STEPS = 3;

/** Seconds of a step, an evaluation and everything else of an arm, by a run of three steps. undefined: interrupted. */
export async function measureArm(story: Story, arm: Arm): Promise<Measured | undefined> {
  const runs = join(story.folder, 'measuring');
  const loaded = await loadArm(story, arm, { steps: STEPS, runs });
  const file = join(story.folder, 'measured.json');
  const known = ((await readJson(file)) ?? {}) as Record<string, Measured>;
  const key = `${arm.name} ${configHash(loaded.config)} ${story.engine.description}`;
  if (Object.hasOwn(known, key)) return known[key];

  const { engine, logger, signal } = story;
  logger.info(`Measuring ${arm.name}: ${STEPS} steps …`);
  const began = performance.now();
  const quiet = { ...loaded, config: { ...loaded.config, evaluators: loaded.config.evaluators.map(atTheEnd) } };
  const { status, folder } = await runExperiment(quiet, { engine, logger, signal, quiet: true });
  if (status === 'interrupted') return undefined;
  const seconds = (performance.now() - began) / 1000;
  const { training, evaluations } = await readRun(folder);
  const steps = training.find(({ metric }) => metric === 'stepSeconds')?.values ?? [];
  const later = steps.slice(1).map((value) => value!);
  const stepSeconds = later.reduce((sum, value) => sum + value, 0) / later.length;
  const evaluationSeconds = evaluations.at(-1)!.seconds;
  const measured: Measured = {
    stepSeconds,
    evaluationSeconds,
    overheadSeconds: Math.max(0, seconds - evaluationSeconds - STEPS * stepSeconds),
  };
  await rm(runs, { recursive: true, force: true });
  await writeJson(file, { ...known, [key]: measured });
  return measured;
}

const atTheEnd = <E extends object>(evaluator: E): E => ({ ...evaluator, every: 0 });
