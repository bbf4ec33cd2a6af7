import {
  defineComponent,
  inject,
  injectable,
  LOGGER,
  OPTIONS,
  parseOptions,
  rememberSecret,
  Secret,
  secret,
  silentLogger,
  type JsonValue,
  type Logger,
  type TrackedRun,
  type Tracker,
} from '@graft/core';
import { messageOf } from '@graft/core/internal';
import { dirname } from 'node:path';
import { z } from 'zod';
import { artifactsIn } from './artifacts';
import { loggedBefore } from './backlog';
import { MlflowClient } from './client';
import { CallFailure, isFaultOfEntry, isRefusal } from './http';
import { deliver, describeRefused, isDelivered, type OutboxEntry } from './outbox-entry';
import { toName, type Parameter } from './names';
import { tagsOf } from './run-facts';
import { addressOf, claimEntry, keepRefused, otherRuns, store, type ClaimedEntry } from './outbox';

/** Whether a text is an http or https address, without parameters. */
function isAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && !/[?#\s]/.test(text);
}

/** The options of the tracker `mlflow`. */
export const mlflowOptions = z
  .strictObject({
    // The message does not quote the value: a wrong address may contain a password.
    trackingUri: z
      .string()
      .refine(isAddress, 'expected the address of a server, as http://HOST:5000, without ? and #')
      .describe('Address of the server, as http://HOST:5000.'),
    experiment: z.string().min(1).max(250).optional().describe("Name of the experiment. Default: the run's name."),
    token: secret().optional().describe('Bearer token. Default: the environment variable MLFLOW_TRACKING_TOKEN.'),
    username: secret({ maskInTexts: false })
      .optional()
      .describe(
        'With `password`, for Basic authentication. Default: the environment variable MLFLOW_TRACKING_USERNAME.',
      ),
    password: secret()
      .optional()
      .describe('Password of `username`. Default: the environment variable MLFLOW_TRACKING_PASSWORD.'),
    flushSeconds: z.number().positive().default(2).describe('Pause between deliveries, in seconds.'),
    timeoutSeconds: z.number().positive().default(5).describe('Longest wait for one answer, in seconds.'),
    finishSeconds: z
      .number()
      .nonnegative()
      .max(25)
      .default(15)
      .describe('Longest wait at the end of a run for what is not sent yet, in seconds.'),
  })
  .refine(
    ({ username, password }) => (username === undefined) === (password === undefined),
    'expected username and password together',
  )
  .refine(
    ({ token, username }) => token === undefined || username === undefined,
    'expected a token, or username and password',
  );

/** What a config or code may write. */
export type MlflowOptions = z.input<typeof mlflowOptions>;
/** The same with every default filled in. */
export type ResolvedMlflowOptions = z.output<typeof mlflowOptions>;

/** Options that must not be sent. */
const SECRET = /^trackers\.\d+\.(token|username|password)(\.|$)/;
const STATUS = { finished: 'FINISHED', failed: 'FAILED', interrupted: 'KILLED' } as const;
/** Numbers that wait for a server, in addition to what the run's folder had before; the folder has all of them. */
const LONGEST_QUEUE = 500_000;
/** Most warnings about entries that were set aside. */
const MOST_SENTENCES = 3;

/** A config as flat parameters: `optimizer.learningRate` = `0.001`. */
export function flatten(value: JsonValue, path = ''): Parameter[] {
  if (typeof value !== 'object' || value === null) return [{ key: path, value: String(value) }];
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
    return [{ key: path, value: JSON.stringify(value) }];
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(inner as JsonValue, path === '' ? key : `${path}.${key}`),
  );
}

/**
 * The Authorization header of all calls: from the options, otherwise from the address, otherwise from the environment.
 */
