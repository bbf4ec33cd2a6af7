import { defaultPlugins } from '@graft/cli';
import { createLogger, UsageError, withInterrupt, type LoadOptions, type Logger } from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import { writeReport } from '@graft/report';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ARMS, CONFIGS, lacking, usualArms, type Arm } from './arms';
import { evaluateStart, EVALUATIONS, loadArm, runArm, type ArmContext, type Story } from './arm-runs';
import { measureArm } from './measure';
import { chooseSteps, stepsForRows, stepsForTokens, type Measured } from './plan';
import { fetchedModels, prepareRows, type ModelPlaces } from './prepare';
import { writeSamples } from './samples';
import type { Settings } from './settings';
import { readJson, writeJson } from './stored';
import { fineTuneArms } from './superglue';
import { storyTable } from './table';

/** What a program may replace; all have defaults. */
export interface StoryOptions {
  readonly logger?: Logger;
  /** Receives the results, line by line. Default: standard output. */
  readonly print?: (line: string) => void;
  /** Default: the fastest of this machine, with products in bfloat16. */
  readonly engine?: Engine;
  /** Default: the models that have been fetched. */
  readonly models?: ModelPlaces;
  /** Default: Graft's own. */
  readonly plugins?: LoadOptions['plugins'];
  /** Default: the Markdown of the installed packages. */
  readonly texts?: readonly string[];
  /** Most tokens of a source, and of a target. Default 256. */
  readonly rowTokens?: number;
}

/** What a story left; undefined parts were not asked for. */
export interface StoryResult {
  /** The folder of its runs, its plan, its table and its report. */
  readonly folder: string;
  /** Run folders by arm. */
  readonly runs: Readonly<Record<string, string>>;
  readonly steps?: number;
}

/** Of the time, for fine-tuning on SuperGLUE, and for samples. */
const SUPERGLUE_SHARE = 0.2;
const SAMPLES_SHARE = 0.03;
/** Rows of a step on an accelerator, where few rows would leave it idle. */
const ACCELERATED_BATCH = 32;

/** Everything that was asked for, in order. undefined: interrupted; the same call continues. Throws GraftErrors. */
export async function runStory(settings: Settings, options: StoryOptions = {}): Promise<StoryResult | undefined> {
  const began = performance.now();
  const { logger = createLogger(), print = (line: string): void => void process.stdout.write(`${line}\n`) } = options;
  const models = options.models ?? (await fetchedModels());
  const arms = chooseArms(settings, models, logger);
  const out = resolve(settings.out);
  const texts = [...(options.texts ?? [resolve(CONFIGS, '..', '..', 'node_modules')]), ...settings.texts];
  const { rowTokens } = options;
  const { heldOutRows } = settings;
  const rows = await prepareRows({ out, texts, models, logger, rowTokens, heldOutRows });
  const folder = dirname(rows.folder);
  if (settings.only === 'prepare') {
    print(rows.folder);
    return { folder, runs: {} };
  }
  if (settings.superglue !== undefined && !existsSync(settings.superglue))
    throw new UsageError(`There is no folder ${settings.superglue}.`, {
      code: 'real.superglue',
      hint: 'It should have a folder for each task, such as CB/train.jsonl and CB/val.jsonl.',
    });
  const { plugins = defaultPlugins } = options;
  const context: ArmContext = { folder, rows, models, plugins, overrides: settings.overrides };
  const engine = options.engine ?? (await openFast(context, arms[0]));
  logger.info(`Engine: ${engine.description}`);
  return withInterrupt(
    async (signal) => {
      // What the user sets comes last, and counts.
      const batch = isAccelerator(engine) ? [`train.batchSize=${ACCELERATED_BATCH}`] : [];
      const story: Story = { ...context, engine, logger, signal, overrides: [...batch, ...settings.overrides] };
      const steps = await planSteps(story, arms, settings, began);
      if (steps === undefined) return undefined;
      const runs = await runArms(story, arms, steps);
      if (!runs) return undefined;
      if (settings.superglue !== undefined) {
        const until = settings.minutes === undefined ? undefined : began + settings.minutes * 60_000;
        const done = await fineTuneArms(story, runs, { folder: resolve(settings.superglue), until });
        if (!done) return undefined;
      } else logger.info('Without --superglue FOLDER, nothing is fine-tuned on SuperGLUE.');
      await writeSamples(story, runs);
      const page = join(folder, 'report.html');
      await writeReport([...runs.values()], page);
      print(await storyTable(folder));
      print(`Report: ${page}`);
      logger.info(`It took ${((performance.now() - began) / 60_000).toFixed(1)} minutes.`);
      return { folder, steps, runs: Object.fromEntries([...runs].map(([arm, run]) => [arm.name, run])) };
    },
    () => logger.warn('Stopping after this step, with a checkpoint. The same command continues.'),
  );
}

