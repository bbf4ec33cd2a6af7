/** Sentinels and mode tokens out of the tokenizer, through the real command: printed, saved, and found again. */
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { readJson, readMetrics, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const UNUSED = 14;

interface Record {
  ul2: { sentinels: [number, number][]; reuse: boolean; modeTokens: { [prefix: string]: number } };
}
const run = async (config: string, ...args: string[]): Promise<{ at: string; log: string; losses: number[] }> => {
  const { stdout, stderr } = await graftSucceeds(['run', config, ...args], folder);
  const at = stdout.trim();
  return { at, log: stderr, losses: readMetrics(at).map(({ loss }) => loss) };
};
const recordAt = (at: string, step: number): Record =>
  readJson<Record>(join(at, 'checkpoints', `step-${step}`, 'graft.json'));

beforeAll(async () => {
  write(
    join(folder, 'a.txt'),
    Array.from({ length: 300 }, (_, i) => `the ${i} old trees and the ${i * 7} birds`).join('\n'),
  );
  await graftSucceeds(
    ['tokenizer', 'train', '--input', 'a.txt', '--vocabulary', '340', '--unused', String(UNUSED), '--out', 'tokens'],
    folder,
  );
  write(
    join(folder, 'base.yaml'),
    `name: base
engine: portable
model: { vocabularySize: 340, decoder: { layers: 1, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1 } }
initializer: { use: scratch, std: 0.1 }
objective: { use: ul2, modeTokens: auto }
dataset: { use: text, files: a.txt, tokenizer: { use: huggingface, path: tokens }, lengthTokens: 32, shuffleWindows: 8 }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 2, batchSize: 2, loader: { threads: 2 } }
evaluators: [{ use: loss, batches: 1, batchSize: 2, dataset: { use: text, files: a.txt, tokenizer: { use: huggingface, path: tokens }, lengthTokens: 32 } }]
runs: ${folder}/runs
`,
  );
});

it('a run takes unused tokens as sentinels, reports and saves them, and finds them after a resume', async () => {
  const first = await run('base.yaml');
  const tokens = JSON.parse(
    (await graftSucceeds(['tokenizer', 'audit', 'tokens', '--sentinels', '--json'], folder)).stdout,
  ) as { tokens: { id: number }[] };
  const ids = tokens.tokens.map(({ id }) => id);
  expect(ids).toHaveLength(UNUSED);
  expect(first.log).toContain(`Sentinels: 11, <unused0> (${ids[0]}) to <unused10> (${ids[10]}).`);
  expect(first.log).toContain(
    `Mode tokens: R <unused11> (${ids[11]}), X <unused12> (${ids[12]}), S <unused13> (${ids[13]}).`,
  );
  const ul2 = { sentinels: [[ids[0], ids[10]]], reuse: false, modeTokens: { R: ids[11], X: ids[12], S: ids[13] } };
  expect(recordAt(first.at, 2)).toEqual({ ul2 });
  // In the loop's own thread as in others, and after a stop.
  expect((await run('base.yaml', '--set', 'train.loader.threads=0')).losses).toEqual(first.losses);
  await run('base.yaml', '--set', 'name=stopped', '--set', 'train.steps=1');
  const resumed = await run('base.yaml', '--set', 'name=stopped', '--resume');
  expect(resumed.losses).toEqual(first.losses);
  expect(resumed.log).toContain('as the checkpoint was trained with (graft.json)');
  expect(resumed.log).not.toContain('does not say');
});

it('a run continues with the sentinels of its checkpoint, and warns if the config contradicts them', async () => {
  const own = [
    '--set',
    'objective.sentinels=["<unused9>","<unused8>","<unused7>","<unused6>","<unused5>","<unused4>","<unused3>"]',
  ];
  const first = await run('base.yaml', '--set', 'name=own', ...own, '--set', 'objective.modeTokens={R: <unused0>}');
  const record = recordAt(first.at, 2);
  expect(record.ul2.sentinels).toHaveLength(1);
  const from = ['--set', 'initializer={use: load, path: runs/own/latest/checkpoints/step-2}', '--set', 'model=null'];
  const second = await run('base.yaml', '--set', 'name=next', ...from, '--set', 'objective.preset=t5gemma2');
  expect(second.log).toMatch(
    /Sentinels: 7, <unused9> \(\d+\) to <unused3> \(\d+\), as the checkpoint was trained with/,
  );
  expect(recordAt(second.at, 2).ul2.sentinels).toEqual(record.ul2.sentinels);
  const third = await run(
    'base.yaml',
    '--set',
    'name=other',
    ...from,
    '--set',
    'objective.sentinels="<unused1*>"',
    '--set',
    'objective.modeTokens={}',
  );
  expect(third.log).toMatch(/objective\.sentinels: the checkpoint was trained with others \(graft\.json: \d+ to \d+\)/);
  expect(third.log).toContain('the checkpoint was trained with mode tokens for R (graft.json)');
});

it('impossible sentinels are refused in one sentence', async () => {
  const refused = async (...settings: string[]): Promise<string> => {
    const { status, stderr } = await graft(['run', 'base.yaml', ...settings.flatMap((one) => ['--set', one])], folder);
    expect(status).toBe(2);
    return stderr;
  };
  expect(await refused('dataset.lengthTokens=96')).toMatch(
    /96 tokens need 16 sentinels: the denoiser with rate 0\.5 and meanSpan 3/,
  );
  expect(await refused('objective.sentinels=["<unused77>"]')).toMatch(/called "<unused77>"; it has 14 unused ones/);
  expect(await refused('dataset.tokenizer=bytes', 'model.vocabularySize=259')).toMatch(
    /leave none of the model's vocabulary of 259/,
  );
  expect(await refused('objective.sentinels={tokens: auto, first: 3}')).toMatch(
    /objective\.sentinels.*either `tokens`/,
  );
});

it('a new run is refused sentinels that occur in text, unless the config allows them', async () => {
  const words = ['--set', 'name=words', '--set', 'objective.sentinels={count: 20}'];
  const { status, stderr } = await graft(['run', 'base.yaml', ...words], folder);
  expect(stderr).toMatch(/2 of the 20 sentinels \(321, 320\) are tokens that text can produce/);
  expect(status).toBe(2);
  const { log } = await run('base.yaml', ...words, '--set', 'objective.allowTextTokens=true');
  expect(log).toMatch(/2 of the 20 sentinels \(321, 320\) are tokens that text can produce/);
});
