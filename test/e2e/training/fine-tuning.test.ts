import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, readMetrics, runFolderOf, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const WORDS = ['red', 'blue', 'green', 'black', 'white', 'brown'];

/** Questions with one right answer each, which a tiny model learns by heart. */
const conversations = WORDS.map((word, i) => ({
  messages: [
    { role: 'user', content: `colour ${i}?` },
    { role: 'assistant', content: word },
    { role: 'user', content: 'again?' },
    { role: 'assistant', content: word },
  ],
}));
const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

/** An unbalanced pair with room for the byte tokenizer, made from scratch: cross-attention is warmed up. */
function config(name: string, dataset: string): string {
  return write(
    join(folder, `${name}.yaml`),
    `name: ${name}
engine: graph
model:
  kind: encoder-decoder
  vocabularySize: 259
  encoder: { layers: 2, hidden: 48, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }
  decoder: { layers: 1, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }
initializer: { use: scratch, std: 0.1 }
objective: seq2seq
dataset: ${dataset}
optimizer: { use: adamw, learningRate: 0.01, clipNorm: 1 }
train: { steps: 60, batchSize: 6, crossAttentionWarmupSteps: 5 }
runs: ${folder}/runs
`,
  );
}

test.each([
  ['chat', 'chat.jsonl', lines(conversations), '{ use: chat, files: chat.jsonl, answers: every, tokenizer: bytes }'],
  [
    'pairs',
    'pairs.jsonl',
    lines(WORDS.map((answer, i) => ({ question: `colour ${i}?`, answer }))),
    '{ use: jsonl, files: pairs.jsonl, source: question, target: answer, tokenizer: bytes }',
  ],
])('an unbalanced pair learns the answers of the data %s', async (name, file, data, dataset) => {
  write(join(folder, file), data);
  const outcome = await graftSucceeds(['run', config(name, dataset)], folder);
  const metrics = readMetrics(runFolderOf(outcome));
  expect(metrics).toHaveLength(60);
  // Counted are the answers' tokens alone: the words, their end of turn and the end of sequence.
  const [first] = metrics as unknown as { targetTokens: number }[];
  expect(first.targetTokens).toBeLessThanOrEqual(6 * ('<end_of_turn>'.length + 'green'.length + 1));
  const loss = (from: number, to?: number): number => {
    const own = metrics.slice(from, to);
    return own.reduce((sum, line) => sum + line.loss, 0) / own.length;
  };
  expect(loss(-5)).toBeLessThan(0.5 * loss(0, 5));
});

test('a warm-up is refused in one sentence for a model without cross-attention', async () => {
  const file = write(
    join(folder, 'decoder-only.yaml'),
    `name: decoder-only
engine: graph
initializer: { use: load, path: ${fixture('gemma2-tiny')} }
objective: causal-lm
dataset: { use: text, files: chat.jsonl, tokenizer: { use: bytes, vocabularySize: 259 }, lengthTokens: 16 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 2, batchSize: 2, crossAttentionWarmupSteps: 1 }
`,
  );
  const { status, stderr } = await graft(['run', file], folder);
  expect(stderr).toMatch(
    /train\.crossAttentionWarmupSteps trains cross-attention alone, and this model \(decoder-only\) has none\./,
  );
  expect(status).toBe(2);
});
