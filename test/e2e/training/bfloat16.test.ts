import { CheckpointReader } from '@graft/checkpoint';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, readJson, runFolderOf, trajectoryConfig, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const SAVING = ['--set', 'train.parameterDtype=bfloat16', '--set', 'optimizer.moments=int8'];
const NONE = ['--set', 'train.masterWeights=none'];
const last = (run: string): string => join(run, 'checkpoints', 'step-6');
let config: string;
/** A run with bfloat16 parameters, float32 masters and 8-bit moments. */
let narrow: string;

async function train(name: string, ...settings: string[]): Promise<string> {
  return runFolderOf(await graftSucceeds(['run', config, '--set', `name=${name}`, ...settings], folder));
}

beforeAll(async () => {
  const text = trajectoryConfig(
    `runs: ${folder}/runs\nengine: portable\nevaluators: [{ use: loss, dataset: { use: tensors, file: ${fixture('train-trajectory', 'batches.safetensors')} }, batches: 2 }]\n`,
  ).replace(/train: .*/, 'train: { steps: 6, checkpointEvery: 2, keepCheckpoints: 3 }');
  config = write(join(folder, 'run.yaml'), text);
  narrow = await train('narrow', ...SAVING);
});

const losses = (run: string): number[] => {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
};

test('a Gemma with bfloat16 parameters and 8-bit moments trains like one in float32, and everything reads its checkpoint', async () => {
  const plain = losses(await train('plain'));
  losses(narrow).forEach((loss, i) => expect(Math.abs(loss - plain[i]) / plain[i]).toBeLessThan(0.01));

  const reader = await CheckpointReader.open(last(narrow));
  const dtypes = [...reader.tensors.values()].map(
    ({ shape, dtype }) => `${shape.length === 2 ? 'matrix' : 'vector'} ${dtype}`,
  );
  await reader.close();
  expect([...new Set(dtypes)].sort()).toEqual(['matrix BF16', 'vector F32']);
  expect(readJson(join(last(narrow), 'config.json'))).toMatchObject({ dtype: 'bfloat16' });
  const evaluated = await graftSucceeds(
    ['evaluate', config, '--checkpoint', last(narrow), '--set', 'name=again'],
    folder,
  );
  type Records = { metrics: { loss: number } }[];
  const [inRun] = readJson(join(narrow, 'evaluations.json')) as Records;
  const [again] = readJson(join(runFolderOf(evaluated), 'evaluations.json')) as Records;
  expect(again.metrics).toEqual(inRun.metrics);
  await graftSucceeds(['average', '--run', narrow, '--last', '2', '--out', join(folder, 'mean')], folder);
  expect(existsSync(join(folder, 'mean', 'model.safetensors'))).toBe(true);
});

test('without masters an optimizer file is less than half as large, and a stopped run resumes to the same losses', async () => {
  const run = await train('none', ...SAVING, ...NONE);
  const sizeOf = (path: string): number => statSync(join(last(path), 'optimizer.safetensors')).size;
  expect(sizeOf(run)).toBeLessThan(sizeOf(narrow) / 2);
  const half = await train('half', ...SAVING, ...NONE, '--set', 'train.steps=4');
  await graftSucceeds(
    ['run', config, '--set', 'name=half', ...SAVING, ...NONE, '--resume', half.split('/').at(-1)!],
    folder,
  );
  expect(losses(half)).toEqual(losses(run));
});

test('a dry run prints the batch and the memory, and leaves no folder', async () => {
  const { stdout } = await graftSucceeds(['run', config, '--dry-run', '--set', 'name=dry', ...SAVING], folder);
  const written = stdout.slice('Config: '.length, stdout.indexOf('\nModel: '));
  expect(JSON.parse(written)).toMatchObject({ name: 'dry', train: { parameterDtype: 'bfloat16' } });
  expect(stdout).toMatch(/^FLOPs: [\d.]+ [kMG] for a step like the first, [\d.]+ [kMGT] for \d+ steps$/m);
  expect(stdout).toMatch(/^Model: encoder-decoder, [\d,]+ parameters$/m);
  expect(stdout).toMatch(/^First batch: input_ids \[\d+, \d+\]/m);
  expect(stdout).toMatch(/^Device: cpu$/m);
  const mesh = ['engine=pjrt', 'engine.plugin=xla_cuda_plugin.so', 'train.mesh={ data: 2, model: 2 }'];
  const onMesh = [...SAVING, ...mesh.flatMap((setting) => ['--set', setting])];
  expect((await graftSucceeds(['run', config, '--dry-run', ...onMesh], folder)).stdout).toMatch(
    /^Devices: 4 of cuda, \{ data: 2, model: 2 \}, each with 1 of 2 parts of a batch$/m,
  );
  expect(stdout).toMatch(/^optimizer state +0\.00 GiB {2}adamw, int8$/m);
  expect(stdout).toMatch(/^total +0\.0\d GiB$/m);
  expect(existsSync(join(folder, 'runs', 'dry'))).toBe(false);
  expect(await graft(['run', config, '--dry-run', '--resume'], folder)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--dry-run looks at what a new run would do') as string,
  });
});
