import {
  defineComponent,
  inject,
  injectable,
  LOGGER,
  OPTIONS,
  type JsonValue,
  type Logger,
  type RunInfo,
  type Tracker,
} from '@graft/core';
import { dirname } from 'node:path';
import { z } from 'zod';
import { loggedBefore } from './backlog';
import { isRefusal, MlflowClient, reasonOf, toName, type Parameter } from './client';
import { deliver, deliverLeftovers, isEmpty, store, takeStored, type Letter } from './outbox';

const Options = z.strictObject({
  trackingUri: z.url().describe('address of the server'),
  experiment: z.string().min(1).optional().describe("default: the run's name"),
  token: z.string().optional().describe('bearer token; default: MLFLOW_TRACKING_TOKEN'),
  flushSeconds: z.number().positive().default(2).describe('pause between deliveries'),
  timeoutSeconds: z.number().positive().default(5).describe('longest wait for one answer'),
  finishSeconds: z
    .number()
    .nonnegative()
    .max(25)
    .default(15)
    .describe('longest wait at the end of a run for what is not sent yet'),
});

/** Options that are nobody else's business. */
const SECRET = /^trackers\.\d+\.token$/;
const STATUS = { finished: 'FINISHED', failed: 'FAILED', interrupted: 'KILLED' } as const;

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
 * Sends a run's config, metrics and end to an MLflow server from a queue in the background: training never waits for the
 * server. What cannot be sent stays in the run's folder (`mlflow-outbox.json`) and is sent by the next run beside it that
 * finds the server up, or by the run itself when it is resumed. A resumed run goes on in the same run of MLflow's.
 */
@injectable()
export class MlflowTracker implements Tracker {
  private readonly client: MlflowClient;
  private letter: Letter | undefined;
  private folder = '';
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private leftoversSent = false;
  private refusal: unknown;
  private complained = false;
  /** Keys by the names that MLflow takes for them. */
  private readonly named = { parameter: new Map<string, string>(), metric: new Map<string, string>() };
  /** The last step of each metric that was put into the queue. */
  private readonly queuedTo = new Map<string, number>();

  constructor(
    @inject(OPTIONS) private readonly options: z.output<typeof Options>,
    @inject(LOGGER) private readonly logger: Logger,
  ) {
    this.client = new MlflowClient(
      options.trackingUri,
      options.timeoutSeconds,
      options.token ?? process.env.MLFLOW_TRACKING_TOKEN,
    );
  }

  async start(run: RunInfo): Promise<void> {
    this.folder = run.folder;
    const left = await takeStored(run.folder).catch((error: unknown) => void this.complain(error));
    for (const { key, step } of left?.metrics ?? []) this.queuedTo.set(key, step);
    this.letter = {
      experiment: left?.experiment ?? this.options.experiment ?? run.name,
      runName: run.id,
      startTime: left?.startTime ?? Date.now(),
      parameters: this.parametersOf(run.config),
      metrics: left?.metrics ?? [],
    };
    // Of a run that goes on: the server says how much of this it has.
    for await (const { step, metrics } of loggedBefore(run.folder)) this.log(step, metrics);
    this.timer = setInterval(() => void this.send(), this.options.flushSeconds * 1000);
    this.timer.unref();
    void this.send();
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    const timestamp = Date.now();
    for (const [name, value] of Object.entries(metrics)) {
      // What is no number has no place in a curve, and JSON has no word for it.
      if (name === 'step' || !Number.isFinite(value)) continue;
      const key = this.nameOf('metric', name);
      if (key === undefined) continue;
      // A run that was killed repeats the steps behind its last checkpoint.
      if (step <= (this.queuedTo.get(key) ?? -1)) continue;
      this.queuedTo.set(key, step);
      this.letter?.metrics.push({ key, value, timestamp, step });
    }
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    clearInterval(this.timer);
    const { letter } = this;
    if (!letter) return;
    letter.end = { status: STATUS[status], time: Date.now() };
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
    if (isEmpty(letter)) return;
    const outbox = await store(this.folder, letter);
    const why = this.refusal === undefined ? 'did not take everything in time' : 'refuses a part';
    this.logger.warn(
      `MLflow at ${this.options.trackingUri} ${why}; what is left waits in ${outbox} for the next run of that name.`,
    );
  }

  /** A config as MLflow takes it: names that it allows, each once, and no token. */
  private parametersOf(config: JsonValue): Parameter[] {
    return flatten(config).flatMap(({ key, value }) => {
      const name = SECRET.test(key) ? undefined : this.nameOf('parameter', key);
      return name === undefined ? [] : [{ key: name, value }];
    });
  }

  /** The name of a key in MLflow; undefined, and a warning, where another key has it already. */
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
      // Once for each key: no name is that key, as MLflow refuses it.
      names.set(key, key);
      this.logger.warn(
        `MLflow has the name "${name}" for the ${kind}s "${owner}" and "${key}" alike; only the first is sent.`,
      );
    }
    return undefined;
  }

  /** Nothing is left to do, or nothing that trying again would change. */
  private get isDone(): boolean {
    return this.refusal !== undefined || (isEmpty(this.letter!) && this.leftoversSent);
  }

  /** One delivery at a time; a failure is said once and tried again. */
  private send(): Promise<void> {
    this.sending ??= this.deliverAll()
      .catch((error: unknown) => {
        if (isRefusal(error)) this.refusal = error;
        this.complain(error);
      })
      .finally(() => (this.sending = undefined));
    return this.sending;
  }

  private async deliverAll(): Promise<void> {
    await deliver(this.client, this.letter!);
    if (this.leftoversSent) return;
    await deliverLeftovers(this.client, dirname(this.folder), this.folder, (error) => this.complain(error));
    this.leftoversSent = true;
  }

  private complain(error: unknown): void {
    // What the end of the run breaks off is told by `finish`.
    if (this.complained || this.client.aborted) return;
    this.complained = true;
    this.logger.warn(
      `MLflow at ${this.options.trackingUri}: ${reasonOf(error)}. The run goes on; sending is tried again.`,
    );
  }
}

function pause(milliseconds: number): Promise<true> {
  return new Promise((resolve) => setTimeout(() => resolve(true), milliseconds));
}

export const mlflow = defineComponent({
  interface: 'tracker',
  id: 'mlflow',
  description: "config, metrics and end of a run, to an MLflow server's REST API",
  options: Options,
  useClass: MlflowTracker,
});
