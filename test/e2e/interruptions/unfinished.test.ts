import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { graft, PLUGIN_HEAD, readJson, write, type Outcome, TINY_MODEL } from '../support/graft';

const folder = temporaryFolder();

// Two batches, and then what `then` says.
write(
  join(folder, 'plugin.cjs'),
  `${PLUGIN_HEAD}
const ENDS = {
  wait: () => new Promise(() => undefined),
  exit: () => process.exit(0),
  throw: () => new Promise(() => setTimeout(() => { throw new Error('Nobody catches this.'); }, 5)),
};
const dataset = ({ options }) => ({
  kind: 'examples',
  fields: ['source', 'target'].map((name) => ({ name, dtype: 'int32', rank: 1 })),
  position: () => ({}),
  restore: async () => undefined,
  async *[Symbol.asyncIterator]() {
    for (let i = 0; i < 8; i++) yield { source: field([5, 6, 7]), target: field([8, 9, 1]) };
    await ENDS[options.then]();
  },
});
const options = z.strictObject({ then: z.enum(['wait', 'exit', 'throw']) });
exports.plugin = definePlugin({
  name: 'ending',
  components: [defineComponent({ interface: 'dataset', id: 'ending', options, useFactory: dataset })],
});
`,
);
write(
  join(folder, 'config.yaml'),
  `plugins: [./plugin.cjs]
${TINY_MODEL}
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq }
dataset: { use: ending, then: wait }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 4, batchSize: 4, checkpointEvery: 0 }
engine: portable
runs: ${folder}/runs
`,
);

function run(name: string, then: string, threads: number): Promise<Outcome> {
  const set = [`name=${name}`, `dataset.then=${then}`, `train.loader.threads=${threads}`];
  return graft(['run', 'config.yaml', ...set.flatMap((one) => ['--set', one])], folder);
}

describe('a run whose data never arrive', () => {
  it('the run ends with status 1 if its code ends the process', async () => {
    const { status, stderr } = await run('own-exit', 'exit', 0);
    expect(stderr).toContain('graft: the process ended before the command was done.\n');
    expect(status).toBe(1);
  });

  it('the run ends with status 1 if nothing is left to wait for, and its steps are kept', async () => {
    const { status, stderr } = await run('own-wait', 'wait', 0);
    expect(stderr).toContain(
      'graft: Dataset "ending/ending" has not returned an item, and never will: nothing is left in this process that it could wait for.\n',
    );
    expect(status).toBe(1);
    const latest = join(folder, 'runs', 'own-wait', 'latest');
    expect(readJson(join(latest, 'run.json'))).toMatchObject({ status: 'failed', steps: 2 });
    expect(readdirSync(join(latest, 'checkpoints'))).toEqual(['step-2']);
  });

  it.each([
    ['exit', 'A thread that reads data ended with status 0.'],
    ['throw', 'A thread that reads data failed: Nobody catches this.'],
  ])('the run ends with status 1 if the data thread dies: %s', async (then, sentence) => {
    const { status, stderr } = await run(`thread-${then}`, then, 2);
    expect(stderr).toContain(`graft: ${sentence}\n`);
    expect(status).toBe(1);
    expect(readJson(join(folder, 'runs', `thread-${then}`, 'latest', 'run.json'))).toMatchObject({ status: 'failed' });
  });
});
