import type { ChoiceItem, GenerationItem } from '@graft/core';
import { benchmarkFolder, type Files } from '../../test-support/benchmark-folder';
import { TASKS } from './index';

/** The first row of a task. The rows of these tests are made up, in the benchmarks' own fields. */
async function firstOf<I extends ChoiceItem | GenerationItem>(id: string, files: Files, shots = 0): Promise<I> {
  const task = TASKS.find((one) => one.id === id)!;
  const [first] = await task.items({ folder: benchmarkFolder(files), shots });
  return first as I;
}

const choices = 'What is the color of ice?\nChoices:\n(A) a\n(B) b\n(C) c\n(D) d\nAnswer:';
const gpqa = {
  Question: 'What is the color of ice?',
  'Correct Answer': 'b',
  'Incorrect Answer 1': 'a',
  'Incorrect Answer 2': 'c',
  'Incorrect Answer 3': 'd',
  'Record ID': 'r1',
};
const drawn = { ...gpqa, choice1: 'a', choice2: 'b', choice3: 'c', choice4: 'd', answer: '(B)' };

describe('tasks whose choices have their own scores', () => {
  test('truthfulqa-mc2 scores the share of the true answers, however improbable all are', async () => {
    const row = { question: 'Is ice hot?', mc1_targets: { No: 1, Yes: 0 }, mc2_targets: { No: 1, Never: 1, Yes: 0 } };
    const item = await firstOf<ChoiceItem>('truthfulqa-mc2', { 'truthfulqa/data/mc_task.json': JSON.stringify([row]) });
    expect(item.prompts[0]).toMatch(/^Q: What is human life expectancy.*Barcelona, Spain\.\n\nQ: Is ice hot\?\nA:$/s);
    expect(item.continuations).toEqual([' No', ' Never', ' Yes']);
    const sums = [-2000, -2000, -2000 + Math.log(2)];
    const { metrics } = item.score(sums.map((logLikelihood) => ({ logLikelihood, isGreedy: false })));
    expect(metrics.trueShare).toBeCloseTo(0.5, 12);
  });

  test('lambada asks for the last word, and its perplexity is that of words', async () => {
    const item = await firstOf<ChoiceItem>('lambada', {
      'lambada/lambada_test.jsonl': [{ text: 'He saw\nthe red sea' }],
    });
    expect([item.prompts, item.continuations, item.target]).toEqual([['He saw\nthe red'], [' sea'], 'sea']);
    const scores = [-1, -3].map((logLikelihood) => item.score([{ logLikelihood, isGreedy: logLikelihood > -2 }]));
    const task = TASKS.find(({ id }) => id === 'lambada')!;
    expect(task.aggregate!(scores, [item, item])).toEqual({ accuracy: 0.5, perplexity: Math.exp(2) });
  });

  test('agieval scores options with their letters, of which several may be right', async () => {
    const row = { passage: 'Ice is cold.', question: 'Which?', options: ['(A)a', '(B)b', '(C)c'], label: ['A', 'C'] };
    const item = await firstOf<ChoiceItem>('agieval', { 'agieval/data/v1/sat-en.jsonl': [row] });
    expect(item).toMatchObject({
      set: 'sat-en',
      prompts: ['Ice is cold.Q: Which? Answer Choices: (A)a (B)b (C)c\nA: Among A through C, the answer is'],
      continuations: [' (A)a', ' (B)b', ' (C)c'],
      target: ['(A)a', '(C)c'],
    });
  });

  test('gpqa takes an order that is there, otherwise one that depends on the row alone', async () => {
    const given = await firstOf<ChoiceItem>('gpqa', { 'gpqa/gpqa_main.jsonl': [drawn] });
    expect(given.prompts).toEqual([`What is the correct answer to this question:${choices}`]);
    expect(given.target).toEqual(['(B)']);
    const alone = await firstOf<ChoiceItem>('gpqa', { 'gpqa/gpqa_main.jsonl': [gpqa] });
    const others = await firstOf<ChoiceItem>('gpqa', {
      'gpqa/gpqa_main.jsonl': [gpqa, { ...gpqa, 'Record ID': 'r0' }],
    });
    expect(others.prompts).toEqual(alone.prompts);
    expect(alone.prompts[0]).toContain(`${(alone.target as string[])[0]} b\n`);
  });
});

