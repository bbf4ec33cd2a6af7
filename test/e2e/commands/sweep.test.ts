import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
/** The example with its runs in a folder of its own. */
const folder = temporaryFolder();
const sweeps = join(folder, 'examples', 'sweeps');
const runs = join(sweeps, 'runs', 'learning-rates');
const command = ['sweep', join(sweeps, 'learning-rates.yaml'), '--set', 'train.steps=2'];

interface Table {
  readonly table: readonly { readonly settings: object; readonly metrics: Record<string, object>; best: string[] }[];
  readonly trials: readonly {
    readonly id: string;
    readonly run: string;
    readonly seed: number;
    readonly metrics: Record<string, number>;
  }[];
}

beforeAll(() => {
  cpSync(join(ROOT, 'examples', 'sweeps'), sweeps, { recursive: true, filter: (path) => !path.endsWith('runs') });
  mkdirSync(join(folder, 'docs'));
  // Some of them are held out.
  for (const name of ['batches.md', 'data.md', 'engine.md', 'glossary.md', 'lora.md', 'models.md'])
    cpSync(join(ROOT, 'docs', name), join(folder, 'docs', name));
});

test('a dry run lists the trials, checks their configs and writes nothing', async () => {
  const { stdout } = await graftSucceeds([...command, '--dry-run'], folder);
  expect(stdout.split('\n').slice(2)).toEqual([
    expect.stringMatching(/^[0-9a-f]{16} {2}learningRate=0\.003 seed=0 {2}new +0 of 2$/),
    expect.stringMatching(/^[0-9a-f]{16} {2}learningRate=0\.003 seed=1 {2}new +0 of 2$/),
    expect.stringMatching(/^[0-9a-f]{16} {2}learningRate=0\.03 seed=0 {3}new +0 of 2$/),
    expect.stringMatching(/^[0-9a-f]{16} {2}learningRate=0\.03 seed=1 {3}new +0 of 2$/),
    '',
  ]);
  expect(existsSync(runs)).toBe(false);
});

