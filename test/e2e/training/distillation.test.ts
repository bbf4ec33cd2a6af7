import { TeacherCache } from '@graft/objectives';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder, worstDifference } from '../../support';
import { readJson, readMetrics, runFolderOf, write, type MetricsLine } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();
const WORDS = ['red', 'blue', 'green', 'black', 'white', 'brown'];
const lines = Array.from({ length: 10 }, (_, i) => ({
  text: `${WORDS[i % 6]} and ${WORDS[(i * 5 + 1) % 6]} make ${i}`,
}));
write(join(folder, 'texts.jsonl'), lines.map((line) => JSON.stringify(line)).join('\n'));

const SIZE = '{ layers: 1, hidden: 32, feedForward: 64, heads: 2, keyValueHeads: 1, slidingWindow: 32 }';
function config(name: string, kind: string, objective: string, more = ''): string {
  return write(
    join(folder, `${name}.yaml`),
    `name: ${name}
engine: portable
model: { kind: ${kind}, vocabularySize: 259, decoder: ${SIZE} }
initializer: { use: scratch, std: 0.1 }
objective: ${objective}
dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes }
optimizer: { use: adamw, learningRate: 0.01 }
train: { steps: 6, batchSize: 4, loader: { threads: 0 } }
runs: ${folder}/runs
${more}`,
  );
}

type Line = MetricsLine & { readonly crossEntropy: number; readonly divergence: number };
const run = async (file: string, ...set: string[]): Promise<{ folder: string; metrics: Line[] }> => {
  const args = set.flatMap((one) => ['--set', one]);
  const where = runFolderOf(await graftSucceeds(['run', file, ...args], folder));
  return { folder: where, metrics: readMetrics(where) as Line[] };
};

let teacher: string;
let inStep: Line[];
const student = config(
  'student',
  'encoder-decoder',
  '{ use: prefix-lm, distillation: { cache: cache, alpha: 0.4, temperature: 2 } }',
  `evaluators: [{ use: loss, batches: 2, dataset: { use: jsonl, files: texts.jsonl, tokenizer: bytes } }]\n`,
);
const exact = ['--top-k', '259', '--dtype', 'float32'];

beforeAll(async () => {
  teacher = join((await run(config('teacher', 'decoder-only', 'causal-lm'))).folder, 'checkpoints', 'step-6');
  const taught = `{ use: prefix-lm, distillation: { teacher: ${teacher}, alpha: 0.4, temperature: 2 } }`;
  inStep = (await run(config('in-step', 'encoder-decoder', taught), 'engine=graph')).metrics;
});

test("a cache of all tokens gives the teacher's own losses and gradients, and nothing is computed twice", async () => {
  const cached = ['teacher', 'cache', student, '--teacher', teacher, ...exact, '--set', 'engine=graph'];
  // In two parts, as after an interruption.
  const first = await graftSucceeds([...cached, '--steps', '1'], folder);
  expect(first.stdout.trim()).toBe(join(folder, 'cache'));
  expect(first.stderr).toContain('4 sequences (4 new)');
  expect((await graftSucceeds(cached, folder)).stderr).toContain('10 sequences (6 new)');
  expect((await graftSucceeds(cached, folder)).stderr).toContain('10 sequences (0 new)');
  const visible = readdirSync(join(folder, 'cache')).filter((name) => !name.startsWith('.'));
  expect(visible.sort()).toEqual(['index.json', 'shard-00000.safetensors', 'shard-00001.safetensors']);
  const fromCache = await run(student, 'engine=graph');
  fromCache.metrics.forEach((line, i) => {
    const other = inStep[i];
    for (const name of ['loss', 'crossEntropy', 'divergence', 'gradNorm'] as const)
      expect(Math.abs(line[name] / other[name] - 1)).toBeLessThan(2e-5);
  });
  // An evaluation is of the cross-entropy, without a teacher.
  const [{ loss, perplexity }] = readJson<Record<string, number>[]>(join(fromCache.folder, 'evaluations.json')).map(
    (record) => (record as unknown as { metrics: Record<string, number> }).metrics,
  );
  expect(perplexity).toBeCloseTo(Math.exp(loss), 6);
});

