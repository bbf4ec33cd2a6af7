import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describeIf, SHARED } from '@graft/test-support';
import {
  DIAGNOSTICS,
  findTask,
  readTextTask,
  TASKS,
  type Part,
  type TaskId,
  type TextResult,
  type TextTask,
} from './index';
import { meansNoun } from './wsc';

const place = { file: 'val.jsonl', line: 3 };
const taskOf = (id: TaskId): TextTask => findTask(id).text!;

/** Text and right answers of each example. */
const shown = (task: TextTask, row: unknown, part: Part = 'val'): [string, readonly string[] | undefined][] =>
  task.examples(row, place, part).map(({ parts, answers }) => [parts.map(({ text }) => text).join(''), answers]);

/** Results for the texts that a model says. */
const said = (task: TextTask, rows: readonly unknown[], texts: readonly string[], part: Part = 'val'): TextResult[] =>
  rows.flatMap((row) => task.examples(row, place, part)).map((example, i) => ({ example, text: texts[i] }));

const BOOLQ = { question: 'is it a film', passage: 'It is a film.', idx: 7, label: true };
const CB = { premise: "I don't think she knew.", hypothesis: 'she knew', label: 'contradiction', idx: 49 };
const COPA = {
  premise: 'I ironed my shirt.',
  choice1: 'It was clean.',
  choice2: 'It was wrinkled.',
  question: 'cause',
  idx: 5,
  label: 1,
};
const RTE = { premise: 'A UFO over Turkey.', hypothesis: 'It was Turkey.', idx: 3, label: 'not_entailment' };
const WIC = {
  word: 'stick',
  sentence1: 'Stick some feathers in.',
  sentence2: 'A stick to stick with!',
  idx: 2703,
  label: false,
  start1: 0,
  end1: 5,
  start2: 11,
  end2: 16,
};
const WSC = {
  text: 'Mark told Pete many lies about himself. He should have been more skeptical.',
  target: { span1_index: 0, span1_text: 'Mark', span2_index: 7, span2_text: 'He' },
  idx: 12,
  label: false,
};
const MULTIRC = {
  idx: 6,
  passage: {
    text: '<b>Sent 1: </b>Jason left.<br><b>Sent 2: </b>Kate sang.<br>',
    questions: [
      {
        question: 'Who <b>sang</b>?',
        idx: 2,
        answers: [
          { text: 'Jason', idx: 333, label: 0 },
          { text: 'Kate', idx: 334, label: 1 },
        ],
      },
      { question: 'Who left?', idx: 3, answers: [{ text: 'Jason', idx: 335, label: 1 }] },
    ],
  },
};
const RECORD = {
  passage: {
    text: 'Zoe Bhutto came.\n@highlight\nBhutto led',
    entities: [
      { start: 4, end: 9 },
      { start: 0, end: 9 },
      { start: 28, end: 33 },
    ],
  },
  qas: [{ query: 'They like @placeholder', idx: 9, answers: [{ text: 'Zoe Bhutto' }, { text: 'Bhutto' }] }],
  idx: 4,
};

test('every task has the text of T5, and its labels as answers', () => {
  expect(shown(taskOf('boolq'), BOOLQ)).toEqual([['boolq passage: It is a film. question: is it a film', ['True']]]);
  expect(shown(taskOf('cb'), CB)).toEqual([
    ["cb hypothesis: she knew premise: I don't think she knew.", ['contradiction']],
  ]);
  expect(shown(taskOf('copa'), COPA)).toEqual([
    ['copa choice1: It was clean. choice2: It was wrinkled. premise: I ironed my shirt. question: cause', ['choice2']],
  ]);
  expect(shown(taskOf('rte'), RTE)).toEqual([
    ['rte hypothesis: It was Turkey. premise: A UFO over Turkey.', ['not_entailment']],
  ]);
  // T5 does not say where the word is.
  expect(shown(taskOf('wic'), WIC)).toEqual([
    ['wic sentence1: Stick some feathers in. sentence2: A stick to stick with! word: stick', ['False']],
  ]);
  const paragraph = 'paragraph: Sent 1: Jason left. Sent 2: Kate sang. ';
  expect(shown(taskOf('multirc'), MULTIRC)).toEqual([
    [`multirc question: Who sang? answer: Jason ${paragraph}`, ['False']],
    [`multirc question: Who sang? answer: Kate ${paragraph}`, ['True']],
    [`multirc question: Who left? answer: Jason ${paragraph}`, ['True']],
  ]);
  // Each entity and each answer once, in order; training makes an example of each answer.
  expect(shown(taskOf('record'), RECORD)).toEqual([
    [
      'record query: They like @placeholder entities: Bhutto, Zoe Bhutto passage: Zoe Bhutto came. Bhutto led',
      ['Bhutto', 'Zoe Bhutto'],
    ],
  ]);
  // A noun that the pronoun does not stand for is not an answer to learn.
  const wsc = 'wsc: Mark told Pete many lies about himself. *He* should have been more skeptical.';
  expect(shown(taskOf('wsc'), WSC)).toEqual([[wsc, []]]);
  expect(shown(taskOf('wsc'), { ...WSC, label: true })).toEqual([[wsc, ['Mark']]]);
});