test('the example runs, prints its table and writes its files; the same command runs nothing again', async () => {
  const first = await graftSucceeds([...command, '--parallel', '2'], folder);
  expect(first.stderr).toContain('4 trials: 2 settings, each with 2 seeds.');
  expect(first.stderr.match(/: finished in \d+\.\d s, heldOut\/loss \d\.\d{3}$/gm)).toHaveLength(4);
  const lines = first.stdout.trimEnd().split('\n');
  expect(lines[0].split(/ {2,}/)).toEqual(['learningRate', 'trials', 'heldOut/loss']);
  expect(lines.slice(2, 4).every((line) => /^0\.\d+ +2 {2}\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]( \*)?$/.test(line))).toBe(
    true,
  );
  expect(lines.slice(2, 4).filter((line) => line.endsWith('*'))).toHaveLength(1);

  const { table, trials } = readJson<Table>(join(runs, 'table.json'));
  expect(table.map(({ settings }) => settings)).toEqual([
    { 'optimizer.learningRate': 0.003 },
    { 'optimizer.learningRate': 0.03 },
  ]);
  expect(table[0].metrics['heldOut/loss']).toMatchObject({ count: 2 });
  expect(trials.map(({ seed }) => seed)).toEqual([0, 1, 0, 1]);
  expect(readFileSync(join(runs, 'trials.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(5);
  expect(readFileSync(join(runs, 'table.csv'), 'utf8')).toMatch(/^optimizer\.learningRate,finished,trials,loss,/);

  const second = await graftSucceeds([...command, '--json'], folder);
  expect(second.stderr.match(/: finished before$/gm)).toHaveLength(4);
  expect(JSON.parse(second.stdout)).toEqual(readJson(join(runs, 'table.json')));
});

test('a sweep of evaluations measures checkpoints without training, and skips what it has measured', async () => {
  const trials = readJson<Table>(join(runs, 'table.json')).trials.filter(({ seed }) => seed === 0);
  const initializers = trials.map(({ run }) => ({ use: 'load', path: join(run, 'checkpoints', 'step-2') }));
  const file = write(
    join(sweeps, 'checkpoints.yaml'),
    JSON.stringify({ config: 'tiny.yaml', evaluate: true, runs: 'measured', grid: { initializer: initializers } }),
  );
  const { stdout } = await graftSucceeds(['sweep', file, '--dry-run'], folder);
  expect(stdout.split('\n')[0].trim().split(/ {2,}/)).toEqual(['trial', 'settings', 'run']);
  await graftSucceeds(['sweep', file], folder);
  const { stderr, stdout: json } = await graftSucceeds(['sweep', file, '--json'], folder);
  expect(stderr.match(/: finished before$/gm)).toHaveLength(2);
  const found = JSON.parse(json) as Table;
  expect(found.trials).toHaveLength(2);
  found.trials.forEach(({ run, metrics }, i) => {
    expect(readJson(join(run, 'run.json'))).toMatchObject({ kind: 'evaluation', checkpointStep: 2 });
    expect(metrics['heldOut/loss']).toBeCloseTo(trials[i].metrics['heldOut/loss'], 5);
  });
});

test('--table shows what is finished and runs nothing', async () => {
  const { stdout, stderr } = await graftSucceeds([...command.slice(0, 2), '--table'], folder);
  expect(stdout).toMatch(/^0\.003 +0 of 2$/m);
  expect(stderr).toBe('');
});

test('a dry run of the config prints it, the first row as text, and FLOPs', async () => {
  const { stdout } = await graftSucceeds(['run', join(sweeps, 'tiny.yaml'), '--dry-run'], folder);
  expect(stdout).toMatch(/^Config: \{\n {2}"name": "tiny",$/m);
  expect(stdout).toMatch(/^ {2}input_ids, first row, 16 tokens: "[^"]{14,16}"$/m);
  expect(stdout).toMatch(/^ {2}decoder_input_ids, first row, 16 tokens: "<bos>[^"]+"$/m);
  expect(stdout).toMatch(/^FLOPs: 62\.9 M for a step like the first, 755 M for 12 steps$/m);
  const check = await graftSucceeds(['config', join(sweeps, 'tiny.yaml'), '--check'], folder);
  expect(check.stdout).toBe('The config of "tiny" is valid.\n');
});

test('graft runs lists, filters, sorts and compares these runs', async () => {
  const listed = async (...options: string[]): Promise<string[]> =>
    (await graftSucceeds(['runs', join(sweeps, 'runs'), ...options], folder)).stdout.trimEnd().split('\n');
  const { trials } = readJson<Table>(join(runs, 'table.json'));
  const all = await listed();
  expect(all[0].split(/ {2,}/)).toEqual(expect.arrayContaining(['run', 'status', 'steps', 'loss', 'heldOut/loss']));
  expect(all).toHaveLength(2 + trials.length);
  const columns = ['--columns', 'optimizer.learningRate,seed,heldOut/loss'];
  const best = await listed('--where', 'seed=1', '--sort', 'heldOut/loss', '--limit', '1', '--csv', ...columns);
  expect(best).toHaveLength(2);
  const losses = trials.filter(({ seed }) => seed === 1).map(({ metrics }) => metrics['heldOut/loss']);
  expect(best[1]).toMatch(/^learning-rates\/[\w-]+,finished,0\.0\d+,1,/);
  expect(Number(best[1].split(',').at(-1))).toBe(Math.min(...losses));
  const compared = await listed('--compare', '--where', 'optimizer.learningRate>=0.01', '--sort', 'seed');
  expect(compared.find((line) => line.startsWith('seed '))?.split(/ {2,}/)).toEqual(['seed', '0', '1']);
  const [one] = JSON.parse((await listed('--json', '--limit', '1')).join('\n')) as { status: string; seed: number }[];
  expect(one).toMatchObject({ status: 'finished', 'train.steps': 2, optimizer: 'adamw' });
});

test('arms whose latencies differ are refused before anything runs', async () => {
  const file = write(
    join(sweeps, 'sizes.yaml'),
    `config: tiny.yaml
list: [{ label: small }, { label: large, set: { model.decoder.layers: 6 } }]
match: { by: latency, sourceTokens: 4, newTokens: 4, tolerance: 0.01 }
`,
  );
  const { status, stderr } = await graft(['sweep', file], folder);
  expect([status, stderr]).toEqual([2, expect.stringMatching(/match by latency within 1 %: "large" has [\d.]+ ms/)]);
  expect(readdirSync(join(sweeps, 'runs', 'sizes')).filter((name) => /^\d/.test(name))).toEqual([]);
  const kept = readJson<Record<string, number>>(join(sweeps, 'runs', 'sizes', 'latencies.json'));
  expect(Object.values(kept).every((seconds) => seconds > 0)).toBe(true);
});

test.each([
  [['runs', 'none'], 'There is no run in none.'],
  [['runs', runs, '--sort', 'learningRate'], 'did you mean "optimizer.learningRate"?'],
  [['runs', sweeps, '--where', 'seed'], '--where seed: expected a key, one of = != < <= > >=, and a value'],
  [['runs', sweeps, '--where', 'status<finished'], '< compares numbers or times, and "finished" is neither'],
  [['runs', sweeps, '--descending'], '--descending belongs to --sort'],
  [['sweep'], "Name the sweep's file, or give --schema."],
  [['sweep', 'none.yaml'], 'none.yaml cannot be read as a config: there is no such file'],
  [['sweep', 'odd.yaml'], 'odd.yaml: gird: unknown key; did you mean "grid"?'],
  [['sweep', 'odd.yaml', '--dry-run', '--table'], 'Give --dry-run or --table, not both.'],
  [['sweep', 'odd.yaml', '--parallel', '0'], 'Expected an integer of at least 1'],
])('%j is refused in a sentence with status 2', async (args, problem) => {
  write(join(folder, 'odd.yaml'), 'gird: {}\nseeds: 1\n');
  const { status, stderr } = await graft(args, folder);
  expect([status, stderr]).toEqual([2, expect.stringContaining(problem)]);
});
