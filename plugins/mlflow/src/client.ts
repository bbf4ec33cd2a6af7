import { cutText } from '@graft/core';
import axios, { type AxiosInstance } from 'axios';

export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

export interface Parameter {
  readonly key: string;
  readonly value: string;
}

/** A run that the server has already, and what it was told of it. */
export interface KnownRun {
  readonly id: string;
  readonly parameters: ReadonlySet<string>;
  /** The last step of each metric. */
  readonly lastSteps: ReadonlyMap<string, number>;
}

/** By this tag a run of Graft is found again: after a resume, and where the answer to its creation was lost. */
export const RUN_TAG = 'graft.runId';

/** Limits of one log-batch request (MLflow's REST reference). */
const METRICS_PER_BATCH = 1000;
const PARAMETERS_PER_BATCH = 100;
/** UTF-16 units of the longest parameter value that every store takes, and of the longest name. */
const PARAMETER_LENGTH = 500;
const NAME_LENGTH = 250;

/** The nearest name that MLflow takes: letters, digits and `_-. :/`, and no parts that a file system would read otherwise. */
export function toName(key: string): string {
  const name = key
    .replace(/[^\p{L}\p{N}_. :/-]/gu, '_')
    .split('/')
    .map((part) => (/^\.{0,2}$/.test(part) ? '_'.repeat(Math.max(part.length, 1)) : part))
    .join('/');
  // What the cut leaves of a part may be such a part again.
  return cutText(name, NAME_LENGTH).replace(/\/\.{0,2}$/, (end) => '_'.repeat(end.length));
}

/** The beginning of a value, as long as every store takes it: whole characters, none of them half of a surrogate pair. */
function toValue(value: string): string {
  return cutText(value, PARAMETER_LENGTH).replace(/[\ud800-\udfff]/gu, '\ufffd');
}

interface RunInAnswer {
  readonly info: { readonly run_id: string };
  readonly data: { readonly metrics?: readonly Metric[]; readonly params?: readonly Parameter[] };
}

/** The few calls of MLflow's REST API that tracking needs. Each rejects when the server does not answer with success. */
export class MlflowClient {
  private readonly http: AxiosInstance;
  private readonly ending = new AbortController();

  constructor(trackingUri: string, timeoutSeconds: number, token?: string) {
    this.http = axios.create({
      baseURL: `${trackingUri.replace(/\/+$/, '')}/api/2.0/mlflow`,
      timeout: timeoutSeconds * 1000,
      signal: this.ending.signal,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
  }

  /** Rejects the call under way and every later one. */
  abort(): void {
    this.ending.abort();
  }

  get aborted(): boolean {
    return this.ending.signal.aborted;
  }

  /** Id of the experiment of that name, made if it is not there. */
  async experiment(name: string): Promise<string> {
    try {
      const { data } = await this.http.get<{ experiment: { experiment_id: string } }>('/experiments/get-by-name', {
        params: { experiment_name: name },
      });
      return data.experiment.experiment_id;
    } catch (error) {
      if (!axios.isAxiosError(error) || error.response?.status !== 404) throw error;
    }
    const { data } = await this.http.post<{ experiment_id: string }>('/experiments/create', { name });
    return data.experiment_id;
  }

  /** The run that `createRun` made for that id of Graft's, if it did. */
  async findRun(experimentId: string, graftRunId: string): Promise<KnownRun | undefined> {
    const { data } = await this.http.post<{ runs?: readonly RunInAnswer[] }>('/runs/search', {
      experiment_ids: [experimentId],
      filter: `tags.\`${RUN_TAG}\` = '${graftRunId.replaceAll("'", "''")}'`,
      max_results: 1,
    });
    const run = data.runs?.[0];
    if (!run) return undefined;
    return {
      id: run.info.run_id,
      parameters: new Set(run.data.params?.map(({ key }) => key)),
      lastSteps: new Map(run.data.metrics?.map(({ key, step }) => [key, Number(step)])),
    };
  }

  /** Id of a new run. */
  async createRun(experimentId: string, graftRunId: string, startTime: number): Promise<string> {
    const { data } = await this.http.post<{ run: { info: { run_id: string } } }>('/runs/create', {
      experiment_id: experimentId,
      run_name: graftRunId,
      start_time: startTime,
      tags: [
        { key: RUN_TAG, value: graftRunId },
        { key: 'mlflow.source.name', value: 'graft' },
        { key: 'mlflow.source.type', value: 'LOCAL' },
      ],
    });
    return data.run.info.run_id;
  }

  async logMetrics(runId: string, metrics: readonly Metric[]): Promise<void> {
    for (let at = 0; at < metrics.length; at += METRICS_PER_BATCH) {
      await this.http.post('/runs/log-batch', { run_id: runId, metrics: metrics.slice(at, at + METRICS_PER_BATCH) });
    }
  }

  async logParameters(runId: string, parameters: readonly Parameter[]): Promise<void> {
    for (let at = 0; at < parameters.length; at += PARAMETERS_PER_BATCH) {
      const params = parameters
        .slice(at, at + PARAMETERS_PER_BATCH)
        .map(({ key, value }) => ({ key, value: toValue(value) }));
      await this.http.post('/runs/log-batch', { run_id: runId, params });
    }
  }

  /** A run that ended goes on. */
  async reopenRun(runId: string): Promise<void> {
    await this.http.post('/runs/update', { run_id: runId, status: 'RUNNING' });
  }

  async finishRun(runId: string, status: 'FINISHED' | 'FAILED' | 'KILLED', endTime: number): Promise<void> {
    await this.http.post('/runs/update', { run_id: runId, status, end_time: endTime });
  }
}

/** Whether the server answered, and said no: trying again soon would not help. */
export function isRefusal(error: unknown): boolean {
  const status = axios.isAxiosError(error) ? error.response?.status : undefined;
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** What went wrong, in the server's own words where it has any. */
export function reasonOf(error: unknown): string {
  if (axios.isAxiosError<{ message?: unknown } | undefined>(error)) {
    const { response, code } = error;
    const said = response?.data?.message;
    if (response) return `${response.status} ${typeof said === 'string' ? said.split('\n')[0] : response.statusText}`;
    return error.message || code || 'no answer';
  }
  return error instanceof Error ? error.message : String(error);
}