test('diagnostic sets are read as RTE', () => {
  const [broad, paired] = DIAGNOSTICS;
  const row = { sentence1: 'The cat sat.', sentence2: 'The cat ran.', idx: 0, label: 'not_entailment', logic: '' };
  expect(shown(broad.text, row, 'test')).toEqual([
    ['rte hypothesis: The cat ran. premise: The cat sat.', ['not_entailment']],
  ]);
  const own = { premise: 'A met B because she called.', hypothesis: 'B called.', idx: 1, pair_id: 40 };
  expect(shown(paired.text, own, 'test')).toEqual([
    ['rte hypothesis: B called. premise: A met B because she called.', undefined],
  ]);
  expect(() => paired.text.examples({ ...own, pair_id: undefined }, place, 'test')).toThrow(
    'val.jsonl, line 3: pair_id',
  );
});

test('the pronoun stands apart from punctuation, as in the row that T5 repairs by hand', () => {
  const text =
    'The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite loud. "Good for him," he said. ';
  const target = { span1_text: 'John', span1_index: 14, span2_text: 'him', span2_index: 21 };
  expect(shown(taskOf('wsc'), { text, target, idx: 1, label: false })[0][0]).toBe(
    'wsc: The boy continued to whip the pony , and eventually the pony threw him over. John laughed out quite loud. "Good for *him* ," he said.',
  );
});

test('a noun that differs from the text in case or a full stop is answered as the text has it', () => {
  const row = { ...WSC, target: { ...WSC.target, span1_text: 'mark.' }, label: true };
  expect(shown(taskOf('wsc'), row)[0][1]).toEqual(['Mark']);
});

test.each([
  ['bunny', 'the fuzzy bunny', true],
  ['The Fuzzy  bunny', 'a bunny', true],
  ['Bob', "Bob's hat", false],
  ["Bob's hat", "the hat of Bob's", true],
  ["Bob's", "Bob's hat", true],
  ['cat', 'dog', false],
  // T5 compares with the empty word, which is not a word of any noun.
  ['cat', 'their', false],
])('that %p means the noun %p is %p', (text, noun, means) => {
  expect(meansNoun(text, noun)).toBe(means);
});

test('each task has the metrics of the benchmark, and a text that is not a label is wrong', () => {
  const boolq = taskOf('boolq');
  const rows = [BOOLQ, BOOLQ, { ...BOOLQ, label: false }];
  expect(boolq.metrics(said(boolq, rows, ['True', 'true', 'False']))).toEqual({ accuracy: 2 / 3 });
  const cb = taskOf('cb');
  const labels = ['entailment', 'contradiction', 'neutral', 'neutral'];
  const results = said(
    cb,
    labels.map((label) => ({ ...CB, label })),
    ['entailment', 'contradiction', 'entailment', 'perhaps'],
  );
  // F1 of the classes: 2/3, 1 and 0; an unknown text is a miss of its class, and no other class's.
  expect(cb.metrics(results)).toEqual({ accuracy: 0.5, f1: expect.closeTo(5 / 9, 12) as number });
  const multirc = taskOf('multirc');
  expect(multirc.metrics(said(multirc, [MULTIRC], ['False', 'True', 'False']))).toEqual({
    f1: expect.closeTo(2 / 3, 12) as number,
    exactMatch: 0.5,
  });
  // T5: an unknown text is the other class than the right one, here a false positive.
  expect(multirc.metrics(said(multirc, [MULTIRC], ['?', 'True', 'True']))).toEqual({
    f1: expect.closeTo(4 / 5, 12) as number,
    exactMatch: 0.5,
  });
  const record = taskOf('record');
  expect(record.metrics(said(record, [RECORD, RECORD], ['the bhutto', 'Zoe Karachi']))).toEqual({
    f1: 0.75,
    exactMatch: 0.5,
  });
  const wsc = taskOf('wsc');
  const nouns = [{ ...WSC, label: true }, WSC, WSC, WSC];
  expect(wsc.metrics(said(wsc, nouns, ['the mark', 'Mark', 'Pete', 'the']))).toEqual({ accuracy: 0.5 });
});

