/** `graft evaluate --tasks` on made-up rows, as a user runs it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, MISSING } from '../../golden/reference';
import { describeIf } from '../../support';
import { sharedProcess } from '../support/shared-process';

const checkpoint = fixture('gemma2-tiny');

describeIf(checkpoint !== undefined, MISSING, 'graft evaluate --tasks', () => {
  const { graft } = sharedProcess();
  const folder = temporaryFolder();
  const write = (name: string, text: string): void => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const rows = [1, 0, 1].map((label, i) => JSON.stringify({ goal: `goal ${i}`, sol1: 'yes', sol2: 'no', label }));
  write('data/piqa/valid.jsonl', rows.join('\n'));
  write('plain.yaml', `name: plain\nengine: portable\ninitializer: { use: load, path: ${checkpoint} }\n`);
  write(
    'own.yaml',
    `extends: plain.yaml\nname: own\nevaluators:\n  - { use: benchmarks, data: data, tasks: [boolq], tokenizer: bytes, limit: 2, shots: 0, answers: answers }\n`,
  );

  test('the tasks of the command line run with the options of the config, and leave records', async () => {
    const { status, stdout, stderr } = await graft(['evaluate', 'own.yaml', '--tasks', 'piqa'], folder);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stderr).toMatch(
      /piqa \(version 1, 0 shots, 2 rows\): accuracy [\d.]+; asked 4 requests; prompts \w+, model \w+/,
    );
    expect(stdout).toMatch(/piqa +[\d.]+ +[\d.]+ +[\d.]+ +2 +0/);
    const run = stdout.trim().split('\n').at(-1)!;
    const records = readFileSync(join(run, 'records', 'piqa.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(records.map((line) => (JSON.parse(line) as { prompt: string }).prompt)).toEqual([
      'Question: goal 0\nAnswer:',
      'Question: goal 1\nAnswer:',
    ]);
    expect(existsSync(join(folder, 'answers'))).toBe(true);
  });

  test.each([
    [
      ['plain.yaml', '--tasks', 'piqa'],
      '--tasks needs --data: the config has no evaluator "benchmarks" that names a folder.',
    ],
    [['own.yaml', '--tasks', 'piqua'], 'did you mean "piqa"?'],
    [['own.yaml', '--tasks', 'boolq', '--data', 'data'], 'Task "boolq" needs val.jsonl (or validation, dev) in '],
    [['plain.yaml', '--limit', '2'], '--limit belongs to --tasks, which says what it is about.'],
    [['own.yaml', '--tasks', 'humaneval'], 'Task "humaneval" runs programs that the model writes'],
  ])('%j is refused with one sentence', async (args, message) => {
    const { status, stderr } = await graft(['evaluate', ...args], folder);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});
