import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { writeSyntheticBenchmark } from './synthetic';
import { DIAGNOSTICS, readDiagnostic, readTask, TASKS, type ClassificationExample } from './tasks';

const OPTIONS = { seed: 3, trainRows: 240, valRows: 100 };
const folder = join(temporaryFolder(), 'synthetic');
beforeAll(() => writeSyntheticBenchmark(folder, OPTIONS));

/** Words and pairs of neighbours, each with the last word before it that ends with a colon. */
function features({ parts }: ClassificationExample): string[] {
  let heading = '';
  const words = parts
    .map(({ text }) => text)
    .join('')
    .split(/\s+/);
  return words.flatMap((word, i) => {
    if (word.endsWith(':')) heading = word;
    return [`${heading}${word}`, `${words[i - 1]} ${word}`];
  });
}

/** Naive Bayes with add-one smoothing: what words alone reveal. */
function accuracyOfWords(train: ClassificationExample[], val: ClassificationExample[], classes: number): number {
  const counts = Array.from({ length: classes }, () => new Map<string, number>());
  const totals = new Array<number>(classes).fill(0);
  for (const example of train) {
    for (const feature of new Set(features(example))) {
      counts[example.label!].set(feature, (counts[example.label!].get(feature) ?? 0) + 1);
    }
    totals[example.label!]++;
  }
  const right = val.filter((example) => {
    const own = [...new Set(features(example))];
    const scores = counts.map((count, label) =>
      own.reduce((sum, feature) => sum + Math.log(((count.get(feature) ?? 0) + 1) / (totals[label] + 2)), 0),
    );
    return scores.indexOf(Math.max(...scores)) === example.label;
  });
  return right.length / val.length;
}

test.each(TASKS.map((task) => [task.id, task] as const))(
  'the synthetic task %s is readable, balanced, without duplicates, and learnable',
  async (_, task) => {
    const [train, val] = [await readTask(folder, task, 'train'), await readTask(folder, task, 'val')];
    for (const examples of [train, val]) {
      const counts = task.labels.map((_label, label) => examples.filter((example) => example.label === label).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    const texts = [...train, ...val].map(({ parts }) => parts.map(({ text }) => text).join(''));
    expect(Math.max(...texts.map(({ length }) => length))).toBeLessThan(160);
    const inTraining = new Set(texts.slice(0, train.length));
    expect(texts.slice(train.length).filter((text) => inTraining.has(text))).toEqual([]);
    expect(accuracyOfWords(train, val, task.labels.length)).toBeGreaterThan(0.85);
  },
);

test('the same seed gives the same files, and another seed gives others', async () => {
  const [again, other] = [join(temporaryFolder(), 'again'), join(temporaryFolder(), 'other')];
  await writeSyntheticBenchmark(again, OPTIONS);
  await writeSyntheticBenchmark(other, { ...OPTIONS, seed: 4 });
  for (const { folder: own } of TASKS) {
    const file = join(own, 'train.jsonl');
    expect(readFileSync(join(again, file), 'utf8')).toBe(readFileSync(join(folder, file), 'utf8'));
    expect(readFileSync(join(other, file), 'utf8')).not.toBe(readFileSync(join(folder, file), 'utf8'));
  }
});

test('with test rows there are test sets without labels, and the diagnostic sets; the other files stay the same', async () => {
  const own = join(temporaryFolder(), 'tested');
  await writeSyntheticBenchmark(own, { ...OPTIONS, testRows: 4 });
  for (const task of TASKS) {
    const [file, test] = [join(task.folder, 'val.jsonl'), join(own, task.folder, 'test.jsonl')];
    expect(readFileSync(join(own, file), 'utf8')).toBe(readFileSync(join(folder, file), 'utf8'));
    expect(readFileSync(test, 'utf8')).not.toMatch(/"label"/);
    expect((await readTask(own, task, 'test')).filter(({ label }) => label !== undefined)).toEqual([]);
  }
  const [broad, paired] = await Promise.all(DIAGNOSTICS.map((one) => readDiagnostic(own, one)));
  expect(broad.map(({ answers }) => answers![0])).toEqual([
    'entailment',
    'not_entailment',
    'entailment',
    'not_entailment',
  ]);
  expect(paired.map(({ group }) => group)).toEqual(['0', '0', '1', '1', '2', '2', '3', '3']);
});

test('an existing folder is refused, and so are more rows than can be generated', async () => {
  await expect(writeSyntheticBenchmark(folder, OPTIONS)).rejects.toMatchObject({
    code: 'checkpoint.exists',
    exitCode: 2,
  });
  await expect(
    writeSyntheticBenchmark(join(temporaryFolder(), 'much'), { ...OPTIONS, trainRows: 1_000_000 }),
  ).rejects.toMatchObject({ code: 'superglue.synthetic-rows', exitCode: 2 });
});
