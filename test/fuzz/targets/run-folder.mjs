import { renderReport, readRun } from '@graft/report';
import { json, Wrong } from './support.mjs';

const lines = (...rows) => Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'));
const AT = '2024-01-31T12:00:00.000Z';
const RECORD = {
  ...{ name: 'tiny', id: '20240131-120000', sequence: 4, status: 'finished', createdAt: AT, updatedAt: AT, steps: 4 },
  ...{ parameters: 1000, engine: 'portable', versions: { graft: '0.1.0', node: 'v20' }, error: 'it <b>polluted' },
};

export default {
  what: 'run folders, as reports read them: run.json, config.json, evaluations.json, metrics.jsonl',
  seeds: async () => [
    {
      'run.json': json(RECORD),
      'config.json': json({
        name: 'tiny',
        train: { steps: 4, batchSize: 2 },
        optimizer: { use: 'adamw', learningRate: 0.1 },
        dataset: { files: ['a.txt'] },
      }),
      'evaluations.json': json([
        { step: 2, evaluator: 'heldOut', metrics: { loss: 2.5, perplexity: 12.2 } },
        { step: 4, evaluator: 'heldOut', metrics: { loss: 2.25, perplexity: null } },
      ]),
      'metrics.jsonl': lines(
        ...[1, 2, 3, 4].map((step) => ({
          step,
          seconds: 0.5,
          loss: 3 - step / 4,
          tokensPerSecond: 100,
          waitSeconds: 0.1,
          learningRate: 0.1,
        })),
      ),
    },
  ],
  async check(folder) {
    const run = await readRun(folder);
    const page = renderReport([run, run]);
    if (page.length > 2 ** 26) throw new Wrong(`the page has ${page.length} characters`);
    if (/<script>(?:(?!<\/script>).)*<script/s.test(page)) throw new Wrong('the page has a script within a script');
    if (page.includes('<b>polluted')) throw new Wrong('a text of the run is markup in the page');
  },
};
