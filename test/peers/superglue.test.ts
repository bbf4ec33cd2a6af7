/** SuperGLUE's text-to-text forms beside T5's rules, and Matthews' correlation beside torchmetrics. */
import { createRandom } from '@graft/core';
import { findTask, matthews, TASKS, writeSyntheticBenchmark, type TaskId } from '@graft/superglue';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, SHARED, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

interface Published {
  readonly texts: Readonly<Record<string, readonly (readonly [text: string, target: string])[]>>;
  readonly matthews: readonly number[];
}

interface Case {
  readonly predicted: readonly number[];
  readonly right: readonly number[];
}

/** Of float32. */
const TOLERANCE = 1e-6;

/** Both classes occur on both sides: otherwise the correlation is a convention. */
function cases(): Case[] {
  const random = createRandom(1).fork('matthews');
  return Array.from({ length: 40 }, () => {
    const rows = 2 + random.integer(30);
    const draw = (): number[] => [0, 1, ...Array.from({ length: rows }, () => random.integer(2))];
    return { predicted: draw(), right: draw().reverse() };
  });
}

function published(folder: string): { readonly peer: Published; readonly own: readonly Case[] } {
  const [input, output] = ['cases.json', 'output.json'].map((name) => join(temporaryFolder(), name));
  const own = cases();
  writeFileSync(input, JSON.stringify(own));
  const script = join(__dirname, 'superglue.py');
  const { status, stderr } = spawnSync(PYTHON, [script, folder, input, output], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return { peer: JSON.parse(readFileSync(output, 'utf8')) as Published, own };
}

/** Text and each right answer, of every row of a file. */
function pairsOf(folder: string, id: TaskId, part: 'train' | 'val'): [string, string][] {
  const task = findTask(id);
  const file = join(folder, task.folder, `${part}.jsonl`);
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.flatMap((line, i) =>
    task.text!.examples(JSON.parse(line), { file, line: i + 1 }, part).flatMap(({ parts, answers }) => {
      const text = parts.map((one) => one.text).join('');
      return answers!.map((answer): [string, string] => [text, answer]);
    }),
  );
}

const isThere = hasModules('torch', 'torchmetrics');

function expectSameTexts(folder: string): void {
  const { peer } = published(folder);
  for (const task of TASKS)
    for (const part of ['train', 'val'] as const)
      expect(pairsOf(folder, task.id, part)).toEqual(peer.texts[`${task.folder}/${part}`]);
}

describeIf(isThere, 'the peers are not installed', 'SuperGLUE beside T5', () => {
  test('synthetic rows have the same texts and targets', async () => {
    const folder = join(temporaryFolder(), 'made');
    await writeSyntheticBenchmark(folder, { seed: 5, trainRows: 60, valRows: 20 });
    expectSameTexts(folder);
    const { peer, own } = published(folder);
    own.forEach(({ predicted, right }, i) => {
      const pairs = predicted.map((one, row) => [one === 1, right[row] === 1] as const);
      expect(Math.abs(matthews(pairs) - peer.matthews[i])).toBeLessThan(TOLERANCE);
    });
  });
});

describeIf(isThere && SHARED !== undefined, 'the peers or the rows are missing', 'real rows beside T5', () => {
  test('real rows have the same texts and targets', () => expectSameTexts(join(SHARED!, 'data/superglue')));
});
