import type { ChoiceItem, Task } from '@graft/core';
import { benchmarkFolder, type Files } from '../../test-support/benchmark-folder';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { TASKS } from './index';

const taskOf = (id: string): Task => TASKS.find((task) => task.id === id)!;

/** The first row, as a task asks it. The rows of these tests are made up, in the benchmarks' own fields. */
async function firstOf<I extends ChoiceItem>(id: string, files: Files, shots = 0): Promise<I> {
  const [first] = await taskOf(id).items({ folder: benchmarkFolder(files), shots });
  return first as I;
}

interface ChoiceCase {
  readonly task: string;
  readonly files: Files;
  readonly shots?: number;
  readonly prompts: readonly string[];
  readonly continuations: readonly string[];
  readonly target: string | readonly string[];
}

const arc = (question: string, text: string[], label: string[], answerKey: string): object => ({
  id: question,
  question,
  choices: { text, label },
  answerKey,
});

const choiceCases: readonly ChoiceCase[] = [
  {
    task: 'boolq',
    files: { 'boolq/val.jsonl': [{ passage: 'Ice -- Ice floats.', question: 'does ice sink', label: false, idx: 0 }] },
    prompts: ['Ice -- Ice floats.\nQuestion: does ice sink?\nAnswer:'],
    continuations: [' no', ' yes'],
    target: ['no'],
  },
  {
    task: 'siqa',
    files: {
      'socialiqa/dev.jsonl': [
        { context: 'Ann fell.', question: 'Why?', answerA: 'ice', answerB: 'luck', answerC: 'fun' },
      ],
      'socialiqa/dev-labels.lst': '3\n',
    },
    prompts: ['Q: Ann fell. Why?\nA:'],
    continuations: [' ice', ' luck', ' fun'],
    target: ['fun'],
  },
  {
    task: 'piqa',
    files: {
      'piqa/valid.jsonl': [{ goal: 'dry hair', sol1: 'use  a towel', sol2: 'use water' }],
      'piqa/valid-labels.lst': '0\n',
    },
    prompts: ['Question: dry hair\nAnswer:'],
    continuations: [' use  a towel', ' use water'],
    target: ['use  a towel'],
  },
  {
    task: 'arc-challenge',
    files: {
      'arc/ARC-Challenge/validation.jsonl': [arc('Which is hot?', ['snow', 'fire', 'rain'], ['1', '2', '3'], '2')],
      'arc/ARC-Challenge/train.jsonl': [
        arc('Which is hot?', ['ice', 'lava'], ['A', 'B'], 'B'),
        arc('Which is wet?', ['sand', 'sea'], ['A', 'B'], 'B'),
      ],
    },
    shots: 1,
    // The example that asks the same question is left out.
    prompts: ['Question: Which is wet?\nAnswer: sea\n\nQuestion: Which is hot?\nAnswer:'],
    continuations: [' snow', ' fire', ' rain'],
    target: ['fire'],
  },
  {
    task: 'arc-easy',
    files: {
      'ARC-Easy/ARC-Easy-Dev.jsonl': [
        {
          id: 'q1',
          question: {
            stem: 'Which is cold?',
            choices: [
              { text: 'ice', label: 'A' },
              { text: 'fire', label: 'B' },
            ],
          },
          answerKey: 'A',
        },
      ],
    },
    prompts: ['Question: Which is cold?\nAnswer:'],
    continuations: [' ice', ' fire'],
    target: ['ice'],
  },
  {
    task: 'mmlu',
    files: {
      'mmlu/data/test/high_school_art_test.csv': '"Who said ""red"", then ""blue""?\nOne line more.",Ann,Bob,Cy,Di,C\n',
      'mmlu/data/dev/high_school_art_dev.csv': ' Which is a color? ,red,up,ten,far,A\n',
    },
    shots: 1,
    prompts: [
      'The following are multiple choice questions (with answers) about high school art.\n\n' +
        'Which is a color?\nA. red\nB. up\nC. ten\nD. far\nAnswer: A\n\n' +
        'Who said "red", then "blue"?\nOne line more.\nA. Ann\nB. Bob\nC. Cy\nD. Di\nAnswer:',
    ],
    continuations: [' A', ' B', ' C', ' D'],
    target: ['C'],
  },
  {
    task: 'hellaswag',
    files: {
      'hellaswag/hellaswag_val.jsonl': [
        {
          ind: 4,
          activity_label: 'Tea [title]',
          ctx_a: 'A cup. [step] It  is hot.',
          ctx_b: 'John Smith',
          endings: ['drinks [x] it.', 'b', 'c', 'd'],
          label: '0',
        },
      ],
    },
    prompts: ['Tea. : A cup. It is hot. John smith'],
    continuations: [' drinks it.', ' b', ' c', ' d'],
    target: ['drinks it.'],
  },
  {
    task: 'winogrande',
    files: {
      'winogrande/validation.jsonl': [
        { sentence: 'Ann beat Bea because _ was fast.', option1: 'Ann', option2: 'Bea', answer: '1' },
      ],
      'winogrande/train.jsonl': [{ sentence: 'Cy saw the _ .', option1: 'sun', option2: 'sea', answer: '2' }],
    },
    shots: 1,
    prompts: ['Cy saw the sea .\n\nAnn beat Bea because Ann', 'Cy saw the sea .\n\nAnn beat Bea because Bea'],
    continuations: [' was fast.'],
    target: 'Ann',
  },
];