function authorization({ trackingUri, token, username, password }: ResolvedMlflowOptions): Secret | undefined {
  const bearer = (of: Secret): Secret => new Secret(`Bearer ${of.reveal()}`);
  const basic = (user: string, pass: string): Secret => {
    // A user without a password may be a token; with one it may be an ordinary word, which is not redacted in texts.
    rememberSecret(pass || user);
    const both = Buffer.from(`${user}:${pass}`).toString('base64');
    rememberSecret(both);
    return new Secret(`Basic ${both}`);
  };
  if (token) return bearer(token);
  if (username && password) return basic(username.reveal(), password.reveal());
  const { username: user, password: pass } = new URL(trackingUri);
  if (user || pass) {
    return basic(decoded(user), decoded(pass));
  }
  const ofEnvironment = Secret.fromEnvironment('MLFLOW_TRACKING_TOKEN');
  if (ofEnvironment) return bearer(ofEnvironment);
  const { MLFLOW_TRACKING_USERNAME: name, MLFLOW_TRACKING_PASSWORD: word } = process.env;
  return name && word ? basic(name, word) : undefined;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Sends a run's config, metrics and end to an MLflow server from a queue in the background: training never waits for
 * the server. Values that cannot be sent are kept in the run's folder, in a file for that server, and are sent by the
 * next run next to it that reaches the server, or by the run itself when it is resumed. A resumed run continues the
 * same MLflow run.
 */
@injectable()
export class MlflowTracker implements Tracker {
  private readonly client: MlflowClient;
  private entry: (OutboxEntry & { readonly server: string }) | undefined;
  private folder = '';
  private report: TrackedRun['report'];
  private hasNotedArtifacts = false;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  /** Folders of other runs whose entries were handled. */
  private readonly visited = new Set<string>();
  private leftoversSent = false;
  private refusal: unknown;
  private hasReported = false;
  private sentences = 0;
  private longestQueue = LONGEST_QUEUE;
  private dropped = false;
  /** Keys by their names in MLflow. */
  private readonly named = { parameter: new Map<string, string>(), metric: new Map<string, string>() };
  /** The last step of each metric that was put into the queue. */
  private readonly queuedTo = new Map<string, number>();

  private readonly options: ResolvedMlflowOptions;

  constructor(
    @inject(OPTIONS) given: MlflowOptions,
    @inject(LOGGER) private readonly logger: Logger = silentLogger(),
  ) {
    const options = parseOptions(mlflowOptions, given, 'MlflowTracker');
    this.options = options;
    this.client = new MlflowClient({
      server: addressOf(options.trackingUri),
      timeoutSeconds: options.timeoutSeconds,
      authorization: authorization(options),
    });
  }

  async start(run: TrackedRun): Promise<void> {
    this.folder = run.folder;
    this.report = run.report;
    const left = await this.takeOwn();
    for (const { key, step } of left?.metrics ?? []) this.queuedTo.set(key, step);
    this.entry = {
      version: 1,
      server: this.client.server,
      experiment: left?.experiment ?? this.options.experiment ?? run.name,
      runName: run.id,
      title: run.name,
      tags: tagsOf(run),
      startTime: left?.startTime ?? Date.now(),
      parameters: this.parametersOf(run),
      metrics: left?.metrics ?? [],
      refused: left?.refused,
    };
    // For a resumed run, the server knows how much of this it has.
    for await (const { step, metrics } of loggedBefore(run.folder)) this.queue(step, metrics);
    this.longestQueue = this.entry.metrics.length + LONGEST_QUEUE;
    this.timer = setInterval(() => void this.send(), this.options.flushSeconds * 1000);
    this.timer.unref();
    void this.send();
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    if ((this.entry?.metrics.length ?? 0) < this.longestQueue) return this.queue(step, metrics);
    if (this.dropped) return;
    this.dropped = true;
    this.warn(
      `has not taken ${LONGEST_QUEUE.toLocaleString('en')} numbers. From step ${step} on, numbers that come while so many wait are in the run's folder alone.`,
    );
  }

  private queue(step: number, metrics: Readonly<Record<string, number>>): void {
    const timestamp = Date.now();
    for (const [name, value] of Object.entries(metrics)) {
      // A value that is not finite has no place in a curve, and JSON cannot represent it.
      if (name === 'step' || !Number.isFinite(value)) continue;
      const key = this.nameOf('metric', name);
      if (key === undefined) continue;
      // A run that was killed repeats the steps after its last checkpoint.
      if (step <= (this.queuedTo.get(key) ?? -1)) continue;
      this.queuedTo.set(key, step);
      this.entry?.metrics.push({ key, value, timestamp, step });
    }
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    clearInterval(this.timer);
    const { entry } = this;
    if (!entry) return;
    entry.end = { status: STATUS[status], time: Date.now() };
    try {
      entry.artifacts = await artifactsIn(this.folder, this.report);
    } catch (error) {
      this.logger.warn(`MLflow gets no report of this run: ${messageOf(error)}.`);
      entry.artifacts = await artifactsIn(this.folder);
    }
    const deadline = setTimeout(() => this.client.abort(), this.options.finishSeconds * 1000);
    try {
      do {
        await this.sending;
        this.refusal = undefined;
        await this.send();
      } while (!this.isDone && !this.client.aborted && (await pause(200)));
    } finally {
      clearTimeout(deadline);
    }
    if (isDelivered(entry)) {
      if (entry.refused) this.warn(`${describeRefused(entry, await keepRefused(this.folder, entry))}.`);
      return;
    }
    const outbox = await store(this.folder, entry);
    const why = this.refusal === undefined ? 'did not take everything in time' : 'refuses a part';
    this.warn(`${why}; what is left waits in ${outbox} for the next run of that name.`);
  }

  /** What an earlier part of this run left. */
  private async takeOwn(): Promise<OutboxEntry | undefined> {
    const claimed = await claimEntry(this.folder, this.client.server).catch(
      (error: unknown) => void this.reportFailure(error),
    );
    if (!claimed) return undefined;
    if (claimed.entry) await claimed.settle('remove');
    else await this.setAside(claimed);
    return claimed.entry;
  }

  /** A config for MLflow: with valid and unique names, and without a token; and the number of the model's parameters. */
  private parametersOf({ config, parameterCount }: TrackedRun): Parameter[] {
    const all = [...flatten(config), ...(parameterCount === undefined ? [] : flatten({ parameterCount }))];
    return all.flatMap(({ key, value }) => {
      const name = SECRET.test(key) ? undefined : this.nameOf('parameter', key);
      return name === undefined ? [] : [{ key: name, value }];
    });
  }

  /** The name of a key in MLflow; undefined, with a warning, if another key already has it. */
  private nameOf(kind: 'parameter' | 'metric', key: string): string | undefined {
    const name = toName(key);
    const names = this.named[kind];
    const owner = names.get(name);
    if (owner === key) return name;
    if (owner === undefined) {
      names.set(name, key);
      return name;
    }
    if (!names.has(key)) {
      // Reported once for each key: no name can equal that key, because MLflow refuses it.
      names.set(key, key);
      this.logger.warn(
        `MLflow has the name "${name}" for the ${kind}s "${owner}" and "${key}" alike; only the first is sent.`,
      );
    }
    return undefined;
  }

  /** Whether nothing is left to do, or nothing that another attempt would change. */
  private get isDone(): boolean {
    return this.refusal !== undefined || (isDelivered(this.entry!) && this.leftoversSent);
  }

  /** One delivery at a time; a failure is reported once and retried. */
  private send(): Promise<void> {
    this.sending ??= this.deliverAll()
      .catch((error: unknown) => {
        if (isRefusal(error)) this.refusal = error;
        this.reportFailure(error);
      })
      .finally(() => (this.sending = undefined));
    return this.sending;
  }

  private async deliverAll(): Promise<void> {
    this.noteArtifacts(await deliver(this.client, this.entry!, this.folder));
    if (this.leftoversSent) return;
    for (const folder of await otherRuns(dirname(this.folder), this.folder)) {
      if (this.visited.has(folder)) continue;
      // Whatever happens, the next attempt begins with another one.
      this.visited.add(folder);
      await this.deliverLeftover(folder);
    }
    this.leftoversSent = true;
  }

  /**
   * What another run could not deliver. An entry that cannot be read, or that the server will never take, is set aside; one that
   * it does not take now stays, and the next one has its turn. Rejects when the server does not answer.
   */
  private async deliverLeftover(folder: string): Promise<void> {
    const claimed = await claimEntry(folder, this.client.server);
    if (!claimed) return;
    const { entry } = claimed;
    if (!entry) return this.setAside(claimed);
    try {
      this.noteArtifacts(await deliver(this.client, entry, folder));
    } catch (error) {
      if (isFaultOfEntry(error)) return this.setAside(claimed, error);
      await claimed.settle('keep');
      if (error instanceof CallFailure && error.kind !== 'unreachable') return this.reportFailure(error);
      throw error;
    }
    if (!entry.refused) return void (await claimed.settle('remove'));
    this.warnAtMost(`${describeRefused(entry, await claimed.settle('refused'))}.`);
  }

  private async setAside(claimed: ClaimedEntry, error?: unknown): Promise<void> {
    const kept = await claimed.settle(error === undefined ? 'unreadable' : 'refused');
    this.warnAtMost(
      error === undefined
        ? `was not sent a record of an earlier run, because it cannot be read (${claimed.problem}); it is kept in ${kept}.`
        : `refused a record of an earlier run (${messageOf(error)}); it is kept in ${kept}.`,
    );
  }

  private noteArtifacts(problem: string | undefined): void {
    if (problem === undefined || this.hasNotedArtifacts) return;
    this.hasNotedArtifacts = true;
    this.warn(`does not accept artifacts: ${problem}. Config, evaluations and report are only in the run's folder.`);
  }

  /** For messages that may be the same for many entries. */
  private warnAtMost(text: string): void {
    this.sentences++;
    if (this.sentences <= MOST_SENTENCES) this.warn(text);
    else if (this.sentences === MOST_SENTENCES + 1) this.warn('has more such records, which are not listed here.');
  }

  private reportFailure(error: unknown): void {
    // `finish` reports what is cut off by the end of the run.
    if (this.hasReported || this.client.aborted) return;
    this.hasReported = true;
    this.logger.warn(
      `MLflow at ${this.client.server}: ${messageOf(error)}. The run continues; sending is tried again.`,
    );
  }

  private warn(text: string): void {
    this.logger.warn(`MLflow at ${this.client.server} ${text}`);
  }
}

function pause(milliseconds: number): Promise<true> {
  return new Promise((resolve) => setTimeout(() => resolve(true), milliseconds));
}

export const mlflow = defineComponent({
  interface: 'tracker',
  id: 'mlflow',
  description: "config, metrics and end of a run, to an MLflow server's REST API",
  options: mlflowOptions,
  useClass: MlflowTracker,
});
