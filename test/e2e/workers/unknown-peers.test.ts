import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import {
  readJson,
  readMetrics,
  runFolderOf,
  startGraft,
  write,
  type Outcome,
  type StartedCommand,
  TINY_MODEL,
} from '../support/graft';
import { sharedProcess } from '../support/shared-process';
import { nativeTest, workerList } from '../support/workers';

const alone = sharedProcess();
const folder = temporaryFolder();
const CANARY = 'canary-of-the-secret-0123456789';
const SECRET = write(join(folder, 'secret'), `${CANARY}\n`);
chmodSync(SECRET, 0o600);

const pairs = (answers: readonly string[]): string =>
  answers.map((answer, i) => JSON.stringify({ question: `colour ${i}?`, answer })).join('\n');
const ANSWERS = ['red', 'blue', 'teal', 'pink', 'grey', 'lime', 'gold', 'navy', 'rust', 'jade'];

// Each worker has files of its own under one name, as on machines of their own.
for (const [name, answers] of [
  ['one', ANSWERS],
  ['two', ANSWERS.map((answer, i) => (i === 5 ? 'plum' : answer))],
] as const) {
  mkdirSync(join(folder, name));
  write(join(folder, name, 'pairs.jsonl'), pairs(answers));
}
const CONFIG = write(
  join(folder, 'config.yaml'),
  `name: refused
${TINY_MODEL}
initializer: { use: scratch, std: 0.1 }
objective: { use: seq2seq, padToMultipleOf: 16 }
dataset: { use: jsonl, files: /proc/self/cwd/pairs.jsonl, source: question, target: answer, tokenizer: bytes, shuffle: false }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 4, batchSize: 4, checkpointEvery: 0, loader: { threads: 0 } }
engine: graph
runs: ${folder}/runs
`,
);

const EXPOSURE =
  "TensorFlow's server, by which workers on several hosts exchange tensors, listens on every interface of this machine and neither encrypts nor asks who is there: whoever reaches its port reads and writes files with the rights of this run.";

const test = nativeTest('runs over several workers');

/** Where a canary stands in what was left on disk. */
function filesWith(text: string, place: string): string[] {
  return readdirSync(place, { recursive: true, encoding: 'utf8' })
    .map((name) => join(place, name))
    .filter((file) => statSync(file).isFile() && readFileSync(file).includes(text));
}

