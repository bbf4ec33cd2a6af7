import type { Engine } from '@graft/engine';
import { createComponentFactory } from '../components/factory';
import type { Registry } from '../components/registry';
import type { EvaluationConfig } from '../config';
import type { ComponentFactory, Model, RunInfo, TrackedRun } from '../interfaces';
import { createRandom, type RandomStream } from '../random/streams';
import { literalSecretsWarning } from '../secrets/mask';
import { Trackers } from '../training/trackers';
import { storedSpecialTokens } from '../data/special-tokens';
import type { Logger } from '../util/logger';
import { Interrupted } from '../util/pending';
import { runEnvironment } from './environment';
import { RunFolder, type RunRecord } from './folder';
import type { LogFile } from './log-file';
import { countParameters } from './parameters';
import { configFacts } from './run-info';
import { findRecord, findTokenizerFolders } from './tokenizer-files';
import { computedElsewhere } from './recorded-engine';
import { versions } from './versions';

/** A sentence if the engine is a fallback for a fast one that could not start; undefined for any other engine. */
export function fallbackWarning({ fallbackReason, target }: Engine): string | undefined {
  const engine = target === 'portable' ? 'the portable engine' : 'TensorFlow on the CPU';
  return fallbackReason && `${fallbackReason} Continuing with ${engine}, which is much slower.`;
}

export interface SessionOptions {
  readonly config: EvaluationConfig;
  readonly registry: Registry;
  readonly engine: Engine;
  readonly logger: Logger;
  /** The logger to which `logger` belongs. */
  readonly log: LogFile;
  /** Log only warnings. */
  readonly quiet: boolean;
  /** The name of a new run. */
  readonly name: string;
  readonly kind?: RunRecord['kind'];
  /** The run to resume. Default: a new one. */
  readonly found?: RunFolder;
  /** Throws if `found` cannot be resumed. Called again once no other process can change the run any more. */
  readonly checkResumable: (found: RunFolder) => Promise<void>;
  /** The report of a run's folder as one HTML page, for trackers. */
  readonly report?: (folder: string) => Promise<string>;
}

/** What the run announces when it begins. */
export interface Beginning {
  readonly model: Model;
  readonly run: RunInfo;
  readonly trackers: Trackers;
  readonly workers?: number;
}

/**
 * One process's work on a run, of training or of evaluation, from claiming its folder to releasing it. Call in this
 * order: `open`, `announce`, `describe`, `begin`, then `finish` or `fail`, and always `release`.
 */
export class RunSession {
  readonly random: RandomStream;
  /** Set once the run has begun. */
  private trackers: Trackers | undefined;

  private constructor(
    readonly folder: RunFolder,
    /** config.json. */
    private readonly written: { readonly versions: Readonly<Record<string, string>> },
    private readonly options: SessionOptions,
    /** Where the run was computed until now, if that was somewhere else. */
    private readonly before: string | undefined,
  ) {
    this.random = createRandom(options.config.seed);
  }

  /** Creates the run's folder, or claims the existing one. Throws UsageError if another process works on it. */
  static async open(options: SessionOptions): Promise<RunSession> {
    const { config, engine, logger, log, name, kind, found, checkResumable } = options;
    const written = { ...config, versions: versions(engine) };
    const folder = found ?? (await RunFolder.create(config.runs, name, written, kind));
    // `quiet` does not ask for half a minute of silence.
    const onWatch = (sentence: string): void => logger.warn(sentence);
    if (found) await found.claim({ check: () => checkResumable(found), onWatch });
    log.open(folder.path);
    return new RunSession(folder, written, options, found && computedElsewhere(await found.config(), engine));
  }

  get isResumed(): boolean {
    return this.options.found !== undefined;
  }

  say(line: string): void {
    if (this.options.quiet) this.options.log.add('info', line);
    else this.options.logger.info(line);
  }

  /** Names the folder and the engine; warns of a slow engine and of secrets in the config. */
  announce(): void {
    const { config, engine, kind, logger, quiet } = this.options;
    const what = kind === 'evaluation' ? 'Evaluation' : 'Run';
    this.say(`${this.isResumed ? 'Resuming' : what} ${this.folder.path}`);
    this.say(`Engine: ${engine.description}`);
    const fallback = fallbackWarning(engine);
    if (fallback && !quiet) logger.warn(fallback);
    if (this.before !== undefined)
      logger.warn(`Until now the run was computed on ${this.before}; its numbers may go on slightly differently.`);
    const literal = literalSecretsWarning(config);
    if (literal) logger.warn(literal);
  }

  /** What components may know about the run before there is a model. */
  async describe(): Promise<RunInfo> {
    const { config, registry } = this.options;
    const recorded = await findRecord(config, registry, this.folder.checkpoints);
    const tokenizerFolders = await findTokenizerFolders(config, registry, this.folder.checkpoints);
    return { ...this.folder.info(configFacts(config)), recorded, tokenizerFolders };
  }

  components(run: RunInfo): ComponentFactory {
    const { registry, engine, logger } = this.options;
    return createComponentFactory(registry, { engine, random: this.random, logger, run });
  }

  async createTrackers(components: ComponentFactory): Promise<Trackers> {
    const { config, logger } = this.options;
    const named = await Promise.all(
      config.trackers.map(async (spec) => ({ name: spec.use, tracker: await components.create('tracker', spec) })),
    );
    return new Trackers(named, logger);
  }

  /** Only now can others find the run: one that fails before this leaves no new folder. */
  async begin({ model, run, trackers, workers }: Beginning): Promise<void> {
    const { engine } = this.options;
    if (this.isResumed) await this.folder.writeConfig(this.written);
    await this.folder.update({
      engine: engine.description,
      versions: this.written.versions,
      parameters: countParameters(model),
      specialTokens: storedSpecialTokens(model),
      workers,
      stopped: undefined,
    });
    await this.folder.beginAsLatest();
    const environment = await runEnvironment(this.options.config);
    await this.folder.addEnvironment(environment);
    this.trackers = trackers;
    const { report } = this.options;
    const tracked: TrackedRun = {
      ...run,
      environment,
      parameterCount: countParameters(model),
      ...(report && { report: () => report(this.folder.path) }),
    };
    await trackers.start(tracked);
  }

  async finish(status: 'finished' | 'interrupted', changes: Partial<RunRecord> = {}): Promise<void> {
    await this.folder.update({ status, ...changes });
    await this.trackers?.finish(status);
    this.options.log.add('info', `The run is ${status}.`);
  }

  /** Records why the run ended, unless the user stopped it; removes the folder of a new run that never began. */
  async fail(error: unknown): Promise<void> {
    const status = error instanceof Interrupted ? 'interrupted' : 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    const began = this.isResumed || this.trackers !== undefined;
    if (began)
      await this.folder.update({ status, error: status === 'failed' ? reason : undefined }).catch(() => undefined);
    else await this.folder.remove().catch(() => undefined);
    this.options.log.add('error', `The run is ${status}: ${reason}`);
    await this.trackers?.finish(status);
  }

  /** Ends this process's work on the run. */
  release(): Promise<void> {
    this.options.log.close();
    return this.folder.release();
  }
}