describe('tasks that score choices', () => {
  test.each(choiceCases.map((one) => [one.task, one] as const))(
    '%s asks a row with its prompt and continuations, and knows the right one',
    async (task, { files, shots, prompts, continuations, target }) => {
      const item = await firstOf<ChoiceItem>(task, files, shots);
      expect({ prompts: item.prompts, continuations: item.continuations, target: item.target }).toEqual({
        prompts,
        continuations,
        target,
      });
    },
  );

  test('the choice counts by its log-likelihood, per character and per byte', async () => {
    const item = await firstOf<ChoiceItem>('siqa', {
      'siqa/validation.jsonl': [
        { context: 'c', question: 'q', answerA: 'ab', answerB: 'ööö', answerC: 'abcdefgh', label: '2' },
      ],
    });
    const scored = (...sums: number[]): object =>
      item.score(sums.map((logLikelihood) => ({ logLikelihood, isGreedy: false }))).metrics;
    // Sums -2, -3, -9; per character -1, -1, -1.125; per byte -1, -0.5, -1.125.
    expect(scored(-2, -3, -9)).toEqual({ accuracy: 0, accuracyPerCharacter: 0, accuracyPerByte: 1 });
    expect(scored(-2, -2.9, -9)).toEqual({ accuracy: 0, accuracyPerCharacter: 1, accuracyPerByte: 1 });
    // The first of equal ones counts.
    expect(scored(-2, -2, -9)).toMatchObject({ accuracy: 0 });
  });
});

test('docs/evaluation.md lists every task', () => {
  const page = readFileSync(join(__dirname, '..', '..', '..', '..', 'docs', 'evaluation.md'), 'utf8');
  expect(TASKS.map(({ id }) => id).filter((id) => !page.includes(`\`${id}\``))).toEqual([]);
});

test('arc asks its test split where that is there', async () => {
  const files = {
    'arc/ARC-Easy/validation.jsonl': [arc('Which is hot?', ['ice', 'fire'], ['A', 'B'], 'B')],
    'arc/ARC-Easy/test.jsonl': [arc('Which is cold?', ['ice', 'fire'], ['A', 'B'], 'A')],
  };
  expect((await firstOf('arc-easy', files)).prompts).toEqual(['Question: Which is cold?\nAnswer:']);
});

