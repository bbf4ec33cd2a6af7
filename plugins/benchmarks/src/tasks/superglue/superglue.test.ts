import type { ChoiceItem, RowScore, Task } from '@graft/core';
import { failureOf, temporaryFolder } from '@graft/test-support';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TASKS } from '../index';

const taskOf = (id: string): Task => TASKS.find((task) => task.id === id)!;

async function itemsOf(id: string, folder: string, rows: readonly object[]): Promise<readonly ChoiceItem[]> {
  const root = temporaryFolder();
  mkdirSync(join(root, folder));
  writeFileSync(join(root, folder, 'val.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return (await taskOf(id).items({ folder: root, shots: 0 })) as readonly ChoiceItem[];
}

interface Case {
  readonly task: string;
  readonly folder: string;
  readonly row: object;
  readonly prompt: string;
  readonly continuations: readonly string[];
  readonly target: readonly string[];
}

const cases: readonly Case[] = [
  {
    ...{ task: 'cb', folder: 'CB', row: { premise: 'Ann fell, I think.', hypothesis: 'Ann fell', label: 'neutral' } },
    prompt: 'Ann fell, I think.\nQuestion: Ann fell. True, False, or Neither?\nAnswer:',
    continuations: [' True', ' False', ' Neither'],
    target: ['Neither'],
  },
  {
    ...{ task: 'copa', folder: 'COPA' },
    row: { premise: 'Ann fell.', choice1: 'It was icy.', choice2: 'It was hot.', question: 'cause', label: 0 },
    prompt: 'Ann fell because',
    continuations: [' it was icy.', ' it was hot.'],
    target: ['it was icy.'],
  },
  {
    ...{ task: 'rte', folder: 'RTE' },
    row: { premise: 'Ann fell.', hypothesis: 'Ann stood.', label: 'not_entailment' },
    prompt: 'Ann fell.\nQuestion: Ann stood. True or False?\nAnswer:',
    continuations: [' True', ' False'],
    target: ['False'],
  },
  {
    ...{ task: 'wic', folder: 'WiC' },
    row: { word: 'fall', sentence1: '😀 Falls hurt.', sentence2: 'Prices fall.', start1: 2, end1: 7, label: false },
    prompt:
      "Sentence 1: 😀 Falls hurt.\nSentence 2: Prices fall.\nQuestion: Is the word 'Falls' used in the same way in the two sentences above?\nAnswer:",
    continuations: [' no', ' yes'],
    target: ['no'],
  },
  {
    // The word is miscounted by one, and the benchmark has blanks around punctuation.
    ...{ task: 'wsc', folder: 'WSC' },
    row: {
      text: "Ann , who is old , told Bea that she did n't see her ( yet ) .",
      target: { span1_text: 'Ann', span1_index: 0, span2_text: 'she', span2_index: 10 },
      ...{ idx: 1, label: true },
    },
    prompt:
      'Passage: Ann, who is old, told Bea that *she* didn\'t see her (yet).\nQuestion: In the passage above, does the pronoun "*she*" refer to "*Ann*"?\nAnswer:',
    continuations: [' no', ' yes'],
    target: ['yes'],
  },
  {
    ...{ task: 'record', folder: 'ReCoRD' },
    row: {
      idx: 1,
      passage: {
        text: 'Cy met Ann.\n@highlight\nAnn won',
        entities: [
          { start: 7, end: 9 },
          { start: 0, end: 1 },
          { start: 23, end: 25 },
        ],
      },
      qas: [{ idx: 2, query: 'Later, @placeholder lost', answers: [{ text: 'Cy' }] }],
    },
    prompt: 'Cy met Ann.\n\n  - Ann won.\n',
    continuations: ['   - Later, Ann lost', '   - Later, Cy lost'],
    target: ['  - Later, Cy lost'],
  },
];

test.each(cases.map((one) => [one.task, one] as const))(
  '%s asks a row with its prompt and continuations, and knows the right one',
  async (task, { folder, row, prompt, continuations, target }) => {
    const [item] = await itemsOf(task, folder, [row]);
    expect({ prompts: item.prompts, continuations: item.continuations, target: item.target }).toEqual({
      prompts: [prompt],
      continuations,
      target,
    });
  },
);

/** As if a choice were the most probable one. */
const choosing = (item: ChoiceItem, at: number): RowScore =>
  item.score(item.continuations.map((_, i) => ({ logLikelihood: i === at ? -1 : -2, isGreedy: false })));

test('cb has the mean F1 of its classes', async () => {
  const labels = ['entailment', 'entailment', 'contradiction', 'neutral'];
  const rows = labels.map((label) => ({ premise: 'p', hypothesis: 'h', label }));
  const items = await itemsOf('cb', 'CB', rows);
  // Predicted: True, False, False, Neither.
  const scores = [0, 1, 1, 2].map((at, i) => choosing(items[i], at));
  const numbers = taskOf('cb').aggregate!(scores, items);
  expect(numbers.accuracy).toBe(0.75);
  // 2 · 1 / 3, 2 · 1 / 3 and 1.
  expect(numbers.f1).toBeCloseTo((2 / 3 + 2 / 3 + 1) / 3, 12);
});

test('multirc has F1 over the answers, and the share of questions with every answer right', async () => {
  const answer = (idx: number, label: number): object => ({ idx, text: `answer ${idx}`, label });
  const row = {
    idx: 7,
    passage: {
      text: 'Passage.',
      questions: [
        { idx: 1, question: 'Who?', answers: [answer(1, 1), answer(2, 0)] },
        { idx: 2, question: 'Why?', answers: [answer(3, 1), answer(4, 1)] },
      ],
    },
  };
  const items = await itemsOf('multirc', 'MultiRC', [row]);
  expect(items.map(({ id }) => id)).toEqual(['7/1/1', '7/1/2', '7/2/3', '7/2/4']);
  expect(items[0].prompts).toEqual(['Passage.\nQuestion: Who?\nAnswer:']);
  expect(items[1].target).toEqual(['answer 2\nIs the answer correct? no']);
  // Said: yes, no, yes, no; right: yes, no, yes, yes.
  const scores = [0, 1, 0, 1].map((at, i) => choosing(items[i], at));
  expect(taskOf('multirc').aggregate!(scores, items)).toMatchObject({ accuracy: 0.75, f1: 0.8, exactMatch: 0.5 });
});

test('record counts the words of the chosen entity, with the best of the answers', async () => {
  const text = 'Ann Lee met Cy.';
  const entities = [
    { start: 0, end: 6 },
    { start: 12, end: 13 },
  ];
  const qas = [{ idx: 1, query: '@placeholder won', answers: [{ text: 'Lee' }, { text: 'Dee' }] }];
  const [item] = await itemsOf('record', 'ReCoRD', [{ idx: 1, passage: { text, entities }, qas }]);
  expect(choosing(item, 0).metrics).toEqual({ f1: 2 / 3, exactMatch: 0 });
  expect(choosing(item, 1).metrics).toEqual({ f1: 0, exactMatch: 0 });
});

test('a pronoun that is not in the text is named', async () => {
  const target = { span1_text: 'Ann', span1_index: 0, span2_text: 'she', span2_index: 1 };
  const rows = [{ text: 'Ann sheds.', target, idx: 4, label: true }];
  expect((await failureOf(itemsOf('wsc', 'WSC', rows))).message).toBe('Row 4 of WSC: "she" is not in its text.');
});
