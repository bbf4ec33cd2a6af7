import { findNativeLibrary } from '@graft/engine';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { readJson, write } from '../support/graft';

const folder = temporaryFolder();
const BINARY = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');

/** Attention over this many tokens would take some 70 GB; the limit on addresses keeps the system from promising it. */
const config = (engine: string): string => `name: ${engine}
model:
  vocabularySize: 259
  encoder: { layers: 1, hidden: 16, feedForward: 16, heads: 4 }
  decoder: { layers: 1, hidden: 16, feedForward: 16, heads: 4 }
initializer: { use: scratch }
objective: { use: prefix-lm }
dataset: { use: text, files: text.txt, tokenizer: bytes, lengthTokens: 4096 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 1, batchSize: 1024, loader: { threads: 0 } }
engine: ${engine}
`;

it('a step that does not fit is predicted by a warning, and its error suggests what to lower', async () => {
  const engine = 'xla';
  if (!(await findNativeLibrary())) return;
  write(join(folder, 'text.txt'), 'all work and no play. '.repeat(80_000));
  const file = write(join(folder, `${engine}.yaml`), config(engine));
  const limited = `ulimit -v 60000000; exec "$0" "$@"`;
  const { status, stdout, stderr } = spawnSync('sh', ['-c', limited, process.execPath, BINARY, 'run', file], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/WARN: A step needs about [\d.]+ GiB of memory for gradients and activations/);
  expect(stderr).toMatch(/^graft: Memory ran out at step 1: .*Its batch is input_ids \[1024, 2048\]/m);
  expect(stderr).toMatch(/^Lower train\.batchSize \(now 1024\), raise train\.microBatches \(now 1\)/m);
  expect(stderr).not.toMatch(/^ +at /m);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(readJson(join(folder, 'runs', engine, 'latest', 'run.json'))).toMatchObject({ status: 'failed', steps: 0 });
});
