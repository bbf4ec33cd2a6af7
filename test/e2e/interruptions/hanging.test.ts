import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryFolder } from '../../support';
import {
  graftSucceeds,
  PLUGIN_HEAD,
  readJson,
  readMetrics,
  runFolderOf,
  startGraft,
  write,
  type StartedCommand,
  TINY_MODEL,
} from '../support/graft';

const folder = temporaryFolder();

// `before` hangs before the first item, `open` while the data set is made, `items` after some of them; "loop" never gives the thread back.
write(
  join(folder, 'plugin.cjs'),
  `${PLUGIN_HEAD}
const { existsSync } = require('node:fs');
const cell = new Int32Array(new SharedArrayBuffer(4));
const blockMs = (time) => Atomics.wait(cell, 0, 0, time);
const HANGS = {
  never: async () => undefined,
  // Something holds the process, as a connection would.
  wait: () => new Promise(() => setInterval(() => undefined, 1000)),
  // A thread that waits like this is as blocked as one that computes, and leaves the processor to the other tests.
  loop: () => { for (;;) blockMs(1000); },
  // Once, until the file named \`goOn\` is there.
  while: () => { while (!existsSync(globalThis.goOn)) blockMs(50); HANGS.while = HANGS[globalThis.after]; },
  slow: () => new Promise((resolve) => setTimeout(resolve, 400)),
};
const dataset = async ({ options: { how, items, opening, after, goOn } }) => {
  Object.assign(globalThis, { after, goOn });
  if (opening) await HANGS[how]();
  let next = 0;
  return {
    kind: 'examples',
    fields: ['source', 'target'].map((name) => ({ name, dtype: 'int32', rank: 1 })),
    position: () => ({ next }),
    restore: async (position) => void (next = position.next),
    async *[Symbol.asyncIterator]() {
      for (;; next++) {
        if (next >= items) await HANGS[how]();
        yield { source: field([5, 6, 7 + (next % 9)]), target: field([8, 9, 1]) };
      }
    },
    dispose: () => (how === 'wait' ? new Promise(() => undefined) : undefined),
  };
};
const options = z.strictObject({
  how: z.enum(['never', 'wait', 'loop', 'while', 'slow']).default('never'),
  after: z.enum(['never', 'wait']).default('never'),
  items: z.number().default(12),
  opening: z.boolean().default(false),
  goOn: z.string().default(''),
});
exports.plugin = definePlugin({
  name: 'hanging',
  components: [defineComponent({ interface: 'dataset', id: 'hanging', options, useFactory: dataset })],
});
`,
);
write(
  join(folder, 'config.yaml'),
  `plugins: [./plugin.cjs]
${TINY_MODEL}
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq }
dataset: { use: hanging }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 6, batchSize: 4, checkpointEvery: 0, logEvery: 1, loader: { warnAfterSeconds: 1 } }
engine: portable
runs: ${folder}/runs
`,
);

function start(name: string, set: readonly string[], command = 'run'): StartedCommand {
  const all = [`name=${name}`, ...set].flatMap((one) => ['--set', one]);
  return startGraft([command, 'config.yaml', ...all], folder);
}

/** Resolves when standard error has such a text so often. */
function seen({ child }: StartedCommand, text: string, times = 1): Promise<void> {
  let all = '';
  return new Promise((resolve) =>
    child.stderr!.on('data', (part: Buffer) => {
      all += part.toString();
      if (all.split(text).length > times) resolve();
    }),
  );
}

const runOf = (name: string): string => join(folder, 'runs', name, 'latest');
const checkpoints = (name: string): string[] => readdirSync(join(runOf(name), 'checkpoints'));
const WARNING = 'Dataset "hanging/hanging" has not returned an item for';

// The tests of this file wait more than they compute: several run at a time, these first, because they wait longest.
describe('a dataset that blocks the main thread', () => {
  const BLOCKED =
    'This process has not looked at its signals for 5 s; Ctrl-C once more ends it at once, without a checkpoint.';
  const threads = 'train.loader.threads=0';
  /** Until the other thread has taken the signal over, Ctrl-C waits for the thread that is blocked. */
  const TAKEN_OVER_MS = 8000;
  const goOn = (name: string): string => join(folder, `${name}-goes-on`);

  it.concurrent('the process runs until the second Ctrl-C, and earlier checkpoints are kept', async () => {
    const started = start('blocked', [threads, 'dataset.how=loop', 'train.checkpointEvery=1']);
    await seen(started, 'step 2/6');
    await sleep(TAKEN_OVER_MS);
    started.child.kill('SIGINT');
    await seen(started, BLOCKED);
    await sleep(500);
    started.child.kill('SIGINT');
    const { status } = await started.done;
    expect([status, started.child.signalCode]).toEqual([null, 'SIGKILL']);
    expect(checkpoints('blocked')).toContain('step-2');
  });

  it.concurrent('one Ctrl-C stops a process that was blocked for a while, with a checkpoint', async () => {
    const started = start('blocked-a-while', [threads, 'dataset.how=while', `dataset.goOn=${goOn('a-while')}`]);
    await seen(started, 'step 2/6');
    await sleep(TAKEN_OVER_MS);
    started.child.kill('SIGINT');
    await seen(started, BLOCKED);
    writeFileSync(goOn('a-while'), '');
    const { status, stderr } = await started.done;
    expect(stderr).toContain('Stopping after this step, with a checkpoint');
    expect(status).toBe(130);
    expect(readJson(join(runOf('blocked-a-while'), 'run.json'))).toMatchObject({ status: 'interrupted' });
  });

  it.concurrent('Ctrl-C works as usual after a blocked thread has recovered', async () => {
    const started = start('blocked-before', [
      threads,
      'dataset.how=while',
      'dataset.after=wait',
      `dataset.goOn=${goOn('before')}`,
    ]);
    await seen(started, 'step 2/6');
    await sleep(TAKEN_OVER_MS);
    writeFileSync(goOn('before'), '');
    await seen(started, WARNING);
    started.child.kill('SIGINT');
    const { status, stderr } = await started.done;
    expect(stderr).not.toContain(BLOCKED);
    expect(status).toBe(130);
    expect(checkpoints('blocked-before')).toHaveLength(1);
  });
});

