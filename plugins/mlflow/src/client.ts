import { z } from 'zod';
import { CallFailure, JsonServer, type ServerOptions } from './http';
import { toTag, toTitle, toValue, type Metric, type Parameter } from './names';

/** A run that the server already has, and what it has received of it. */
export interface KnownRun {
  readonly id: string;
  readonly parameters: ReadonlySet<string>;
  /** The last step of each metric. */
  readonly lastSteps: ReadonlyMap<string, number>;
}

/** What a run has from its beginning. */
export interface NewRunFacts {
  readonly graftRunId: string;
  readonly title?: string;
  readonly startTime: number;
  readonly tags?: readonly Parameter[];
}

const SOURCE_TAG = 'mlflow.source.name';
const asTag = ({ key, value }: Parameter): Parameter => ({ key, value: toTag(value) });

/** This tag identifies a run of Graft: after a resume, and if the response to its creation was lost. */
export const RUN_TAG = 'graft.runId';

const Id = z.union([z.string().min(1).max(250), z.number().int().nonnegative()]).transform(String);
/** MLflow's JSON may have 64-bit numbers as text. */
const Step = z.union([z.number(), z.string().regex(/^-?\d{1,19}$/)]).transform(Number);
const Done = z.looseObject({});
const FoundRun = z.object({ run: z.object({ info: z.object({ artifact_uri: z.string() }) }) });
const FoundExperiment = z.object({ experiment: z.object({ experiment_id: Id }) });
const NewExperiment = z.object({ experiment_id: Id });
const NewRun = z.object({ run: z.object({ info: z.object({ run_id: Id }) }) });
const FoundRuns = z.object({
  runs: z
    .array(
      z.object({
        info: z.object({ run_id: Id }),
        data: z
          .object({
            metrics: z.array(z.object({ key: z.string(), step: Step })).optional(),
            params: z.array(z.object({ key: z.string() })).optional(),
          })
          .optional(),
      }),
    )
    .optional(),
});

/**
 * The few calls of MLflow's REST API that tracking needs. Each rejects with CallFailure if the server does not respond
 * with success.
 */
export class MlflowClient {
  private readonly api: JsonServer;
  /** The server's address, which is stored in entries to it. */
  readonly server: string;

  constructor(options: ServerOptions) {
    this.server = options.server;
    this.api = new JsonServer({ ...options, server: `${options.server}/api/2.0` });
  }

  /** Rejects the current call and every later one. */
  abort(): void {
    this.api.abort();
  }

  /** Whether `abort` was called. */
  get aborted(): boolean {
    return this.api.aborted;
  }

  /** Id of the experiment with that name, created if it does not exist. */
  async experiment(name: string): Promise<string> {
    const title = toTitle(name);
    const found = await this.findExperiment(title);
    if (found !== undefined) return found;
    try {
      return (await this.api.post('/mlflow/experiments/create', { name: title }, NewExperiment)).experiment_id;
    } catch (error) {
      // Another run was faster.
      if (!(error instanceof CallFailure) || error.errorCode !== 'RESOURCE_ALREADY_EXISTS') throw error;
      const made = await this.findExperiment(title);
      if (made === undefined) throw error;
      return made;
    }
  }

  private async findExperiment(name: string): Promise<string | undefined> {
    try {
      const found = await this.api.get('/mlflow/experiments/get-by-name', { experiment_name: name }, FoundExperiment);
      return found.experiment.experiment_id;
    } catch (error) {
      if (error instanceof CallFailure && error.status === 404) return undefined;
      throw error;
    }
  }

  /** The run that `createRun` created for that id of Graft, if any. */
  async findRun(experimentId: string, graftRunId: string): Promise<KnownRun | undefined> {
    const query = {
      experiment_ids: [experimentId],
      filter: `tags.\`${RUN_TAG}\` = '${toTag(graftRunId).replaceAll("'", "''")}'`,
      max_results: 1,
    };
    const run = (await this.api.post('/mlflow/runs/search', query, FoundRuns)).runs?.[0];
    if (!run) return undefined;
    return {
      id: run.info.run_id,
      parameters: new Set(run.data?.params?.map(({ key }) => key)),
      lastSteps: new Map(run.data?.metrics?.map(({ key, step }) => [key, step])),
    };
  }

  /** Id of a new run. `title`: how MLflow shows it; default: Graft's id. */
  async createRun(
    experimentId: string,
    { graftRunId, title = graftRunId, startTime, tags = [] }: NewRunFacts,
  ): Promise<string> {
    const made = await this.api.post(
      '/mlflow/runs/create',
      {
        experiment_id: experimentId,
        run_name: toTitle(title),
        start_time: startTime,
        tags: [
          { key: RUN_TAG, value: toTag(graftRunId) },
          ...(tags.some(({ key }) => key === SOURCE_TAG) ? [] : [{ key: SOURCE_TAG, value: 'graft' }]),
          { key: 'mlflow.source.type', value: 'LOCAL' },
          ...tags.map(asTag),
        ],
      },
      NewRun,
    );
    return made.run.info.run_id;
  }

  /** Tags of the same keys are replaced. */
  async setTags(runId: string, tags: readonly Parameter[]): Promise<void> {
    if (tags.length > 0) await this.api.post('/mlflow/runs/log-batch', { run_id: runId, tags: tags.map(asTag) }, Done);
  }

  /** Where the artifacts of a run are. */
  async artifactUri(runId: string): Promise<string> {
    return (await this.api.get('/mlflow/runs/get', { run_id: runId }, FoundRun)).run.info.artifact_uri;
  }

  /** A file in the artifacts that the server keeps, by the segments of its path. */
  async putArtifact(path: readonly string[], bytes: Uint8Array): Promise<void> {
    await this.api.put(`/mlflow-artifacts/artifacts/${path.map(encodeURIComponent).join('/')}`, bytes, Done);
  }

  /** At most one batch. */
  async logMetrics(runId: string, metrics: readonly Metric[]): Promise<void> {
    await this.api.post('/mlflow/runs/log-batch', { run_id: runId, metrics }, Done);
  }

  /** At most one batch. */
  async logParameters(runId: string, parameters: readonly Parameter[]): Promise<void> {
    const params = parameters.map(({ key, value }) => ({ key, value: toValue(value) }));
    await this.api.post('/mlflow/runs/log-batch', { run_id: runId, params }, Done);
  }

  /** A finished run continues. */
  async reopenRun(runId: string): Promise<void> {
    await this.api.post('/mlflow/runs/update', { run_id: runId, status: 'RUNNING' }, Done);
  }

  /** Sets the end of a run, in milliseconds since 1970. */
  async finishRun(runId: string, status: 'FINISHED' | 'FAILED' | 'KILLED', endTime: number): Promise<void> {
    await this.api.post('/mlflow/runs/update', { run_id: runId, status, end_time: endTime }, Done);
  }
}