describe('files of benchmarks', () => {
  const failure = (id: string, files: Files, shots = 0): Promise<Error & { hint?: string; code?: string }> =>
    taskOf(id)
      .items({ folder: benchmarkFolder(files), shots })
      .then(
        () => {
          throw new Error('expected a failure');
        },
        (error: Error) => error,
      );

  test("a hub's tables in numbered parts, gzipped lines and CSV are read as the benchmark's own files", async () => {
    const passages = ['Ice floats.', 'Iron sinks.'];
    const part = (i: number): Uint8Array =>
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: 'question', data: ['does it'], type: 'STRING' },
            { name: 'passage', data: [passages[i]], type: 'STRING' },
            { name: 'label', data: [BigInt(i)], type: 'INT64' },
          ],
        }),
      );
    const json = JSON.stringify({ question: 'does it', passage: passages[0], label: true });
    const folders = [
      benchmarkFolder({
        'boolq/validation-00000-of-00002.parquet': part(0),
        'boolq/validation-00001-of-00002.parquet': part(1),
      }),
      benchmarkFolder({ 'boolq/val.jsonl.gz': gzipSync(`${json}\n`) }),
    ];
    const targets = await Promise.all(
      folders.map(async (folder) => (await taskOf('boolq').items({ folder, shots: 0 })).map(({ target }) => target)),
    );
    expect(targets).toEqual([[['no'], ['yes']], [['yes']]]);
    const csv =
      'Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,Record ID\n"a ""b""\nc",1,2,3,4,r\n';
    const [item] = await taskOf('gpqa').items({ folder: benchmarkFolder({ 'gpqa/gpqa_main.csv': csv }), shots: 0 });
    expect((item as ChoiceItem).prompts[0]).toMatch(/:a "b"\nc\nChoices:/);
  });

  test('a missing file is named, with the places where it may be and where it is to be had', async () => {
    const error = await failure('piqa', {});
    expect(error.message).toMatch(/^Task "piqa" needs valid.jsonl \(or validation\) in \S+\/piqa, where it is not\.$/);
    expect(error.hint).toBe('It is to be had from the repository ybisk/ybisk.github.io, folder piqa/data.');
  });

  test('a row of another form is named by file, line and field', async () => {
    const row = { sentence: 'No gap.', option1: 'a', option2: 'b', answer: '1' };
    const error = await failure('winogrande', { 'winogrande/dev.jsonl': [row] });
    expect(error.message).toMatch(/dev\.jsonl:1: sentence: expected a text with a gap "_"/);
    expect(error.code).toBe('benchmarks.bad-row');
  });

  test('a pool that is smaller than the number of examples is an error', async () => {
    const row = arc('Which?', ['a', 'b'], ['A', 'B'], 'A');
    const error = await failure('arc-easy', { 'ARC-Easy/validation.jsonl': [row], 'ARC-Easy/train.jsonl': [row] }, 1);
    expect(error.message).toMatch(
      /train\.jsonl has 0 rows that can be examples, but arc-easy is to be asked with 1\.$/,
    );
  });

  test.each<[task: string, files: Files, message: RegExp]>([
    ['mmlu', { 'mmlu/data/test/art_test.csv': '' }, /^Task "mmlu" has no rows: its files in \S+ are empty\.$/],
    ['mgsm', { 'mgsm/mgsm_de.tsv': 'Wie viele?\n' }, /mgsm_de\.tsv:1: .*expected a question, a tab and a number/],
    [
      'lambada-standard',
      { 'lambada/lambada_test_plain_text.txt': 'word\n' },
      /text\.txt:1: text: expected a text whose/,
    ],
    [
      'agieval',
      { 'agieval/data/v1/sat-en.jsonl': [{ question: 'q', options: ['(A)a', '(B)b'], label: 'C' }] },
      /sat-en\.jsonl:1: .*expected the letters of right options as label/,
    ],
    [
      'truthfulqa-mc1',
      {
        'truthfulqa/validation.jsonl': [
          {
            question: 'q',
            mc1_targets: { choices: ['a'], labels: [0, 1] },
            mc2_targets: { choices: ['a'], labels: [1] },
          },
        ],
      },
      /validation\.jsonl:1: mc1_targets: expected/,
    ],
  ])('%s refuses rows without an answer that could be given', async (task, files, message) => {
    expect((await failure(task, files)).message).toMatch(message);
  });

  test('labels of another number than the rows are an error', async () => {
    const files = { 'piqa/valid.jsonl': [{ goal: 'g', sol1: 'a', sol2: 'b' }], 'piqa/valid-labels.lst': '0\n1\n' };
    expect((await failure('piqa', files)).message).toMatch(
      /valid\.jsonl has 1 rows, but there are 2 labels for them\.$/,
    );
  });
});