interface Start {
  readonly list: string;
  readonly name: string;
  readonly more?: readonly string[];
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

function worker(rank: number, { list, name, more = [], cwd = 'one', environment = {} }: Start): StartedCommand {
  const place = ['--workers', list, '--rank', String(rank), '--insecure-network', '--set', `name=${name}`];
  const secret = environment.GRAFT_WORKER_SECRET === undefined ? ['--worker-secret-file', SECRET] : [];
  return startGraft(['run', CONFIG, ...place, ...secret, ...more], join(folder, cwd), environment);
}

describe('workers on several hosts', () => {
  const refused = async (args: readonly string[], environment = {}): Promise<string> => {
    const { status, stderr } = await alone.graft(['run', CONFIG, ...args], join(folder, 'one'), environment);
    expect(status).toBe(2);
    expect(stderr).not.toContain(CANARY);
    return stderr;
  };
  const place = ['--workers', 'a:1,b:2', '--rank', '0'];

  it('the workers are refused without --insecure-network, with the exposure and the alternatives', async () => {
    const stderr = await refused([...place, '--worker-secret-file', SECRET]);
    expect(stderr).toContain(`graft: ${EXPOSURE}\n`);
    expect(stderr).toMatch(/docs\/distributed\.md shows, then give --insecure-network .*--local-workers/);
  });

  it('the workers are refused without a proper secret', async () => {
    const insecure = [...place, '--insecure-network'];
    expect(await refused(insecure)).toMatch(/--workers needs a secret .* --worker-secret-file FILE/);
    const open = write(join(folder, 'open'), CANARY);
    chmodSync(open, 0o644);
    expect(await refused([...insecure, '--worker-secret-file', open])).toMatch(
      /others may open it \(its mode is 0644\)/,
    );
    expect(await refused(insecure, { GRAFT_WORKER_SECRET: 'too short' })).toMatch(/has 9 bytes; it needs 16 or more/);
    const twice = await refused([...insecure, '--worker-secret-file', SECRET], { GRAFT_WORKER_SECRET: CANARY });
    expect(twice).toMatch(/is given twice/);
    expect(await refused(['--insecure-network'])).toMatch(/--insecure-network belongs to --workers/);
    const local = await refused(['--local-workers', '2', '--worker-secret-file', SECRET]);
    expect(local).toMatch(/--worker-secret-file belongs to --workers/);
  });

  test('each worker warns once about the exposure, and the secret appears nowhere', async () => {
    const list = await workerList(2);
    const zero = worker(0, { list, name: 'told', environment: { GRAFT_WORKER_SECRET: `${CANARY}\n` } });
    const one = worker(1, { list, name: 'told' });
    const outcomes = await Promise.all([zero.done, one.done]);
    for (const { status, stdout, stderr } of outcomes) {
      expect({ status, stderr }).toMatchObject({ status: 0 });
      expect(stderr.split(EXPOSURE)).toHaveLength(2);
      expect(stdout + stderr).not.toContain(CANARY);
    }
    expect(filesWith(CANARY, join(folder, 'runs'))).toEqual([]);
    expect(readMetrics(runFolderOf(outcomes[0]))).toHaveLength(4);
  });

  test('a worker with another secret ends with a sentence, and worker 0 reports it', async () => {
    const list = await workerList(2);
    const zero = worker(0, { list, name: 'other-secret', more: ['--worker-timeout', '5'] });
    const environment = { GRAFT_WORKER_SECRET: 'another secret, as long' };
    const one = await worker(1, { list, name: 'other-secret', environment }).done;
    expect(one.stderr).toContain(`graft: Worker 0 (${list.split(',')[0]}) has another secret than this worker.\n`);
    expect(one.status).toBe(2);
    const { status, stderr } = await zero.done;
    expect(stderr).toMatch(/Worker 1 .* did not come within 5 s\.\nSomebody came once with another secret/);
    expect(status).toBe(1);
  });

  test('workers whose files differ stop before they use the differing data', async () => {
    const list = await workerList(2);
    const [zero, one] = [
      worker(0, { list, name: 'other-data', cwd: 'one' }),
      worker(1, { list, name: 'other-data', cwd: 'two' }),
    ];
    for (const { status, stderr } of await Promise.all([zero.done, one.done])) {
      expect(stderr).toMatch(
        /graft: Workers 0 \(\S+\) and 1 \(\S+\) read different data for step 2: item 2 of the batch of dataset "@graft\/text\/jsonl" is not the same\.\nTheir files have the same names and sizes/,
      );
      expect(status).toBe(1);
    }
    const run = realpathSync(join(folder, 'runs', 'other-data', 'latest'));
    expect(readMetrics(run).map(({ step }) => step)).toEqual([1]);
    expect(readJson(join(run, 'run.json'))).toMatchObject({ status: 'failed' });
  });
});

describe('unknown connections', () => {
  const JUNK = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    '{"t":"hello","rank":1,"workers":["a:1","b:2"],"versions":{},"dataPort":1}\n',
    '{"t":"fail","reason":"A stranger says so."}\n{"t":"leave"}\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'x'.repeat(1 << 20),
    '',
  ];

  function unknownPeers(port: number, count: number): Socket[] {
    return Array.from({ length: count }, (_, i) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(JUNK[i % JUNK.length], 'latin1'));
      return socket.on('error', () => undefined);
    });
  }

  /** The command lines of a process's children. */
  async function commandsOfChildren(pid: number): Promise<string[][]> {
    for (let waited = 0; waited < 600; waited++) {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
      const commands = children.map((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0'));
      const workers = commands.filter((command) => command.includes('--workers'));
      if (workers.length > 0) return workers;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('No worker was started.');
  }

  test('unknown connections neither end nor delay --local-workers, before and during training', async () => {
    const set = ['--set', 'name=attacked', '--set', 'train.steps=400'];
    const { child, done } = startGraft(['run', CONFIG, '--local-workers', '2', ...set], join(folder, 'one'));
    let sockets: Socket[] = [];
    let over = false;
    const outcome: Promise<Outcome> = done.finally(() => (over = true));
    const [command] = await commandsOfChildren(child.pid!);
    // The secret is not on the command line: nothing there is as long.
    expect(command.filter((word) => /^[0-9a-f]{32,}$/i.test(word))).toEqual([]);
    const port = Number(command[command.indexOf('--workers') + 1].split(',')[0].split(':')[1]);
    while (!over) {
      for (const socket of sockets) socket.destroy();
      sockets = unknownPeers(port, 500);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    for (const socket of sockets) socket.destroy();
    const { status, stderr } = await outcome;
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const run = join(folder, 'runs', 'attacked', 'latest');
    expect(existsSync(run)).toBe(true);
    expect(readMetrics(realpathSync(run))).toHaveLength(400);
  });
});
