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

/** Limits of one log-batch request (MLflow's REST reference). */
const METRICS_PER_BATCH = 1000;
const PARAMETERS_PER_BATCH = 100;
/** Longest parameter value that every store takes. */
const PARAMETER_LENGTH = 500;

/** The few calls of MLflow's REST API that tracking needs. Each rejects when the server does not answer with success. */
export class MlflowClient {
  private readonly http: AxiosInstance;

  constructor(trackingUri: string, timeoutSeconds: number, token?: string) {
    this.http = axios.create({
      baseURL: `${trackingUri.replace(/\/+$/, '')}/api/2.0/mlflow`,
      timeout: timeoutSeconds * 1000,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
    });
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

  /** Id of a new run. */
  async createRun(experimentId: string, name: string, startTime: number): Promise<string> {
    const { data } = await this.http.post<{ run: { info: { run_id: string } } }>('/runs/create', {
      experiment_id: experimentId,
      run_name: name,
      start_time: startTime,
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
        .map(({ key, value }) => ({ key, value: value.slice(0, PARAMETER_LENGTH) }));
      await this.http.post('/runs/log-batch', { run_id: runId, params });
    }
  }

  async finishRun(runId: string, status: 'FINISHED' | 'FAILED' | 'KILLED', endTime: number): Promise<void> {
    await this.http.post('/runs/update', { run_id: runId, status, end_time: endTime });
  }
}