test('a cache of few tokens gives a smaller divergence', async () => {
  const small = ['--set', 'objective.distillation.cache=small'];
  await graftSucceeds(['teacher', 'cache', student, '--teacher', teacher, '--top-k', '8', ...small], folder);
  const { metrics } = await run(student, 'objective.distillation.cache=small');
  const [whole] = inStep;
  expect(metrics[0].crossEntropy).toBeCloseTo(whole.crossEntropy, 5);
  expect(metrics[0].divergence).toBeLessThan(whole.divergence);
  expect(metrics[0].divergence).toBeGreaterThan(0);
});

test.each<[string, () => string[], RegExp]>([
  [
    'another temperature',
    () => ['run', student, '--set', 'objective.distillation.temperature=1'],
    /cache .*cache is of temperature 2, but distillation\.temperature is 1\./,
  ],
  [
    'another k',
    () => ['teacher', 'cache', student, '--teacher', teacher, '--top-k', '5'],
    /cache is of topK 259, not 5\./,
  ],
  [
    'sequences that the cache does not contain',
    () => ['run', student, '--set', 'objective.split=random'],
    /The batch for step 1: Row \d of the batch is none of the 10 sequences in the teacher's cache .*\n.*graft teacher cache/,
  ],
  [
    'a missing cache',
    () => ['run', student, '--set', 'objective.distillation.cache=nowhere'],
    /nowhere holds no teacher's cache/,
  ],
  ['a missing teacher', () => ['teacher', 'cache', student], /Neither the config nor the command names a teacher\./],
  [
    'a student of another vocabulary',
    () => ['run', student, '--set', 'model.vocabularySize=300'],
    /is of a vocabulary of 259 tokens, the student has 300/,
  ],
])('the command is refused because of %s', async (_, args, message) => {
  const { status, stderr } = await graft(args(), folder);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});

test('another teacher is refused for adding to a cache and for learning from it', async () => {
  const other = join((await run(join(folder, 'teacher.yaml'), 'seed=1')).folder, 'checkpoints', 'step-6');
  const added = await graft(['teacher', 'cache', student, '--teacher', other, ...exact], folder);
  expect(added.stderr).toMatch(/is of the teacher that lay in .*, which .* is not\./);
  const named = `objective.distillation.teacher=${other}`;
  expect((await graft(['run', student, '--set', named], folder)).stderr).toMatch(/which .* is not\./);
  expect((await graft(['run', student, '--set', `objective.distillation.teacher=${teacher}`], folder)).status).toBe(0);
});

test('a part of a mixture can have a teacher, and then only its steps are cached', async () => {
  const mixed = config(
    'mixed',
    'encoder-decoder',
    `
  use: mixture
  objectives:
    - { objective: { use: prefix-lm, distillation: { cache: mixed-cache } }, untilStep: 2 }
    - { objective: { use: ul2, sentinels: { count: 20 }, allowTextTokens: true }, fromStep: 2 }`,
  );
  rmSync(join(folder, 'mixed-cache'), { recursive: true, force: true });
  const { stderr } = await graftSucceeds(['teacher', 'cache', mixed, '--teacher', teacher, '--top-k', '4'], folder);
  expect(stderr).toContain('8 sequences (8 new)');
  const { folder: first, metrics } = await run(mixed);
  const own = metrics.map((line) => Object.keys(line).filter((name) => name.includes('/')));
  expect(own.slice(0, 2)).toEqual(Array(2).fill(['loss/prefix-lm', 'crossEntropy/prefix-lm', 'divergence/prefix-lm']));
  expect(own.slice(2)).toEqual(Array(4).fill(['loss/ul2']));
  // No token is free for sentinels, but those that the checkpoint was trained with are known.
  const later = [
    `initializer={ use: load, path: ${join(first, 'checkpoints', 'step-6')} }`,
    'objective.objectives.1.objective.sentinels=auto',
  ].flatMap((one) => ['--set', one]);
  expect(
    (await graftSucceeds(['teacher', 'cache', mixed, '--teacher', teacher, '--top-k', '4', ...later], folder)).stderr,
  ).toContain('8 sequences (0 new)');
});

