import { createLogger, loadConfig, runExperiment, withInterrupt, type Logger, type RunResult } from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import { defaultPlugins } from 'graft';
import { join, resolve } from 'node:path';
import { lossTable, type LossColumn } from './report';
import { sampleText } from './sample';

const CONFIGS = resolve(__dirname, '..');

/** The stages by the name that their configs give them. */
const STAGES = { pretrain: 'pretrain.yaml', adapted: 'prefix-lm.yaml', scratch: 'scratch.yaml' } as const;
type Stage = keyof typeof STAGES;

/** Without native code a step takes a hundred times as long: a smaller model and fewer steps, or nobody would see the end. */
const PORTABLE: Readonly<Record<Stage, readonly string[]>> = (() => {
  const data = ['dataset.lengthTokens=64', 'evaluators.0.dataset.lengthTokens=64', 'train.batchSize=4'];
  const pace = ['evaluators.0.every=25', 'evaluators.0.batches=4', 'schedule.warmupSteps=5', 'train.logEvery=25'];
  const size = ['layers=2', 'hidden=64', 'feedForward=128', 'heads=2', 'keyValueHeads=1'].map(
    (x) => `model.decoder.${x}`,
  );
  return {
    pretrain: [...data, ...pace, ...size, 'train.steps=120'],
    adapted: [...data, ...pace, 'train.steps=50'],
    scratch: [...data, ...pace, ...size, 'train.steps=50'],
  };
})();

export interface QuickstartOptions {
  /** `key=value` for every stage, `stage.key=value` for one, `files=glob` for the text. */
  readonly overrides?: readonly string[];
  /** Default: on standard error. */
  readonly logger?: Logger;
  /** Takes the results, line by line. Default: standard output. */
  readonly print?: (line: string) => void;
}

export interface QuickstartResult {
  /** Held-out loss at the end, nats a target token (a byte). */
  readonly adapted: number;
  readonly scratch: number;
}

/** Runs the three stages and prints the comparison. undefined: Ctrl-C ended it. */
export async function quickstart(options: QuickstartOptions = {}): Promise<QuickstartResult | undefined> {
  const {
    overrides = [],
    logger = createLogger(),
    print = (line: string): void => void process.stdout.write(`${line}\n`),
  } = options;
  const opened = await openStageEngine();
  // Said once, here: the stages would each say it again.
  const engine = { ...opened, fallbackReason: undefined };
  logger.info(`Engine: ${engine.description}`);
  if (opened.fallbackReason) logger.warn(opened.fallbackReason);
  if (engine.executor === 'portable')
    logger.warn(
      'On the portable engine the quickstart trains a smaller model for fewer steps; the comparison is a coarser one.',
    );
  const job: Job = { engine, overrides, logger };

  return withInterrupt(
    async (signal) => {
      logger.info('1/3: a small decoder-only Gemma learns to go on with a text');
      const pretrained = await runStage(job, 'pretrain', [], signal);
      if (pretrained.status === 'interrupted') return undefined;
      logger.info('2/3: it becomes encoder and decoder, and learns to go on with what the encoder read');
      const adapted = await runStage(job, 'adapted', [`initializer.encoder=${lastCheckpoint(pretrained)}`], signal);
      if (adapted.status === 'interrupted') return undefined;
      logger.info('3/3: an encoder-decoder of the same size learns the same from scratch');
      const scratch = await runStage(job, 'scratch', [], signal);
      if (scratch.status === 'interrupted') return undefined;

      const columns: LossColumn[] = [
        { title: 'adapted', evaluations: adapted.evaluations },
        { title: 'from scratch', evaluations: scratch.evaluations },
      ];
      print('');
      print(lossTable(columns));
      const loaded = await loadStage(job, 'adapted', []);
      const models = { adapted: lastCheckpoint(adapted), 'from scratch': lastCheckpoint(scratch) };
      for (const line of await sampleText(engine, loaded, models, logger)) print(line);
      print('');
      print(`Runs: ${[pretrained, adapted, scratch].map(({ folder }) => folder).join('\n      ')}`);
      return { adapted: finalLoss(adapted), scratch: finalLoss(scratch) };
    },
    () => logger.warn('Stopping after this step, with a checkpoint.'),
  );
}

/** Three short runs: compiling each of them with XLA would take longer than it saves. */
async function openStageEngine(): Promise<Engine> {
  const engine = await openEngine();
  return engine.executor === 'portable' ? engine : openEngine({ mode: 'graph' });
}

interface Job {
  readonly engine: Engine;
  readonly overrides: readonly string[];
  readonly logger: Logger;
}

async function loadStage(
  { engine, overrides }: Job,
  stage: Stage,
  own: readonly string[],
): ReturnType<typeof loadConfig> {
  const scaled = engine.executor === 'portable' ? PORTABLE[stage] : [];
  return loadConfig({
    file: join(CONFIGS, STAGES[stage]),
    overrides: [...scaled, ...own, ...stageOverrides(stage, overrides)],
    plugins: defaultPlugins,
  });
}

async function runStage(job: Job, stage: Stage, own: readonly string[], signal: AbortSignal): Promise<RunResult> {
  const { engine, logger } = job;
  return runExperiment(await loadStage(job, stage, own), { engine, logger, signal });
}

/** What the user set, for one stage. */
function stageOverrides(stage: Stage, overrides: readonly string[]): string[] {
  return overrides.flatMap((override) => {
    const [first] = override.split(/[.=]/, 1);
    if (first in STAGES) return first === stage ? [override.slice(first.length + 1)] : [];
    if (!override.startsWith('files=')) return [override];
    // One file may be all that there is: its paragraphs are the documents, some of which are held out.
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
