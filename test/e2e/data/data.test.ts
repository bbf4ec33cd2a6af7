/** Gzip and Parquet through the real command, in threads, stopped and resumed. */
import { parquetWriteBuffer } from 'hyparquet-writer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT, temporaryFolder } from '../../support';
import { readMetrics, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const home = temporaryFolder();
const rows = Array.from({ length: 60 }, (_, i) => ({
  question: `What is ${i} and ${i * 7}?`,
  answer: `${i * 8}${'!'.repeat(i % 5)}`,
}));
const lines = rows.map((row) => JSON.stringify(row)).join('\n');
writeFileSync(join(home, 'pairs.jsonl.gz'), gzipSync(lines));
writeFileSync(
  join(home, 'pairs.parquet'),
  Buffer.from(
    parquetWriteBuffer({
      rowGroupSize: 16,
      columnData: [
        { name: 'question', data: rows.map(({ question }) => question), type: 'STRING' },
        { name: 'answer', data: rows.map(({ answer }) => answer), type: 'STRING' },
      ],
    }),
  ),
);
write(
  join(home, 'base.yaml'),
  `
name: packed
model: { vocabularySize: 300, decoder: { layers: 1, hidden: 16, feedForward: 24, heads: 2, keyValueHeads: 1 } }
engine: portable
initializer: { use: scratch, std: 0.1 }
objective: seq2seq
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 4, batchSize: 2, logEvery: 1 }
`,
);
const dataset = (use: string, file: string): string =>
  `{ use: ${use}, files: ${file}, tokenizer: bytes, source: question, target: answer, shuffleRows: 20, pack: { sourceTokens: 64, targetTokens: 32, rows: 4 } }`;
write(join(home, 'gzip.yaml'), `extends: base.yaml\ndataset: ${dataset('jsonl', 'pairs.jsonl.gz')}\n`);
write(join(home, 'parquet.yaml'), `extends: base.yaml\ndataset: ${dataset('parquet', 'pairs.parquet')}\n`);

const run = async (...args: string[]): Promise<number[]> => {
  const { stdout } = await graftSucceeds(['run', ...args], home);
  const metrics = readMetrics(stdout.trim());
  for (const { waitShare } of metrics as unknown as { waitShare: number }[]) {
    expect(waitShare).toBeGreaterThanOrEqual(0);
    expect(waitShare).toBeLessThanOrEqual(1);
  }
  return metrics.map(({ loss }) => loss);
};

it.each(['gzip.yaml', 'parquet.yaml'])('a run on packed pairs resumes to the same losses: %s', async (config) => {
  const whole = await run(config, '--set', 'train.loader.threads=0');
  expect(whole).toHaveLength(4);
  expect(await run(config, '--set', 'train.loader.threads=2')).toEqual(whole);
  await run(config, '--set', 'train.steps=2', '--set', 'name=stopped');
  expect(await run(config, '--set', 'name=stopped', '--set', 'train.loader.threads=0', '--resume')).toEqual(whole);
});

it('problems of the data are reported in one sentence', async () => {
  const wrong = await graft(['run', 'parquet.yaml', '--set', 'dataset.target=anser'], home);
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatch(
    /pairs\.parquet has no column "anser"; it has question, answer; did you mean "answer"\?/,
  );
  writeFileSync(join(home, 'cut.jsonl.gz'), gzipSync(lines).subarray(0, 100));
  const cut = await graft(['run', 'gzip.yaml', '--set', `dataset.files=${join(home, 'cut.jsonl.gz')}`], home);
  expect(cut.status).toBe(1);
  expect(cut.stderr).toMatch(/cut\.jsonl\.gz cannot be read: its gzip data end too early/);
  const unsuited = await graft(['run', 'gzip.yaml', '--set', 'objective=ul2', '--set', 'dataset.pack=null'], home);
  expect(unsuited.status).toBe(2);
});

it('segments are refused by an objective that would mix them', async () => {
  writeFileSync(join(home, 'text.txt'), 'one\n\ntwo\n\n'.repeat(200));
  const text =
    '{ use: text, files: text.txt, tokenizer: bytes, lengthTokens: 16, separator: "\\n\\n", segments: true }';
  write(join(home, 'text.yaml'), `extends: base.yaml\nname: text\ndataset: ${text}\nobjective: prefix-lm\n`);
  expect(await run('text.yaml')).toHaveLength(4);
  expect(await run('text.yaml', '--set', 'objective=ul2', '--set', 'name=ul2')).toHaveLength(4);
  write(
    join(home, 'mixing.mjs'),
    `import { createRequire } from 'node:module';
     const { z } = createRequire(${JSON.stringify(join(ROOT, 'package.json'))})('zod');
     const tokens = { name: 'tokens', dtype: 'int32', rank: 1 };
     const none = () => ({});
     const useFactory = () => ({ modelKind: 'encoder-decoder', batchFields: [], inputFields: () => [tokens], prepare: none, loss: none });
     const mixing = { interface: 'objective', id: 'mixing', description: '', options: z.object({}), useFactory };
     export default { name: 'mixing', components: [mixing] };`,
  );
  const mixing = ['--set', 'plugins=["./mixing.mjs"]', '--set', 'objective=mixing'];
  const { status, stderr } = await graft(['run', 'text.yaml', ...mixing], home);
  expect(status).toBe(2);
  expect(stderr).toMatch(/dataset "text" gives the field "segments".*but objective "mixing" does not take it/s);
});
