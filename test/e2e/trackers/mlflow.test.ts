import { silentLogger } from '@graft/core';
import { flatten, MlflowTracker } from '@graft/mlflow';
import axios from 'axios';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeIf, temporaryFolder } from '../../support';
import { mlflowPython, startMlflow, startProxy, type MlflowServer } from '../../support/mlflow-server';
import { readJson, runFolderOf, write, type Outcome } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();

const folder = temporaryFolder();
const mlflow = mlflowPython();

interface EvaluationLine {
  readonly step: number;
  readonly evaluator: string;
  readonly metrics: Record<string, number>;
}

interface SeenRun {
  readonly info: {
    readonly run_id: string;
    readonly run_name: string;
    readonly status: string;
    readonly start_time: number;
    readonly end_time: number;
  };
  readonly data: Record<'params' | 'tags', { readonly key: string; readonly value: string }[]> & {
    readonly metrics: { readonly key: string }[];
  };
}

/** What MLflow's own API tells of an experiment. */
class Reader {
  constructor(private readonly uri: string) {}

  async runs(experiment: string): Promise<SeenRun[]> {
    const found = await this.get<{ experiment: { experiment_id: string; name: string } }>('experiments/get-by-name', {
      experiment_name: experiment,
    });
    expect(found.experiment.name).toBe(experiment);
    const { data } = await axios.post<{ runs?: SeenRun[] }>(`${this.uri}/api/2.0/mlflow/runs/search`, {
      experiment_ids: [found.experiment.experiment_id],
      order_by: ['attributes.start_time'],
    });
    return data.runs ?? [];
  }

  /** Every value of every metric as `key step value`, sorted: twice the same line is a value that was sent twice. */
  async values({ info, data }: SeenRun): Promise<string[]> {
    const lines = await Promise.all(
      data.metrics.map(async ({ key }) => {
        const { metrics } = await this.get<{ metrics: { key: string; step: number; value: number }[] }>(
          'metrics/get-history',
          { run_id: info.run_id, metric_key: key },
        );
        return metrics.map(({ step, value }) => `${key} ${step} ${value}`);
      }),
    );
    return lines.flat().sort();
  }

  async artifacts(runId: string): Promise<string[]> {
    const { files = [] } = await this.get<{ files?: { path: string }[] }>('artifacts/list', { run_id: runId });
    return files.map(({ path }) => path).sort();
  }

  async artifact(runId: string, path: string): Promise<string> {
    const address = `${this.uri}/get-artifact`;
    const { data } = await axios.get<string>(address, {
      params: { run_id: runId, path },
      transformResponse: (text: string) => text,
    });
    return data;
  }

  private async get<T>(path: string, params: object): Promise<T> {
    return (await axios.get<T>(`${this.uri}/api/2.0/mlflow/${path}`, { params })).data;
  }
}

/** The same lines out of the run's folder. */
function valuesIn(runFolder: string): string[] {
  const text = readFileSync(join(runFolder, 'metrics.jsonl'), 'utf8').trimEnd();
  const training = text.split('\n').flatMap((line) => {
    const { step, ...others } = JSON.parse(line) as Record<string, number>;
    return Object.entries(others).map(([key, value]) => `${key} ${step} ${value}`);
  });
  const evaluations = readJson<EvaluationLine[]>(join(runFolder, 'evaluations.json'));
  const measured = evaluations.flatMap(({ step, evaluator, metrics }) =>
    Object.entries(metrics).map(([key, value]) => `${evaluator}/${key} ${step} ${value}`),
  );
  return [...training, ...measured].sort();
}

const byKey = (pairs: readonly { key: string; value: string }[]): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));

const count = (text: string, part: string): number => text.split(part).length - 1;

/** What a run's folder holds for the server; undefined where that is nothing. */
const outboxOf = (runFolder: string): string | undefined =>
  readdirSync(runFolder).find((name) => name.startsWith('mlflow-outbox'));

