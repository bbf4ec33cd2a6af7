/** Answers of a tracking server: whatever they are, logging goes on and the run's end does not wait. */
import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { silentLogger } from '@graft/core';
import { json, Wrong } from './support.mjs';

const { MlflowTracker } = createRequire(import.meta.url)('@graft/mlflow');

const ANSWERS = {
  'get-by-name.json': { experiment: { experiment_id: '1', name: 'tiny' } },
  'search.json': {
    runs: [
      {
        info: { run_id: 'abc' },
        data: { metrics: [{ key: 'loss', value: 1, timestamp: 1, step: 2 }], params: [{ key: 'seed', value: '3' }] },
      },
    ],
  },
  'create.json': { run: { info: { run_id: 'abc' } }, experiment_id: '1' },
  'log-batch.json': {},
  'update.json': { run_info: {} },
  'status.json': { status: 200 },
};

export default {
  what: 'answers of an MLflow server',
  seeds: async () => [
    Object.fromEntries(Object.entries(ANSWERS).map(([name, answer]) => [name, json(answer)])),
    Object.fromEntries(
      Object.entries(ANSWERS).map(([name, answer]) => [name, json(name === 'search.json' ? {} : answer)]),
    ),
  ],
  async setup() {
    const state = { files: {}, calls: 0 };
    state.server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        state.calls++;
        const name = Object.keys(state.files).find((one) => request.url.includes(one.replace('.json', '')));
        let status = 200;
        try {
          ({ status } = JSON.parse(state.files['status.json']));
        } catch {
          // As before.
        }
        response.writeHead(Number.isInteger(status) && status >= 200 && status < 600 ? status : 200, {
          'content-type': 'application/json',
        });
        response.end(state.files[name] ?? '');
      });
    });
    await new Promise((resolve) => state.server.listen(0, '127.0.0.1', resolve));
    return state;
  },
  close: ({ server }) => server.close(),
  async check(folder, files, state) {
    Object.assign(state, { files, calls: 0 });
    const run = `${folder}/run`;
    mkdirSync(run, { recursive: true });
    const options = {
      trackingUri: `http://127.0.0.1:${state.server.address().port}`,
      flushSeconds: 100,
      timeoutSeconds: 2,
      finishSeconds: 0.2,
    };
    const tracker = new MlflowTracker(options, silentLogger());
    await tracker.start({ name: 'tiny', id: '1', folder: run, config: { seed: 3, name: 'x' } });
    for (let step = 1; step <= 3; step++) tracker.log(step, { loss: 1 / step });
    await tracker.finish('finished');
    if (state.calls === 0) throw new Wrong('it asks nothing');
  },
};