function chooseArms(settings: Settings, models: ModelPlaces, logger: Logger): readonly Arm[] {
  const available = new Set(models.keys());
  const gemma = 'gemma-3-270m';
  const accept =
    'Accept its terms with --accept-license, or fetch it with `graft model get gemma-3-270m --accept-license`.';
  if (settings.arms) {
    const arm = settings.arms.find((one) => lacking(one, available).length > 0);
    if (!arm) return settings.arms;
    const missing = lacking(arm, available);
    throw new UsageError(
      `The arm ${arm.name} needs ${missing.join(' and ')}, which ${missing.length === 1 ? 'has' : 'have'} not been fetched.`,
      {
        code: 'real.model-missing',
        hint: missing.includes(gemma) ? accept : `Fetch it with \`graft model get ${missing[0]}\`.`,
      },
    );
  }
  const arms = usualArms(available);
  if (arms.length === 0)
    throw new UsageError('None of the models is here, and none could be fetched.', {
      code: 'real.model-missing',
      hint: 'Fetch one with `graft model get smollm2-135m-instruct`.',
    });
  if (!available.has(gemma)) logger.warn(`Gemma 3 270M is not here: only SmolLM2-135M is compared. ${accept}`);
  logger.info(`Arms: ${arms.map(({ name }) => name).join(', ')} (of ${ARMS.length}; --arms names others)`);
  return arms;
}

/** The engine of the arms' configs, which all arms share. */
async function openFast(context: ArmContext, arm: Arm): Promise<Engine> {
  const { config } = await loadArm(context, arm, { steps: 1 });
  const engine = await openEngine({ ...config.engine, precision: config.train.precision });
  if (engine.executor !== 'portable') return engine;
  throw new UsageError('Models of this size need the native library, and only the portable engine is here.', {
    code: 'real.engine',
    hint: engine.fallbackReason ?? 'Install it with `graft engine install`.',
  });
}

const isAccelerator = ({ device }: Engine): boolean => device !== 'cpu';

interface Plan {
  readonly steps: number;
  readonly batchSize: number;
  readonly tokens?: number;
  readonly minutes?: number;
  readonly engine: string;
  readonly arms: readonly string[];
}

/** Steps of every arm: those of the plan that is there for the same request, or new ones. undefined: interrupted. */
async function planSteps(
  story: Story,
  arms: readonly Arm[],
  { minutes, tokens, superglue }: Settings,
  began: number,
): Promise<number | undefined> {
  const { logger, folder, rows, engine, overrides } = story;
  const names = arms.map(({ name }) => name);
  const request = JSON.stringify([minutes, tokens, superglue !== undefined, overrides, engine.device]);
  const key = createHash('sha256').update(request).digest('hex').slice(0, 10);
  const file = join(folder, `plan-${key}.json`);
  const newest = join(folder, 'plan.json');
  const made = (await readJson(file)) as Plan | undefined;
  if (made) {
    const added = names.filter((name) => !made.arms.includes(name));
    const all = ARMS.map(({ name }) => name).filter((name) => made.arms.includes(name) || added.includes(name));
    for (const one of [file, newest]) await writeJson(one, { ...made, arms: all } satisfies Plan);
    logger.info(`Every arm trains for ${made.steps} steps, as planned before.`);
    if (added.length > 0 && minutes !== undefined)
      logger.warn(`${added.join(', ')} came later: together, all arms take longer than ${minutes} minutes.`);
    return made.steps;
  }
  const { batchSize } = (await loadArm(story, arms[0], { steps: 1 })).config.train;
  const tokensPerRow = rows.tokensPerRow[arms[0].tokenizers.decoder]!;
  let steps: number;
  if (tokens !== undefined) steps = stepsForTokens(tokens, tokensPerRow, batchSize);
  else {
    const measured: Measured[] = [];
    for (const arm of arms) {
      const own = await measureArm(story, arm);
      if (!own) return undefined;
      measured.push(own);
      logger.info(
        `${arm.name}: ${own.stepSeconds.toFixed(1)} s a step, ${own.evaluationSeconds.toFixed(1)} s an evaluation, ${own.overheadSeconds.toFixed(0)} s for the rest`,
      );
    }
    const all = minutes! * 60 * (1 - SAMPLES_SHARE - (superglue === undefined ? 0 : SUPERGLUE_SHARE));
    const seconds = all - (performance.now() - began) / 1000;
    const inTime = chooseSteps({ seconds, arms: measured, evaluations: EVALUATIONS });
    steps = Math.min(inTime, stepsForRows(rows.trainRows, batchSize));
    if (steps < inTime)
      logger.warn(`The text is read eight times in ${steps} steps; there is time for ${inTime}: add text with --text.`);
  }
  const plan: Plan = { steps, batchSize, tokens, minutes, engine: engine.description, arms: names };
  await writeJson(file, plan);
  await writeJson(newest, plan);
  const read = steps * batchSize * tokensPerRow;
  logger.info(
    `Every arm trains for ${steps} steps of ${batchSize} rows: ${Math.round(read / 1000)}k tokens, ${((steps * batchSize) / rows.trainRows).toFixed(2)} times the text.`,
  );
  return steps;
}

/** Run folders by arm; undefined: interrupted. */
async function runArms(story: Story, arms: readonly Arm[], steps: number): Promise<Map<Arm, string> | undefined> {
  const runs = new Map<Arm, string>();
  for (const [i, arm] of arms.entries()) {
    story.logger.info(`${i + 1}/${arms.length}: ${arm.title}`);
    if ((await evaluateStart(story, arm)) === undefined) return undefined;
    const run = await runArm(story, arm, { steps });
    if (run === undefined) return undefined;
    runs.set(arm, run);
  }
  return runs;
}