test('gemma3 with all tokens equals gemma2, also from a cache and in chunks', async () => {
  const live = (loss: string, ...more: string[]): ReturnType<typeof run> =>
    run(join(folder, 'in-step.yaml'), `objective.distillation={ teacher: ${teacher}, alpha: null, ${loss} }`, ...more);
  const same = (lines: readonly Line[], others: readonly Line[]): void =>
    lines.forEach((line, i) => {
      for (const name of ['loss', 'crossEntropy', 'divergence', 'gradNorm'] as const)
        expect(Math.abs(line[name] / others[i][name] - 1)).toBeLessThan(2e-5);
    });
  const soft = (await live('loss: gemma2')).metrics;
  expect(soft[0].loss).toBeGreaterThan(soft[0].divergence);
  same((await live('loss: gemma3, samples: 300')).metrics, soft);
  const few = (await live('loss: gemma3, samples: 8')).metrics;
  expect(Math.abs(few[0].divergence - soft[0].divergence)).toBeGreaterThan(1e-3);
  // What is drawn is a matter of the seed, the step and the example, not of the engine or of chunks.
  same((await live('loss: gemma3, samples: 8', 'engine=graph', 'objective.chunkTokens=20')).metrics, few);
  const cached = 'objective.distillation={ cache: drawn, alpha: null, loss: gemma3, samples: 259 }';
  await graftSucceeds(
    ['teacher', 'cache', student, '--teacher', teacher, '--dtype', 'float32', '--set', cached],
    folder,
  );
  same((await run(student, cached, 'objective.chunkTokens=20')).metrics, soft);
});

test('the samples in a cache depend only on the seed and the sequence', async () => {
  const drawn = async (name: string, ...parts: string[][]): Promise<TeacherCache> => {
    const set = `objective.distillation={ cache: ${name}, alpha: null, loss: gemma3, samples: 8 }`;
    for (const part of parts)
      await graftSucceeds(['teacher', 'cache', student, '--teacher', teacher, '--set', set, ...part], folder);
    return TeacherCache.open(join(folder, name));
  };
  const whole = await drawn('at-once', []);
  const parts = await drawn('in-parts', ['--steps', '1', '--batch-size', '3'], ['--sample', '8', '--batch-size', '2']);
  expect(whole.index).toMatchObject({ selection: 'sample', topK: 8 });
  expect([...parts.keys()].sort()).toEqual([...whole.keys()].sort());
  for (const key of whole.keys()) {
    const [a, b] = [whole.read(key)!, parts.read(key)!];
    expect(Array.from(b.tokens)).toEqual(Array.from(a.tokens));
    expect(worstDifference(b.logProbabilities, a.logProbabilities)).toBeLessThan(0.02);
    const distinct = Array.from({ length: a.positions }, (_, i) => new Set(a.tokens.subarray(8 * i, 8 * i + 8)).size);
    expect(distinct).toEqual(distinct.map(() => 8));
  }
  whole.dispose();
  parts.dispose();
});

test.each<[string, () => string[], RegExp]>([
  [
    'a cache of the most probable tokens for gemma3',
    () => ['run', student, '--set', 'objective.distillation={ cache: cache, alpha: null, loss: gemma3 }'],
    /is of the 259 most probable tokens of each distribution, which distillation\.loss gemma3 with samples 256 does not learn from\./,
  ],
  [
    '--top-k for gemma3',
    () => [
      'teacher',
      'cache',
      student,
      '--teacher',
      teacher,
      '--top-k',
      '5',
      '--set',
      'objective.distillation={ cache: c, alpha: null, loss: gemma3 }',
    ],
    /--top-k keeps the most probable tokens, but the config's distillation\.loss is gemma3/,
  ],
  [
    '--sample for another loss',
    () => ['teacher', 'cache', student, '--teacher', teacher, '--sample', '5'],
    /--sample draws tokens for distillation\.loss gemma3, but the config's is blend/,
  ],
  [
    'both --top-k and --sample',
    () => ['teacher', 'cache', student, '--teacher', teacher, '--sample', '5', '--top-k', '5'],
    /--top-k and --sample contradict each other/,
  ],
  [
    'alpha with a loss that fixes it',
    () => ['run', student, '--set', 'objective.distillation.loss=gemma2'],
    /distillation\.alpha.*belongs to `loss: blend`; gemma2 and gemma3 learn from the teacher alone/,
  ],
])('the command is refused because of %s', async (_, args, message) => {
  const { status, stderr } = await graft(args(), folder);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});