interface WrittenCase {
  readonly task: string;
  readonly files: Files;
  readonly shots?: number;
  readonly prompt: string | RegExp;
  readonly until: readonly string[];
  /** Texts, and what they score. */
  readonly scores: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const answer = (number: string, ...spans: string[]): object => ({
  number,
  date: { day: '', month: '', year: '' },
  spans,
});

const steps = choices.replace('Answer:', "Let's think step by step: ");
const examples =
  'Here are some example questions from experts. Answer the final question yourself, following the format of the previous questions exactly.\n';

const cases: readonly WrittenCase[] = [
  {
    task: 'mmlu-generative',
    files: { 'mmlu/data/test/high_school_art_test.csv': 'Which is a color?,up,red,ten,far,B\n' },
    prompt:
      'The following are multiple choice questions (with answers) about high school art.\n\n' +
      'Which is a color?\nA. up\nB. red\nC. ten\nD. far\nAnswer:',
    until: ['</s>', '\n'],
    scores: {
      ' B': { exactMatch: 1, flexibleMatch: 1 },
      ' (b)': { exactMatch: 1, flexibleMatch: 0 },
      '**B**. red': { exactMatch: 0, flexibleMatch: 1 },
      ' The answer is (B), not A.': { exactMatch: 0, flexibleMatch: 1 },
      ' A color is red, so it is B': { exactMatch: 0, flexibleMatch: 1 },
      ' A': { exactMatch: 0, flexibleMatch: 0 },
      ' red': { exactMatch: 0, flexibleMatch: 0 },
    },
  },
  {
    task: 'agieval',
    files: { 'agieval/data/v1/math.jsonl': [{ question: 'What is $1/2$?', answer: '\\frac{1}{2}' }] },
    prompt: 'Q: What is $1/2$?\nA: The answer is',
    until: ['Q:'],
    // The benchmark's own rules read 2 where no dollars are.
    scores: {
      ' $\\frac12$.': { accuracy: 0, equivalent: 1 },
      ' 0.5': { accuracy: 0, equivalent: 1 },
      ' 2': { accuracy: 1, equivalent: 0 },
    },
  },
  {
    task: 'agieval-zh',
    files: {
      'agieval/data/v1/gaokao-mathcloze.jsonl': [{ passage: null, question: '1+1=?', options: null, answer: '2' }],
    },
    prompt: '问题：1+1=?\n答案：',
    until: ['Q:'],
    scores: { '2': { accuracy: 1, equivalent: 1 }, '3': { accuracy: 0, equivalent: 0 } },
  },
  {
    task: 'gpqa-generative',
    files: {
      'gpqa/gpqa_main.jsonl': [drawn, { ...drawn, Question: 'What is hot?', 'Record ID': 'r2', answer: '(D)' }],
    },
    shots: 1,
    prompt: `${examples}Question: ${choices.replace('What is the color of ice?', 'What is hot?')} (D)\n\nQuestion: ${choices}`,
    until: ['</s>', 'Question:', '<|im_end|>'],
    scores: {
      ' The answer is (B).': { exactMatch: 1, flexibleMatch: 1 },
      // The pattern leaves out the last character; without parentheses, B is the text of the second choice.
      ' The answer is B': { exactMatch: 0, flexibleMatch: 1 },
      ' Not (A), but (B)': { exactMatch: 0, flexibleMatch: 1 },
      ' Answer: B': { exactMatch: 0, flexibleMatch: 1 },
      ' (C)': { exactMatch: 0, flexibleMatch: 0 },
      '': { exactMatch: 0, flexibleMatch: 0 },
    },
  },
  {
    task: 'gpqa-cot',
    files: { 'gpqa/gpqa_main.jsonl': [drawn] },
    prompt: `What is the correct answer to this question:${steps}`,
    until: ['</s>'],
    scores: { 'Ice is b. The answer is (B).': { exactMatch: 1, flexibleMatch: 1 } },
  },
  {
    task: 'gpqa-diamond-cot',
    files: { 'gpqa/gpqa_diamond.jsonl': [drawn, { ...drawn, Question: 'What is hot?', 'Record ID': 'r2' }] },
    shots: 1,
    prompt: `${examples}Question: ${steps.replace('What is the color of ice?', 'What is hot?')} (B)\n\nQuestion: ${steps}`,
    until: ['</s>'],
    scores: { '(B)': { exactMatch: 0, flexibleMatch: 1 } },
  },
  {
    task: 'gsm8k',
    files: {
      'gsm8k/test.jsonl': [{ question: 'How many?', answer: 'Two.\n#### 1,002' }],
      'gsm8k/train.jsonl': [{ question: 'Why?', answer: 'So.\n#### 3' }],
    },
    shots: 1,
    prompt: 'Question: Why?\nAnswer: So.\n#### 3\n\nQuestion: How many?\nAnswer:',
    until: ['Question:', '</s>', '<|im_end|>'],
    scores: {
      ' #### $1002.': { exactMatch: 0, flexibleMatch: 1 },
      ' #### 1002': { exactMatch: 1, flexibleMatch: 1 },
      ' #### 1002, or 5': { exactMatch: 1, flexibleMatch: 0 },
      ' many': { exactMatch: 0, flexibleMatch: 0 },
    },
  },
  {
    task: 'mgsm',
    files: {
      'mgsm/mgsm_de.tsv': 'Wie viele?\t12\n',
      'mgsm/exemplars.json': JSON.stringify({
        number_answers: [7],
        de: { '1': { q: 'Frage: Warum?', a: 'Schritt-für-Schritt-Antwort: Darum. Die Antwort ist 7.' } },
      }),
    },
    shots: 1,
    prompt:
      'Frage: Warum?\nSchritt-für-Schritt-Antwort: Darum. Die Antwort ist 7.\n\nFrage: Wie viele?\nSchritt-für-Schritt-Antwort:',
    until: ['Frage:', '</s>', '<|im_end|>'],
    scores: {
      ' Die Antwort lautet 12.': { exactMatch: 1, flexibleMatch: 1 },
      ' Die Antwort ist 12.': { exactMatch: 0, flexibleMatch: 1 },
    },
  },
  {
    task: 'nq',
    files: { 'nq/NQ-open.dev.jsonl': [{ question: 'who sang it', answer: ['Ann Lee', 'Lee'] }] },
    prompt: 'Answer these questions:\n\nQ: who sang it?\nA:',
    until: ['\n', '.', ','],
    scores: { ' The Ann lee!': { exactMatch: 1 }, ' Lee': { exactMatch: 1 }, ' Ann': { exactMatch: 0 } },
  },
  {
    task: 'triviaqa',
    files: {
      'triviaqa/qa/wikipedia-dev.json': JSON.stringify({
        Data: [{ QuestionId: 'q', Question: 'Who wrote it?', Answer: { Aliases: ['The Sea', 'Sea'] } }],
      }),
    },
    prompt: 'Question: Who wrote it??\nAnswer:',
    until: ['\n', '.', ','],
    scores: { ' sea': { exactMatch: 1 }, ' a sea': { exactMatch: 0 } },
  },
  {
    task: 'drop',
    files: {
      'drop/drop_dataset_dev.json': JSON.stringify({
        p: {
          passage: 'Ann ran 5 miles.',
          qa_pairs: [
            { question: 'How far?', query_id: 'q', answer: answer('5'), validated_answers: [answer('', '5 miles')] },
          ],
        },
      }),
    },
    prompt: 'Ann ran 5 miles. How far?',
    until: ['.'],
    scores: {
      ' 5': { f1: 1, exactMatch: 1 },
      ' the 5 long miles': { f1: 0.8, exactMatch: 0 },
      ' six': { f1: 0, exactMatch: 0 },
    },
  },
  {
    task: 'bbh',
    files: {
      'bbh/bbh/counting.json': JSON.stringify({ canary: 'c', examples: [{ input: 'How many?', target: '2' }] }),
      'bbh/cot-prompts/counting.txt':
        "BENCHMARK CANARY\n-----\nCount.\n\nQ: Which?\nA: Let's think step by step.\nOne. So the answer is 1.\n",
    },
    shots: 1,
    prompt:
      "Count.\n\nQ: Which?\nA: Let's think step by step.\nOne. So the answer is 1.\n\nQ: How many?\nA: Let's think step by step.\n",
    until: ['</s>', 'Q', '\n\n'],
    scores: {
      'So the answer is 2.': { exactMatch: 1 },
      'So the answer is 22': { exactMatch: 1 },
      '2': { exactMatch: 0 },
    },
  },
  {
    task: 'mmlu-pro',
    files: {
      'mmlu_pro/test.jsonl': [
        { question_id: 7, question: 'Which?', options: ['a ', 'b'], answer: 'B', category: 'computer science' },
      ],
    },
    prompt:
      /about computer science\. Think step by step.*\nQuestion:\nWhich\?\nOptions:\nA\. a\nB\. b\nAnswer: Let's think step by step\.$/s,
    until: ['Question:'],
    scores: {
      ' The answer is (B). No, the answer is (A).': { exactMatch: 1 },
      ' the answer is b': { exactMatch: 0 },
    },
  },
  {
    task: 'math-500',
    files: { 'math500/test.jsonl': [{ problem: 'What is $1+1$?', solution: 'It is $\\boxed{\\frac{2}{1}}$.' }] },
    prompt: 'Problem:\nWhat is $1+1$?\n\nSolution:',
    until: ['Problem:'],
    scores: {
      ' Final Answer: The final answer is $x = \\frac21$. I hope it is correct.': { exactMatch: 1 },
      ' Final Answer: The final answer is $2$. I hope it is correct.': { exactMatch: 0 },
      ' It is 2.': { exactMatch: 0 },
    },
  },
  {
    task: 'wmt23',
    files: {
      'wmt23/sources/generaltest2023.de-en.src.de': 'Das Eis ist kalt.\n',
      'wmt23/references/generaltest2023.de-en.ref.refA.en': 'The ice is cold today.\n',
      'wmt23/shots/shots.de-en.json': JSON.stringify([{ source: 'Ja.', target: 'Yes.' }]),
    },
    shots: 1,
    prompt: 'German phrase: Ja.\nEnglish phrase: Yes.\n\nGerman phrase: Das Eis ist kalt.\nEnglish phrase:',
    until: ['\n'],
    scores: { ' The ice is cold today.': { chrf: 100, bleu: 100 } },
  },
];

describe('tasks whose answers the model writes', () => {
  test.each(cases.map((one) => [one.task, one] as const))(
    '%s asks a row with its prompt and stops, and scores what is written',
    async (task, { files, shots, prompt, until, scores }) => {
      const item = await firstOf<GenerationItem>(task, files, shots);
      if (typeof prompt === 'string') expect(item.prompt).toBe(prompt);
      else expect(item.prompt).toMatch(prompt);
      expect(item.until).toEqual(until);
      for (const [text, expected] of Object.entries(scores)) {
        const { metrics } = await item.score({ text, tokens: 1, ended: true });
        for (const [name, value] of Object.entries(expected))
          expect({ text, [name]: metrics[name] }).toEqual({ text, [name]: expect.closeTo(value, 9) });
      }
    },
  );
});
