import {
  createLogger,
  loadConfig,
  loadEvaluationConfig,
  runEvaluation,
  runExperiment,
  withInterrupt,
  type LoadedExperiment,
  type Logger,
  type RunResult,
} from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import { writeReport } from '@graft/report';
import { writeSyntheticBenchmark } from '@graft/superglue';
import { defaultPlugins } from '@graft/cli';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { accuracyTable, lossTable, type AccuracyColumn, type LossColumn } from './report';
import { sampleText } from './sample';
import {
  CONFIGS,
  MADE_ROWS,
  PORTABLE_SUPERGLUE,
  portableOverrides,
  STAGE_NAMES,
  STAGES,
  SUPERGLUE_CONFIG,
  SUPERGLUE_STAGES,
  type Stage,
  type StageName,
} from './stages';

export interface QuickstartOptions {
  /**
   * `key=value` for every training stage, `stage.key=value` for one (`superglue` counts as a stage), `files=glob` for
   * the text.
   */
  readonly overrides?: readonly string[];
  /** Default: on standard error. */
  readonly logger?: Logger;
  /** Receives the results, line by line. Default: standard output. */
  readonly print?: (line: string) => void;
}

export interface QuickstartResult {
  /** Final held-out loss of PrefixLM in nats per target token (a byte), by stage. */
  readonly losses: Readonly<Partial<Record<StageName, number>>>;
  /** Accuracies on the synthetic tasks, by stage. */
  readonly superglue: Readonly<Partial<Record<StageName, Readonly<Record<string, number>>>>>;
  /** The HTML page. */
  readonly report: string;
}

/** Runs all stages and prints the comparison. undefined: Ctrl-C ended it. */
export async function quickstart(options: QuickstartOptions = {}): Promise<QuickstartResult | undefined> {
  const {
    overrides = [],
    logger = createLogger(),
    print = (line: string): void => void process.stdout.write(`${line}\n`),
  } = options;
  const opened = await openStageEngine();
  // Printed once, here: otherwise every stage would print it.
  const engine = { ...opened, fallbackReason: undefined };
  logger.info(`Engine: ${engine.description}`);
  if (opened.fallbackReason) logger.warn(opened.fallbackReason);
  if (engine.executor === 'portable')
    logger.warn(
      'On the portable engine the quickstart trains smaller models for fewer steps; the comparison is coarser.',
    );

  return withInterrupt(
    async (signal) => {
      const job: Job = { engine, overrides, logger, signal, print, runs: new Map() };
      for (const [i, name] of STAGE_NAMES.entries()) {
        logger.info(`${i + 1}/${STAGE_NAMES.length + 1}: ${STAGES[name].story}`);
        const run = await runStage(job, name);
        if (run.status === 'interrupted') return undefined;
        job.runs.set(name, run);
      }
      logger.info(
        `${STAGE_NAMES.length + 1}/${STAGE_NAMES.length + 1}: the adapted encoder on SuperGLUE's eight tasks, synthetic and small`,
      );
      const superglue = await evaluateModels(job);
      return superglue && (await printReport(job, superglue));
    },
    () => logger.warn('Stopping after this step, with a checkpoint.'),
  );
}

/** Short runs: compiling each of them with XLA would take longer than it saves. */
async function openStageEngine(): Promise<Engine> {
  const engine = await openEngine();
  return engine.executor === 'portable' ? engine : openEngine({ mode: 'graph' });
}