test('a cache of packed rows teaches the same as a teacher in the step', async () => {
  const packed = ['dataset.lengthTokens=64', 'dataset.pack={ rows: 2 }', 'train.steps=2', 'train.batchSize=2'];
  const set = [...packed, 'evaluators=[]', 'objective.distillation.cache=packed-cache'];
  const args = set.flatMap((one) => ['--set', one]);
  await graftSucceeds(['teacher', 'cache', student, '--teacher', teacher, ...exact, ...args], folder);
  const fromCache = await run(student, ...set, 'name=packed-cached');
  const together = await run(join(folder, 'in-step.yaml'), ...packed, 'name=packed-in-step');
  expect(together.metrics).toHaveLength(2);
  fromCache.metrics.forEach((line, i) => {
    for (const name of ['loss', 'crossEntropy', 'divergence', 'gradNorm'] as const)
      expect(Math.abs(line[name] / together.metrics[i][name] - 1)).toBeLessThan(2e-5);
  });
});

test('ul2 learns from the uncorrupted texts: in the step, in chunks, and from a cache that serves every corruption', async () => {
  const options =
    'sentinels: { count: 20 }, allowTextTokens: true, denoisers: [{ rate: 0.3 }, { kind: suffix, rate: 0.5 }]';
  const file = config('corrupted', 'encoder-decoder', `{ use: ul2, ${options}, distillation: { cache: texts-cache } }`);
  const steps = 'train.steps=4';
  const live = (more: string, ...set: string[]): ReturnType<typeof run> =>
    run(file, steps, `objective.distillation={ teacher: ${teacher}, cache: null, ${more} }`, ...set);
  const same = (lines: readonly Line[], others: readonly Line[]): void =>
    lines.forEach((line, i) => {
      for (const name of ['loss', 'crossEntropy', 'divergence', 'gradNorm'] as const)
        expect(Math.abs(line[name] / others[i][name] - 1)).toBeLessThan(2e-5);
    });
  const { metrics } = await live('alpha: 0.4');
  for (const { loss, crossEntropy, divergence } of metrics)
    expect(loss).toBeCloseTo(0.4 * crossEntropy + 0.6 * divergence, 5);
  same((await live('alpha: 0.4', 'objective.chunkTokens=20', 'train.microBatches=2')).metrics, metrics);

  const caching = ['teacher', 'cache', file, '--teacher', teacher, ...exact, '--set', steps];
  expect((await graftSucceeds(caching, folder)).stderr).toContain('10 sequences (10 new)');
  same((await run(file, steps, 'objective.distillation.alpha=0.4')).metrics, metrics);
  // Other spans of the same texts.
  const otherSpans = ['objective.denoisers.0.rate=0.6', 'objective.denoisers.0.meanSpan=2'];
  expect((await graftSucceeds([...caching, '--set', otherSpans[0], '--set', otherSpans[1]], folder)).stderr).toContain(
    '10 sequences (0 new)',
  );

  const packed = ['dataset.lengthTokens=64', 'dataset.pack={ rows: 2 }', 'train.batchSize=2', 'train.steps=2'];
  const together = await live('alpha: 0.4', ...packed);
  await graftSucceeds([...caching, ...packed.flatMap((one) => ['--set', one])], folder);
  same((await run(file, 'objective.distillation.alpha=0.4', ...packed)).metrics, together.metrics);
  expect(together.metrics[0].divergence).toBeGreaterThan(0);
});