describeIf('python' in mlflow, 'missing' in mlflow ? mlflow.missing : '', 'tracking on an MLflow server', () => {
  let server: MlflowServer;
  let reader: Reader;

  beforeAll(async () => {
    if ('missing' in mlflow) throw new Error(mlflow.missing);
    server = await startMlflow(mlflow.python, temporaryFolder());
    reader = new Reader(server.uri);
    write(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(200));
  });

  afterAll(() => server?.stop());

  /** Runs 24 steps of a tiny model and returns what became of it. */
  function run(name: string, tracker: string, ...args: string[]): Promise<Outcome> {
    const side = '{ layers: 1, hidden: 16, feedForward: 32, heads: 2 }';
    const config = `name: ${name}
model: { vocabularySize: 260, encoder: ${side}, decoder: ${side} }
initializer: { use: scratch }
objective: { use: prefix-lm, padToMultipleOf: 8 }
dataset: &text { use: text, files: [text.txt], tokenizer: bytes, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.002 }
evaluators: [{ use: loss, name: heldOut, every: 12, batches: 2, dataset: *text }]
trackers: [${tracker}]
train: { steps: 24, batchSize: 2 }
engine: portable
`;
    return graft(['run', write(join(folder, `${name}.yaml`), config), ...args], folder);
  }

  describe('a server that is up', () => {
    let runFolder: string;
    beforeAll(async () => {
      const outcome = await run('tracked', `{ use: mlflow, trackingUri: ${server.uri} }`);
      expect(outcome).toMatchObject({ status: 0 });
      expect(outcome.stderr).not.toMatch(/MLflow/);
      runFolder = runFolderOf(outcome);
    });

    it('the server has the run with its name, tags, times and end', async () => {
      const runs = await reader.runs('tracked');
      expect(runs).toHaveLength(1);
      const [{ info, data }] = runs;
      const id = basename(runFolder);
      expect(info).toMatchObject({ run_name: 'tracked', status: 'FINISHED' });
      expect(info.end_time).toBeGreaterThanOrEqual(info.start_time);
      expect(byKey(data.tags)).toMatchObject({
        'graft.runId': id,
        'graft.name': 'tracked',
        'graft.host.cores': String(cpus().length),
        'mlflow.runName': 'tracked',
        'mlflow.user': userInfo().username,
        'mlflow.source.name': `graft run ${join(folder, 'tracked.yaml')}`,
      });
      expect(outboxOf(runFolder)).toBeUndefined();
    });

    it("the server has the run's config, evaluations, log and report as artifacts", async () => {
      const [{ info }] = await reader.runs('tracked');
      const names = ['config.json', 'environment.json', 'evaluations.json', 'log.txt', 'report.html'];
      expect(await reader.artifacts(info.run_id)).toEqual(names);
      for (const name of ['config.json', 'evaluations.json', 'report.html'])
        expect(await reader.artifact(info.run_id, name)).toBe(readFileSync(join(runFolder, name), 'utf8'));
    });

    it('the server has the config as parameters', async () => {
      const [{ data }] = await reader.runs('tracked');
      const parameters = byKey(data.params);
      expect(parameters).toMatchObject({
        seed: '0',
        'optimizer.use': 'adamw',
        'optimizer.learningRate': '0.002',
        'model.decoder.feedForward': '32',
        'train.steps': '24',
        'evaluators.0.name': 'heldOut',
        'dataset.files': JSON.stringify([join(folder, 'text.txt')]),
      });
      const { versions, ...config } = readJson<Record<string, never>>(join(runFolder, 'config.json'));
      expect(versions).toBeDefined();
      const { parameters: parameterCount } = readJson<{ parameters: number }>(join(runFolder, 'run.json'));
      expect(parameters).toEqual(byKey([...flatten(config), ...flatten({ parameterCount })]));
    });

    it('the server has every number of every step', async () => {
      const [seen] = await reader.runs('tracked');
      const values = valuesIn(runFolder);
      expect(values.filter((line) => line.startsWith('loss '))).toHaveLength(24);
      expect(values.filter((line) => line.startsWith('heldOut/loss '))).toHaveLength(2);
      expect(await reader.values(seen)).toEqual(values);
    });

    it('a resumed run remains one run on the server', async () => {
      const before = valuesIn(runFolder);
      await graftSucceeds(['run', 'tracked.yaml', '--resume', basename(runFolder), '--set', 'train.steps=30'], folder);
      const runs = await reader.runs('tracked');
      expect(runs).toHaveLength(1);
      expect(runs[0].info.status).toBe('FINISHED');
      const values = await reader.values(runs[0]);
      expect(values).toEqual(valuesIn(runFolder));
      expect(values).toEqual(expect.arrayContaining(before));
      expect(values.length).toBeGreaterThan(before.length);
    });
  });

  it('the server accepts shortened values in whole characters, and changed names', async () => {
    const warnings: string[] = [];
    const options = { trackingUri: server.uri, flushSeconds: 60, timeoutSeconds: 20, finishSeconds: 25 };
    const sender = new MlflowTracker(options, { ...silentLogger(), warn: (line: string) => void warnings.push(line) });
    const runFolder = temporaryFolder();
    const config = {
      emoji: `${'x'.repeat(499)}😀 and more`,
      'a//../(b)': 'v',
      [`${'k'.repeat(249)}\u{10400}`]: 'w',
      half: 'a\ud83d',
    };
    await sender.start({ name: 'cut', id: 'cut-1', folder: runFolder, config });
    sender.log(1, { 'loss (new)': 1, huge: 1.7e308, ok: 2 });
    await sender.finish('finished');
    const [seen] = await reader.runs('cut');
    expect(byKey(seen.data.params)).toEqual({
      emoji: 'x'.repeat(499),
      'a/_/__/_b_': 'v',
      ['k'.repeat(249)]: 'w',
      half: 'a\ufffd',
    });
    expect(seen.data.metrics.map(({ key }) => key).sort()).toEqual(['huge', 'loss _new_', 'ok']);
    expect(seen.info.status).toBe('FINISHED');
    expect(warnings).toEqual([]);
  });

  it('no number is lost or duplicated when the server disappears, and the next run sends the rest', async () => {
    // Answers are lost twice after the server did its work, the second time for good: nothing is harder to tell apart from
    // a request that never arrived.
    let lostCreations = 0;
    let repaired = false;
    let wentAway: Promise<void> | undefined;
    const proxy = await startProxy(server.uri, async ({ path, body }, own) => {
      if (path === '/runs/create' && lostCreations++ === 0) return 'lose';
      if (repaired || path !== '/runs/log-batch' || !body.includes('"metrics"')) return 'answer';
      wentAway ??= own.close();
      return 'lose';
    });
    const tracker = `{ use: mlflow, trackingUri: ${proxy.uri}, flushSeconds: 0.05, finishSeconds: 1 }`;
    const first = await run('cut-off', tracker);
    await wentAway;
    expect(first.status).toBe(0);
    expect(count(first.stderr, 'The run continues')).toBe(1);
    expect(count(first.stderr, 'what is left waits in')).toBe(1);
    expect(first.stderr).not.toMatch(/^ +at /m);
    const firstFolder = runFolderOf(first);
    expect(readJson(join(firstFolder, 'run.json'))).toMatchObject({ status: 'finished', steps: 24 });
    expect(outboxOf(firstFolder)).toBeDefined();
    const [unfinished] = await reader.runs('cut-off');
    expect(unfinished.info.status).toBe('RUNNING');

    repaired = true;
    await proxy.reopen();
    const second = await run('cut-off', tracker);
    await proxy.close();
    expect(second.status).toBe(0);
    expect(second.stderr).not.toMatch(/MLflow/);
    const runs = await reader.runs('cut-off');
    const folders = [firstFolder, runFolderOf(second)];
    expect(runs.map(({ data }) => byKey(data.tags)['graft.runId'])).toEqual(folders.map((path) => basename(path)));
    for (const { info } of runs) expect(await reader.artifacts(info.run_id)).toContain('report.html');
    for (const [i, seen] of runs.entries()) {
      expect(seen.info.status).toBe('FINISHED');
      expect(await reader.values(seen)).toEqual(valuesIn(folders[i]));
      expect(outboxOf(folders[i])).toBeUndefined();
    }
  });

  it('training does not wait for a server that answers slowly', async () => {
    // The first answer waits for twenty steps as well: were a step to wait for the tracker, neither would ever come.
    let stepsBeforeFirstAnswer: number | undefined;
    const proxy = await startProxy(server.uri, async () => {
      await sleep(300);
      for (let turns = 0; stepsBeforeFirstAnswer === undefined; turns++) {
        const steps = stepsDone(join(folder, 'runs', 'slow'));
        if (steps >= 20 || turns === 300) stepsBeforeFirstAnswer = steps;
        else await sleep(100);
      }
      return 'answer';
    });
    const limits = 'timeoutSeconds: 60, finishSeconds: 25';
    const outcome = await run('slow', `{ use: mlflow, trackingUri: ${proxy.uri}, ${limits} }`);
    await proxy.close();
    expect(outcome.status).toBe(0);
    expect(stepsBeforeFirstAnswer).toBeGreaterThanOrEqual(20);
    expect(outcome.stderr).not.toMatch(/MLflow/);
    const [seen] = await reader.runs('slow');
    expect(seen.info.status).toBe('FINISHED');
    expect(await reader.values(seen)).toEqual(valuesIn(runFolderOf(outcome)));
  });
});

/** Lines in the metrics of the only run of a name; 0 before there is one. */
function stepsDone(runs: string): number {
  const [id] = existsSync(runs) ? readdirSync(runs).filter((name) => name !== 'latest' && !name.startsWith('.')) : [];
  const file = id === undefined ? undefined : join(runs, id, 'metrics.jsonl');
  return file !== undefined && existsSync(file) ? count(readFileSync(file, 'utf8'), '\n') : 0;
}
