/** The policy for special tokens, as a user of the command line meets it. */
import { readHostTensors, writeHostTensors } from '@graft/checkpoint';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '../../support';
import { makeOld } from '../../../packages/core/test/old-snapshots';
import { readJson, readMetrics, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const texts = Array.from({ length: 8 }, (_, i) => ({
  text: `line ${i} of a text`,
  question: `q${i}`,
  answer: `a${i}`,
}));
write(join(folder, 'texts.jsonl'), texts.map((line) => JSON.stringify(line)).join('\n'));

const SIZE = '{ layers: 1, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }';
const config = write(
  join(folder, 'lm.yaml'),
  `name: lm
engine: portable
model: { kind: decoder-only, vocabularySize: 259, decoder: ${SIZE} }
initializer: { use: scratch, std: 0.1 }
objective: causal-lm
dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 2, batchSize: 2, loader: { threads: 0 } }
runs: runs
`,
);
const READS = 'Special tokens: BOS 2 in front of every sequence; end 1, pad 0';
const READS_NONE = 'Special tokens: no BOS; end 1, pad 0';

interface Ran {
  readonly run: string;
  readonly stderr: string;
}
const train = async (...set: string[]): Promise<Ran> => {
  const outcome = await graftSucceeds(['run', config, ...set.flatMap((one) => ['--set', one])], folder);
  return { run: runFolderOf(outcome), stderr: outcome.stderr };
};
const checkpoint = (run: string, step = 2): string => join(run, 'checkpoints', `step-${step}`);
const policyOf = (path: string): unknown =>
  readJson<{ special_token_policy: unknown }>(join(path, 'config.json')).special_token_policy;

let reads: Ran;
let readsNone: Ran;
beforeAll(async () => {
  reads = await train();
  readsNone = await train('name=none', 'specialTokens.bos=false');
});

test('a run prints its policy, trains by it and saves it', () => {
  expect(reads.stderr).toContain(READS);
  expect(readsNone.stderr).toContain(READS_NONE);
  expect(policyOf(checkpoint(reads.run))).toEqual({ decoder: { bos: true, eos: 'auto' } });
  expect(policyOf(checkpoint(readsNone.run))).toEqual({ decoder: { bos: false, eos: 'auto' } });
  const targets = ({ run }: Ran): number[] =>
    readMetrics(run).map((line) => (line as unknown as { targetTokens: number }).targetTokens);
  // Behind a start token the first of each two texts' tokens is predicted too.
  expect(targets(reads)).toEqual(targets(readsNone).map((count) => count + 2));
});

test('a checkpoint is read by the policy of its training, unless the config sets another', async () => {
  const { run } = readsNone;
  const again = [`initializer={ use: load, path: ${checkpoint(run)} }`, 'name=again', 'model={}'];
  const inherited = await train(...again);
  expect(inherited.stderr).toContain(READS_NONE);
  expect(policyOf(checkpoint(inherited.run))).toEqual({ decoder: { bos: false, eos: 'auto' } });
  expect((await train(...again, 'specialTokens.decoder.bos=auto')).stderr).toContain(READS);
});

test('embed and generate read texts by the policy of the checkpoint, unless --bos overrides it', async () => {
  const model = checkpoint(reads.run);
  const file = write(join(folder, 'one.txt'), 'ab\n');
  const [out, ids] = [join(folder, 'out.safetensors'), join(folder, 'ids.safetensors')];
  const embedded = async (...args: string[]): Promise<number[]> => {
    await graftSucceeds(['embed', '--engine', 'portable', '--output', out, ...args], folder);
    return [...(await readHostTensors(out)).embeddings.values];
  };
  const ofIds = async (...values: number[]): Promise<number[]> => {
    const input_ids = { dtype: 'int32' as const, shape: [1, values.length], values: Int32Array.from(values) };
    await writeHostTensors(ids, { input_ids });
    return embedded('--model', model, '--inputs', ids);
  };
  const texts_ = ['--texts', file, '--tokenizer', 'bytes'];
  const close = (a: number[], b: number[]): void => expect(worstDifference(a, b)).toBeLessThan(5e-6);
  const [with_, without] = [await ofIds(2, 100, 101), await ofIds(100, 101)];
  close(await embedded('--model', model, ...texts_), with_);
  close(await embedded('--model', model, ...texts_, '--bos', 'false'), without);
  expect(worstDifference(with_, without)).toBeGreaterThan(1e-3);
  // The checkpoint that was trained without reads without.
  const prompt = ['--prompt', 'ab', '--tokenizer', 'bytes', '--max-new-tokens', '2', '--engine', 'portable'];
  const policyOf = async (run: string): Promise<string> =>
    (await graftSucceeds(['generate', '--model', checkpoint(run), ...prompt], folder)).stderr;
  expect(await policyOf(reads.run)).toContain(READS);
  expect(await policyOf(readsNone.run)).toContain(READS_NONE);
  const wrong = await graft(['generate', '--model', model, ...prompt, '--bos', 'perhaps'], folder);
  expect(wrong).toMatchObject({ status: 2 });
  expect(wrong.stderr).toContain('Expected auto, true or false.');
});

test('a run from before the policy resumes to the losses that it would have had', async () => {
  const whole = readMetrics((await train('name=whole', 'specialTokens.bos=false', 'train.steps=4')).run);
  const { run } = await train('name=earlier', 'specialTokens.bos=false');
  // What an earlier version left: no policy, neither in the config nor with the checkpoint.
  const edit = (file: string, key: string): void => {
    const text = readFileSync(file, 'utf8');
    const { [key]: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify(rest).padEnd(text.length));
  };
  edit(join(run, 'config.json'), 'specialTokens');
  edit(join(checkpoint(run), 'config.json'), 'special_token_policy');
  makeOld(checkpoint(run));
  const set = ['--set', 'name=earlier', '--set', 'train.steps=4'];
  const { stderr } = await graftSucceeds(['run', config, ...set, '--resume', run.split('/').pop()!], folder);
  expect(stderr).toContain('This run began before there was a policy for special tokens');
  expect(readMetrics(run).map(({ loss }) => loss)).toEqual(whole.map(({ loss }) => loss));
  expect(policyOf(checkpoint(run, 4))).toEqual({ decoder: { bos: false, eos: 'auto' }, teacher: { bos: false } });
});

test('a teacher reads a start token, and a cache of one that did not is refused', async () => {
  const student = [
    'name=student',
    'model.kind=encoder-decoder',
    `objective={ use: prefix-lm, distillation: { cache: ${folder}/cache } }`,
  ].flatMap((one) => ['--set', one]);
  const cache = ['teacher', 'cache', config, ...student, '--teacher', checkpoint(reads.run)];
  const made = await graftSucceeds(cache, folder);
  expect(made.stderr).toContain('; the teacher reads BOS 2');
  await graftSucceeds(['run', config, ...student], folder);
  const none = await graft(['run', config, ...student, '--set', 'specialTokens.teacher.bos=false'], folder);
  expect(none.status).toBe(2);
  expect(none.stderr).toMatch(
    /is of a teacher that read a start token \(BOS\) in front of each sequence; this one is to read none\./,
  );
  // As caches were before.
  const index = join(folder, 'cache', 'index.json');
  const { bos, ...earlier } = readJson<Record<string, unknown>>(index);
  expect(bos).toBe(true);
  writeFileSync(index, JSON.stringify(earlier));
  for (const args of [['run', config, ...student], cache])
    expect((await graft(args, folder)).stderr).toMatch(/is of a teacher that read no start token \(BOS\)/);
  await graftSucceeds(['run', config, ...student, '--set', 'specialTokens.teacher.bos=false'], folder);
  expect(readdirSync(join(folder, 'cache'))).toContain('index.json');
});

test('a tokenizer with other special tokens is reported', async () => {
  const { stderr } = await train('name=clash', 'model.bosTokenId=5', 'model.eosTokenId=[9, 10]');
  expect(stderr).toContain(
    "The tokenizer's special tokens are not the model's, which count: BOS 2, not 5; EOS 1, not 9 or 10.",
  );
});