describe('a dataset that hangs', () => {
  it.concurrent.each([
    ['in a thread of its own', 'wait', 1],
    ['in an endless loop in a thread of its own', 'loop', 1],
    ['between the steps', 'wait', 0],
  ])('it is logged, and Ctrl-C saves a checkpoint, if it hangs %s', async (_, how, threads) => {
    const name = `${how}-${threads}`;
    const started = start(name, [`dataset.how=${how}`, `train.loader.threads=${threads}`]);
    // After one second, and after two.
    await seen(started, WARNING, 2);
    started.child.kill('SIGINT');
    const { status, stderr } = await started.done;
    expect(stderr).toContain('Stopped at step 3 of 6');
    expect(status).toBe(130);
    expect(readJson(join(runOf(name), 'run.json'))).toMatchObject({ status: 'interrupted', steps: 3 });
    expect(checkpoints(name)).toEqual(['step-3']);
  });

  it('an interrupted run has the losses of a run that never hung', async () => {
    const whole = runFolderOf(await graftSucceeds(['run', 'config.yaml', '--set', 'name=whole'], folder));
    const losses = (run: string): number[] => readMetrics(run).map(({ loss }) => loss);
    expect(losses(runOf('wait-1'))).toEqual(losses(whole).slice(0, 3));
  });
});

it.concurrent.each([0, 1])(
  'the log names a dataset that does not open, and Ctrl-C leaves no run (threads: %d)',
  async (threads) => {
    const name = `opening-${threads}`;
    const started = start(name, ['dataset.how=wait', 'dataset.opening=true', `train.loader.threads=${threads}`]);
    await seen(started, 'Dataset "hanging/hanging" has not opened for 1 s.');
    started.child.kill('SIGINT');
    const { status, stderr } = await started.done;
    expect(stderr).toContain('Stopped while dataset "hanging/hanging" has not opened.');
    expect(status).toBe(130);
    expect(readdirSync(join(folder, 'runs'))).not.toContain(name);
  },
);

const evaluatorOf = (items: number): string =>
  `evaluators=[{ use: loss, every: 2, batches: 4, dataset: { use: hanging, how: wait, items: ${items} } }]`;

it.concurrent("the log names an evaluator's dataset that hangs, and Ctrl-C saves a checkpoint", async () => {
  const started = start('evaluator', [evaluatorOf(13)]);
  await seen(started, WARNING);
  started.child.kill('SIGINT');
  const { status } = await started.done;
  expect(status).toBe(130);
  expect(readJson(join(runOf('evaluator'), 'run.json'))).toMatchObject({ status: 'interrupted', steps: 2 });
  expect(checkpoints('evaluator')).toEqual(['step-2']);
});

it.concurrent('Ctrl-C ends graft evaluate while a dataset hangs', async () => {
  const started = start('alone', [evaluatorOf(13)], 'evaluate');
  await seen(started, WARNING);
  started.child.kill('SIGINT');
  expect((await started.done).status).toBe(130);
  expect(readJson(join(runOf('alone-evaluation'), 'run.json'))).toMatchObject({ status: 'interrupted' });
});

it.concurrent(
  'held-out data that hang at their first batch are named before the first step, and Ctrl-C leaves no run',
  async () => {
    const started = start('before-first-step', [evaluatorOf(0)]);
    await seen(started, WARNING);
    started.child.kill('SIGINT');
    expect((await started.done).status).toBe(130);
    expect(readdirSync(join(folder, 'runs'))).not.toContain('before-first-step');
  },
);

it('a slow dataset is not reported to hang', async () => {
  const set = ['name=slow', 'dataset.how=slow', 'dataset.items=0', 'train.steps=1', 'train.batchSize=3'].flatMap(
    (one) => ['--set', one],
  );
  const { stderr } = await graftSucceeds(['run', 'config.yaml', ...set], folder);
  expect(stderr).not.toContain('has not returned');
});