interface Job {
  readonly engine: Engine;
  readonly overrides: readonly string[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
  /** The runs of completed stages. */
  readonly runs: Map<StageName, RunResult>;
}

function loadStage(job: Job, name: StageName): Promise<LoadedExperiment> {
  const stage: Stage = STAGES[name];
  const taken = Object.entries(stage.takes ?? {}).map(
    ([option, from]) => `${option}=${lastCheckpoint(job.runs.get(from)!)}`,
  );
  const scaled = job.engine.executor === 'portable' ? portableOverrides(name) : [];
  return loadConfig({
    file: join(CONFIGS, stage.config),
    overrides: [...scaled, ...taken, ...stageOverrides(name, job.overrides)],
    plugins: defaultPlugins,
  });
}

async function runStage(job: Job, name: StageName): Promise<RunResult> {
  const { engine, logger, signal } = job;
  return runExperiment(await loadStage(job, name), { engine, logger, signal });
}

interface Evaluated {
  readonly columns: readonly (AccuracyColumn & { readonly stage: StageName })[];
  readonly folders: readonly string[];
}

/** Fine-tunes the models of some stages on the synthetic tasks. undefined: Ctrl-C ended it. */
async function evaluateModels(job: Job): Promise<Evaluated | undefined> {
  const { engine, logger, signal } = job;
  const columns: { stage: StageName; title: string; metrics: Readonly<Record<string, number>> }[] = [];
  const folders: string[] = [];
  for (const stage of SUPERGLUE_STAGES) {
    const run = job.runs.get(stage)!;
    // Next to the runs of the stages.
    const made = join(dirname(dirname(run.folder)), `synthetic-superglue-${Object.values(MADE_ROWS).join('-')}`);
    if (!existsSync(made)) await writeSyntheticBenchmark(made, MADE_ROWS);
    const loaded = await loadEvaluationConfig({
      file: join(CONFIGS, SUPERGLUE_CONFIG),
      overrides: [
        ...(engine.executor === 'portable' ? PORTABLE_SUPERGLUE : []),
        `name=superglue-${stage}`,
        `runs=${dirname(dirname(run.folder))}`,
        `initializer.path=${lastCheckpoint(run)}`,
        `evaluators.0.folder=${made}`,
        ...stageOverrides('superglue', job.overrides),
      ],
      plugins: defaultPlugins,
    });
    const result = await runEvaluation(loaded, { engine, logger, signal });
    if (result.status === 'interrupted') return undefined;
    columns.push({ stage, title: STAGES[stage].title, metrics: result.evaluations[0].metrics });
    folders.push(result.folder);
  }
  return { columns, folders };
}

/** Prints the results. */
async function printReport(job: Job, superglue: Evaluated): Promise<QuickstartResult> {
  const { engine, logger, print } = job;
  const compared = [...job.runs].flatMap(([name, run]) => {
    const { title, prepares }: Stage = STAGES[name];
    return prepares ? [] : [{ name, run, title }];
  });
  const columns: LossColumn[] = compared.map(({ title, run }) => ({ title, evaluations: run.evaluations }));
  print('');
  print(lossTable(columns));
  print('');
  print(accuracyTable(superglue.columns));
  const models = Object.fromEntries(
    compared.filter(({ name }) => name !== 'ul2').map(({ title, run }) => [title, lastCheckpoint(run)]),
  );
  for (const line of await sampleText(engine, await loadStage(job, 'adapted'), models, logger)) print(line);

  const folders = [...[...job.runs.values()].map(({ folder }) => folder), ...superglue.folders];
  const report = join(dirname(dirname(folders[0])), 'report.html');
  await writeReport(folders, report);
  print('');
  print(`Runs:   ${folders.join('\n        ')}`);
  print(`Report: ${report}`);
  return {
    losses: Object.fromEntries(compared.map(({ name, run }) => [name, finalLoss(run)])),
    superglue: Object.fromEntries(superglue.columns.map(({ stage, metrics }) => [stage, metrics])),
    report,
  };
}

/** What the user set, for one stage. SuperGLUE does not use the sizes and data of the training stages. */
function stageOverrides(stage: StageName | 'superglue', overrides: readonly string[]): string[] {
  return overrides.flatMap((override) => {
    const [first] = override.split(/[.=]/, 1);
    if (first in STAGES || first === 'superglue') return first === stage ? [override.slice(first.length + 1)] : [];
    if (stage === 'superglue') return override.startsWith('seed=') ? [override] : [];
    if (!override.startsWith('files=')) return [override];
    // There may be a single file: its paragraphs are the documents, some of which are held out.
    return ['dataset', 'evaluators.0.dataset'].flatMap((dataset) => [
      `${dataset}.${override}`,
      `${dataset}.separator="\\n\\n"`,
    ]);
  });
}

function lastCheckpoint({ folder, steps }: RunResult): string {
  return join(folder, 'checkpoints', `step-${steps}`);
}

function finalLoss({ evaluations }: RunResult): number {
  return evaluations[evaluations.length - 1].metrics.loss;
}
