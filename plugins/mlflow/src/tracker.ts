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
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { MlflowClient, type Parameter } from './client';
import { deliver, deliverStored, isEmpty, store, type Letter } from './outbox';

const Options = z.strictObject({
  trackingUri: z.url().describe('address of the server'),
  experiment: z.string().min(1).optional().describe("default: the run's name"),
  token: z.string().optional().describe('bearer token; default: MLFLOW_TRACKING_TOKEN'),
  flushSeconds: z.number().positive().default(2).describe('pause between deliveries'),
  timeoutSeconds: z.number().positive().default(5).describe('longest wait for one answer'),
  finishSeconds: z
    .number()
    .nonnegative()
    .default(15)
    .describe('longest wait at the end of a run for what is not sent yet'),
});

const OUTBOX_FILE = 'mlflow-outbox.json';
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
 * server. What cannot be sent stays in the run's folder and is sent by the next run beside it that finds the server up.
 */
@injectable()
export class MlflowTracker implements Tracker {
  private readonly client: MlflowClient;
  private letter: Letter | undefined;
  private outbox = '';
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private complained = false;

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
    this.outbox = join(run.folder, OUTBOX_FILE);
    this.letter = {
      experiment: this.options.experiment ?? run.name,
      runName: run.id,
      startTime: Date.now(),
      parameters: flatten(run.config),
      metrics: [],
    };
    this.timer = setInterval(() => void this.send(), this.options.flushSeconds * 1000);
    this.timer.unref();
    void this.send().then(() => this.sendLeftovers(dirname(run.folder)));
  }

  log(step: number, metrics: Readonly<Record<string, number>>): void {
    const timestamp = Date.now();
    for (const [key, value] of Object.entries(metrics)) {
      // JSON has no NaN; MLflow takes the word.
      if (key !== 'step' && Number.isFinite(value)) this.letter?.metrics.push({ key, value, timestamp, step });
    }
  }

  async finish(status: 'finished' | 'interrupted' | 'failed'): Promise<void> {
    clearInterval(this.timer);
    const { letter } = this;
    if (!letter) return;
    letter.end = { status: STATUS[status], time: Date.now() };
    const deadline = Date.now() + this.options.finishSeconds * 1000;
    do {
      await this.sending;
      await this.send();
    } while (!isEmpty(letter) && Date.now() < deadline && (await pause(200)));
    if (isEmpty(letter)) return;
    await store(this.outbox, letter);
    this.logger.warn(
      `MLflow at ${this.options.trackingUri} was not reached; what is left waits in ${this.outbox} for the next run.`,
    );
  }

  /** One delivery at a time; a failure is said once and tried again. */
  private send(): Promise<void> {
    this.sending ??= deliver(this.client, this.letter!)
      .catch((error: unknown) => this.complain(error))
      .finally(() => (this.sending = undefined));
    return this.sending;
  }

  /** What earlier runs of this name could not send. */
  private async sendLeftovers(runs: string): Promise<void> {
    for (const name of await readdir(runs).catch(() => [])) {
      const file = join(runs, name, OUTBOX_FILE);
      if (name === 'latest' || file === this.outbox || !(await stat(file).catch(() => undefined))) continue;
      await deliverStored(this.client, file).catch((error: unknown) => this.complain(error));
    }
  }

  private complain(error: unknown): void {
    if (this.complained) return;
    this.complained = true;
    this.logger.warn(
      `MLflow at ${this.options.trackingUri}: ${(error as Error).message}. The run goes on; sending is tried again.`,
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
