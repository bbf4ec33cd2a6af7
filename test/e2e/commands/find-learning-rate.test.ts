import type { LearningRateRange } from '@graft/core';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const rows = Array.from({ length: 8 }, (_, i) => JSON.stringify({ text: `row ${i} of eight` }));
write(join(folder, 'texts.jsonl'), rows.join('\n'));
const config = write(
  join(folder, 'config.yaml'),
  `name: range
engine: portable
model: { kind: decoder-only, vocabularySize: 259, decoder: { layers: 1, hidden: 16, feedForward: 32, heads: 2, keyValueHeads: 1, slidingWindow: 32 } }
initializer: { use: scratch, std: 0.1 }
objective: causal-lm
dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 2, batchSize: 4 }
`,
);

test('find-lr prints how the loss follows the learning rate, and writes nothing', async () => {
  const range = ['find-lr', config, '--from', '1e-4', '--to', '1e-1', '--steps', '12'];
  const { stdout } = await graftSucceeds(range, folder);
  const lines = stdout.trimEnd().split('\n');
  expect(lines[0].trim().split(/\s{2,}/)).toEqual(['learning rate', 'loss', 'smoothed']);
  expect(lines).toHaveLength(15);
  expect(lines[1]).toMatch(/^\s+1\.00e-4\s+\d\.\d{4}\s+\d\.\d{4}$/);
  expect(lines.at(-2)).toMatch(
    /^The smoothed loss fell fastest at \d\.\d\de-\d, and was lowest at \d\.\d\de-\d, a tenth of which is/,
  );
  expect(lines.at(-1)).toMatch(/^The loss still fell where the range ended: /);
  const { points, ended } = JSON.parse((await graftSucceeds([...range, '--json'], folder)).stdout) as LearningRateRange;
  expect([ended, points.length, points[0].learningRate]).toEqual(['finished', 12, expect.closeTo(1e-4, 12)]);
  expect(existsSync(join(folder, 'runs'))).toBe(false);
});

test('a range that does not rise is an error', async () => {
  const { status, stderr } = await graft(['find-lr', config, '--from', '1', '--to', '0.1'], folder);
  expect([status, stderr]).toEqual([
    2,
    expect.stringContaining('The range of learning rates goes from 1 to 0.1, but must rise from a number above 0.'),
  ]);
});