test('AX-b has the correlation, and AX-g the accuracy and the share of pairs with one prediction', () => {
  const [broad, paired] = DIAGNOSTICS.map(({ text }) => text);
  const rowOf = (label: string, pair = 0): object => ({
    ...{ sentence1: 'a', sentence2: 'b', premise: 'a', hypothesis: 'b', idx: 0, pair_id: pair },
    label: label === '+' ? 'entailment' : 'not_entailment',
  });
  const sayings = (texts: string): string[] => [...texts].map((one) => (one === '+' ? 'entailment' : 'not_entailment'));
  const broadly = (right: string, texts: string): Record<string, number> =>
    broad.metrics(
      said(
        broad,
        [...right].map((one) => rowOf(one)),
        sayings(texts),
        'test',
      ),
    );
  // As scikit-learn's and torchmetrics' functions compute them.
  expect(broadly('+++-', '+-++')).toEqual({ matthews: expect.closeTo(-1 / 3, 12) as number });
  expect(broadly('+++---+', '+-++--+')).toEqual({ matthews: expect.closeTo(0.416667, 5) as number });
  expect(broadly('+-', '++')).toEqual({ matthews: 0 });
  const rows = [rowOf('+', 1), rowOf('+', 1), rowOf('-', 2), rowOf('-', 2)];
  expect(paired.metrics(said(paired, rows, sayings('+--+'), 'test'))).toEqual({ accuracy: 0.5, parity: 0 });
  expect(paired.metrics(said(paired, rows, sayings('++-+'), 'test'))).toEqual({ accuracy: 0.75, parity: 0.5 });
});

test('a submission has the numbers and labels that the benchmark asks for', () => {
  const of = (id: TaskId, row: unknown, texts: string[]): object[] =>
    taskOf(id).submission(said(taskOf(id), [row], texts, 'test'));
  expect(of('boolq', BOOLQ, ['True'])).toEqual([{ idx: 7, label: 'true' }]);
  expect(of('cb', CB, ['neutral'])).toEqual([{ idx: 49, label: 'neutral' }]);
  expect(of('copa', COPA, ['choice2'])).toEqual([{ idx: 5, label: 1 }]);
  expect(of('rte', RTE, ['entailment'])).toEqual([{ idx: 3, label: 'entailment' }]);
  expect(of('wic', WIC, ['True'])).toEqual([{ idx: 2703, label: 'true' }]);
  expect(of('wsc', WSC, ['Mark'])).toEqual([{ idx: 12, label: 'True' }]);
  expect(of('wsc', WSC, ['Pete'])).toEqual([{ idx: 12, label: 'False' }]);
  expect(of('record', RECORD, ['Bhutto'])).toEqual([{ idx: 9, label: 'Bhutto' }]);
  expect(of('multirc', MULTIRC, ['True', 'False', 'True'])).toEqual([
    {
      idx: 6,
      passage: {
        questions: [
          {
            idx: 2,
            answers: [
              { idx: 333, label: 1 },
              { idx: 334, label: 0 },
            ],
          },
          { idx: 3, answers: [{ idx: 335, label: 1 }] },
        ],
      },
    },
  ]);
  // There is no place for another text: it becomes the first class.
  expect(of('boolq', BOOLQ, ['perhaps'])).toEqual([{ idx: 7, label: 'false' }]);
});

/** Examples and a digest of their texts and targets, as T5's own preprocessors (commit e081111) write them. */
const OF_T5: readonly [folder: string, part: 'train' | 'val', examples: number, digest: string][] = [
  ['BoolQ', 'train', 32, '906e16564f124aaa'],
  ['BoolQ', 'val', 32, '4290c0ccee164d7d'],
  ['CB', 'train', 32, 'ef09909b9dcc47a8'],
  ['CB', 'val', 32, 'b36736b125bc419f'],
  ['COPA', 'train', 32, '0f3dad87c21dec2d'],
  ['COPA', 'val', 32, 'c7d6e3d16be9f00c'],
  ['MultiRC', 'train', 154, '8f5468800230832c'],
  ['MultiRC', 'val', 167, '717e87001bdcb04a'],
  ['RTE', 'train', 32, '290dee7c45549fa9'],
  ['RTE', 'val', 32, '4f706f30640a82f2'],
  ['ReCoRD', 'train', 44, 'ab25c4592e2a0560'],
  ['ReCoRD', 'val', 46, 'eefcf7667a3964e2'],
  ['WiC', 'train', 32, '2d380b97f48a15e7'],
  ['WiC', 'val', 32, '368bce0a51d99fc9'],
  ['WSC', 'train', 32, '7130c96a2d84ead6'],
  ['WSC', 'val', 32, 'd5d2192f4f9a87d2'],
];

describeIf(SHARED !== undefined, 'the rows are not here', 'real rows', () => {
  test.each(OF_T5)('%s/%s has the texts of T5 to the byte', async (folder, part, examples, digest) => {
    const task = TASKS.find((one) => one.folder === folder)!;
    const read = await readTextTask(join(SHARED!, 'data/superglue'), { ...task, text: task.text! }, part);
    const lines = read.flatMap(({ parts, choices, answers }) => {
      const text = parts.map((one) => one.text).join('');
      // T5 gives the noun of negative rows of a validation set as target, too.
      const targets = folder === 'WSC' && part === 'val' ? choices : answers!;
      return targets.map((target) => `${text}\t${target}\n`);
    });
    expect(lines).toHaveLength(examples);
    expect(createHash('sha256').update(lines.join('')).digest('hex').slice(0, 16)).toBe(digest);
  });
});
