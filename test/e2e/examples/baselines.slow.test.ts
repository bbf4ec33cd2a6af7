/** The sweep of the paper's baselines, with checkpoints that are trained for one step. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { graftSucceeds, readJson, runFolderOf, write } from '../support/graft';

const folder = temporaryFolder();
const baselines = join(folder, 'baselines');
const TINY = [
  ...['dataset.tokenizer=bytes', 'evaluators.0.dataset.tokenizer=bytes', 'evaluators.0.batches=1'],
  ...['dataset.lengthTokens=64', 'train.precision=float32', 'train.steps=20', 'engine=portable'],
].flatMap((override) => ['--set', override]);

let environment: Record<string, string>;

/** A decoder-only checkpoint. */
async function pretrained(name: string, hidden: number): Promise<string> {
  const config = write(
    join(folder, `${name}.yaml`),
    `name: ${name}
engine: portable
model: { kind: decoder-only, vocabularySize: 320, decoder: { layers: 1, hidden: ${hidden}, feedForward: 32, heads: 2, keyValueHeads: 1 } }
initializer: { use: scratch, std: 0.1 }
objective: causal-lm
dataset: { use: text, files: text.txt, tokenizer: bytes, lengthTokens: 32 }
optimizer: { use: adamw, learningRate: 0.001 }
train: { steps: 1, batchSize: 2 }
`,
  );
  return join(runFolderOf(await graftSucceeds(['run', config], folder)), 'checkpoints', 'step-1');
}

beforeAll(async () => {
  const text = Array.from({ length: 400 }, (_, i) => `sentence ${i} of a text about number ${(i * 37) % 101}\n`);
  write(join(folder, 'text.txt'), text.join(''));
  const pairs = Array.from({ length: 16 }, (_, i) => JSON.stringify({ source: `what is ${i}?`, target: `it is ${i}` }));
  write(join(folder, 'pairs.jsonl'), pairs.join('\n'));
  cpSync(join(ROOT, 'examples', 'baselines'), baselines, { recursive: true });
  const file = join(baselines, 'baselines.yaml');
  write(file, readFileSync(file, 'utf8').replace('seeds: 3', 'seeds: 1'));
  environment = {
    GEMMA: await pretrained('small', 16),
    GEMMA_LARGE: await pretrained('large', 32),
    TEXTS: join(folder, 'text.txt'),
    PAIRS: join(folder, 'pairs.jsonl'),
  };
});

interface Trial {
  readonly arm: string;
  readonly metrics: Readonly<Record<string, number>>;
}

test('every arm trains for as many FLOPs as the adapted one, and is measured on the same targets', async () => {
  const command = ['sweep', join(baselines, 'baselines.yaml'), ...TINY, '--parallel', '2'];
  const { stderr } = await graftSucceeds(command, folder, environment);
  expect(stderr).toContain('11 trials: 11 settings, each with one seed.');
  const { trials } = readJson<{ trials: Trial[] }>(join(folder, 'runs', 'baselines', 'table.json'));
  const byArm = new Map(trials.map(({ arm, metrics }) => [arm, metrics]));
  expect(trials).toHaveLength(11);
  // Every arm predicts the same bytes, whatever its kind.
  expect(new Set(trials.map(({ metrics }) => metrics['heldOut/bytes'])).size).toBe(1);
  expect(byArm.get('adapted')!.steps).toBe(20);
  // From the same sizes; and an arm whose steps cost more has fewer of them.
  expect(byArm.get('scratch')).toMatchObject({ steps: 20, parameters: byArm.get('adapted')!.parameters });
  expect(byArm.get('continued')!.parameters).toBeLessThan(byArm.get('adapted')!.parameters);
  expect(byArm.get('unbalanced, no warm-up')!.steps).toBeLessThan(20);
}, 300_000);

test('arms with other numbers of parameters are refused', async () => {
  const file = join(baselines, 'by-parameters.yaml');
  write(file, readFileSync(join(baselines, 'baselines.yaml'), 'utf8').replace('by: training-flops', 'by: parameters'));
  await expect(graftSucceeds(['sweep', file, ...TINY, '--dry-run'], folder, environment)).rejects.toThrow(
    /not all arms match by parameters within 5 %: "continued" has [\d,]+, "adapted" [\d,]+ \(-\d+\.\d %\)/,
  );
});
