import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeIf, SHARED, temporaryFolder } from '@graft/test-support';
import { findTask, readTask, TASKS, type ClassificationExample, type TaskId } from './index';

const textOf = ({ parts }: ClassificationExample): string => parts.map(({ text }) => text).join('');
const place = { file: 'val.jsonl', line: 3 };
const examplesOf = (id: TaskId, row: unknown): ClassificationExample[] => findTask(id).examples(row, place, 'val');
/** Text and the name of the class. */
const shown = (id: TaskId, row: unknown): [string, string | undefined][] =>
  examplesOf(id, row).map((example) => [
    textOf(example),
    example.label === undefined ? undefined : findTask(id).labels[example.label],
  ]);

const BOOLQ = { question: 'is ghost in the shell a film', passage: 'It is a film.', idx: 7, label: true };
const CB = { premise: "I don't think she knew.", hypothesis: 'she knew', label: 'contradiction', idx: 49 };
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
  version: 1.1,
};
const WSC = {
  text: 'Mark told Pete many lies about himself , which Pete included in his book. He should have been more skeptical.',
  target: { span1_index: 0, span1_text: 'Mark', span2_index: 14, span2_text: 'He' },
  idx: 0,
  label: false,
};
const MULTIRC = {
  idx: 6,
  version: 1.1,
  passage: {
    text: '<b>Sent 1: </b>Jason pulled a pistol.<br><b>Sent 2: </b>Kate sang.<br>',
    questions: [
      {
        question: 'Who sang?',
        answers: [
          { text: 'Jason', idx: 333, label: 0 },
          { text: 'Kate', idx: 334, label: 1 },
        ],
        idx: 2,
      },
    ],
  },
};
const RECORD = {
  source: 'CNN',
  passage: {
    text: 'Bhutto came to Karachi.\n@highlight\nBhutto led',
    entities: [
      { start: 0, end: 5 },
      { start: 15, end: 21 },
      { start: 35, end: 40 },
    ],
  },
  qas: [{ query: "They sing 'Long live @placeholder'", answers: [{ start: 0, end: 5, text: 'Bhutto' }], idx: 4756 }],
  idx: 12,
};

describe('literal rows of the benchmark', () => {
  test.each<[TaskId, unknown, [string, string][]]>([
    ['boolq', BOOLQ, [['boolq passage: It is a film. question: is ghost in the shell a film', 'true']]],
    ['cb', CB, [["cb hypothesis: she knew premise: I don't think she knew.", 'contradiction']]],
    [
      'cb',
      { ...CB, label: 'entailment' },
      [["cb hypothesis: she knew premise: I don't think she knew.", 'entailment']],
    ],
    [
      'rte',
      { premise: 'A UFO over Turkey.', hypothesis: 'It was Turkey.', label: 'not_entailment', idx: 654 },
      [['rte hypothesis: It was Turkey. premise: A UFO over Turkey.', 'not_entailment']],
    ],
    [
      'copa',
      {
        premise: 'I ironed my shirt.',
        choice1: 'It was clean.',
        choice2: 'It was wrinkled.',
        question: 'cause',
        label: 1,
        idx: 1,
      },
      [
        [
          'copa choice1: It was clean. choice2: It was wrinkled. premise: I ironed my shirt. question: cause',
          'choice2',
        ],
      ],
    ],
    [
      'wic',
      WIC,
      [['wic sentence1: *Stick* some feathers in. sentence2: A stick to *stick* with! word: stick', 'false']],
    ],
    [
      'wsc',
      WSC,
      [
        [
          'wsc text: *Mark* told Pete many lies about himself , which Pete included in his book. #He# should have been more skeptical.',
          'false',
        ],
      ],
    ],
    [
      'multirc',
      MULTIRC,
      [
        [
          'multirc question: Who sang? answer: Jason paragraph: Sent 1: Jason pulled a pistol. Sent 2: Kate sang. ',
          'false',
        ],
        [
          'multirc question: Who sang? answer: Kate paragraph: Sent 1: Jason pulled a pistol. Sent 2: Kate sang. ',
          'true',
        ],
      ],
    ],
    [
      'record',
      RECORD,
      [
        [
          "record query: They sing 'Long live Bhutto' entity: Bhutto passage: Bhutto came to Karachi. Bhutto led",
          'true',
        ],
        [
          "record query: They sing 'Long live Karachi' entity: Karachi passage: Bhutto came to Karachi. Bhutto led",
          'false',
        ],
      ],
    ],
  ])('a row of %s becomes the published texts and classes', (id, row, expected) =>
    expect(shown(id, row)).toEqual(expected),
  );

  test('ids and groups are the numbers of the benchmark', () => {
    expect(examplesOf('multirc', MULTIRC).map(({ id, group }) => [id, group])).toEqual([
      ['6/2/333', '6/2'],
      ['6/2/334', '6/2'],
    ]);
    expect(examplesOf('record', RECORD).map(({ id, group }) => [id, group])).toEqual([
      ['12/4756/0', '12/4756'],
      ['12/4756/1', '12/4756'],
    ]);
  });

  test('labels are booleans, numbers or texts, and may be missing only in a test set', () => {
    expect(examplesOf('boolq', { ...BOOLQ, label: 'false' })[0].label).toBe(0);
    expect(examplesOf('boolq', { ...BOOLQ, label: 1 })[0].label).toBe(1);
    const { label: _, ...unlabelled } = BOOLQ;
    expect(findTask('boolq').examples(unlabelled, place, 'test')[0].label).toBeUndefined();
    expect(() => examplesOf('boolq', unlabelled)).toThrow(
      'val.jsonl, line 3: label: expected one of 0, 1, false, true, False, True, got nothing.',
    );
  });

  test('positions count code points', () => {
    const row = { ...WIC, sentence1: '😀 stick', start1: 2, end1: 7 };
    expect(shown('wic', row)[0][0]).toContain('sentence1: 😀 *stick* sentence2');
  });

  test('a miscounted span is found by its text, at the nearest place, and may be within the other span', () => {
    const text = 'The cat saw the cat that it liked because it was kind.';
    const target = { span1_index: 2, span1_text: 'the cat', span2_index: 8, span2_text: 'it' };
    expect(shown('wsc', { ...WSC, text, target })[0][0]).toBe(
      'wsc text: The cat saw *the cat* that it liked because #it# was kind.',
    );
    const own = { span1_index: 0, span1_text: 'his own dog', span2_index: 0, span2_text: 'his' };
    expect(shown('wsc', { ...WSC, text: 'Tom fed his own dog.', target: own })[0][0]).toBe(
      'wsc text: Tom fed *#his# own dog*.',
    );
  });

  test.each<[string, TaskId, unknown, RegExp]>([
    [
      'another class',
      'cb',
      { ...CB, label: 'maybe' },
      /^val\.jsonl, line 3: label: expected one of entailment, contradiction, neutral, got "maybe"\.$/,
    ],
    [
      'a missing field',
      'cb',
      { ...CB, premise: undefined },
      /^val\.jsonl, line 3: premise: expected string, found nothing\.$/,
    ],
    ['a span that is not there', 'wsc', { ...WSC, text: 'Nothing of it.' }, /span1_text: "Mark" is not in the text/],
    ['a wordless span', 'wic', { ...WIC, start1: 80, end1: 90 }, /sentence1: there is no whole word from 80 to 90/],
    [
      'a query without a gap',
      'record',
      { ...RECORD, qas: [{ ...RECORD.qas[0], query: 'Hm' }] },
      /query 4756 has no @placeholder/,
    ],
    ['a partial word', 'wic', { ...WIC, start1: 1 }, /sentence1: there is no whole word from 1 to 5, but "tick"/],
    [
      'an unknown label of an answer',
      'multirc',
      JSON.parse(JSON.stringify(MULTIRC).replace('"label":1', '"label":3')),
      /line 3: passage\.questions\.0\.answers\.1\.label: expected/,
    ],
    [
      'an entity beyond the text',
      'record',
      { ...RECORD, passage: { ...RECORD.passage, entities: [{ start: 90, end: 95 }] } },
      /passage\.entities\.0: there is no text from 90 to 95/,
    ],
    ['a row that is not an object', 'boolq', 7, /line 3: the row: expected object/],
  ])('the error for %s names file, line and field', (_, id, row, message) => {
    expect(() => examplesOf(id, row)).toThrow(message);
  });
});

test.each([
  // Rows 234 and 380 of the real training set: a line break in the span where the text has a blank.
  [
    'a "willow-towered Canopy Huntertropic wrestles" as it was',
    'willow-towered Canopy\nHuntertropic wrestles',
    'a "*willow-towered Canopy Huntertropic wrestles*" as #it# was',
  ],
  // Rows 117 and 120 of the real test set: a full stop that the text lacks there.
  ['Put the traffic light where it is seen', 'The traffic light.', 'Put *the traffic light* where #it# is seen'],
  ["In Carpenter's poems it rains", "Carpenter's poems.", "In *Carpenter's poems* #it# rains"],
  ['İzmir fans İİ said Tom lost it .', 'Tom', 'İzmir fans İİ said *Tom* lost #it# .'],
])('the WSC spans are marked in: %s', (text, span, expected) => {
  const target = { span1_index: 1, span1_text: span, span2_index: 6, span2_text: 'it' };
  expect(shown('wsc', { ...WSC, text, target })[0][0]).toBe(`wsc text: ${expected}`);
});

test('a WSC span of the test set that is in several pieces is marked where it is counted', () => {
  const target = { span1_index: 0, span1_text: 'Kamenev and Zinoviev', span2_index: 6, span2_text: 'they' };
  const row = { ...WSC, text: 'Kamenev met Zinoviev in Moscow before they left', target, label: undefined };
  const [example] = findTask('wsc').examples(row, place, 'test');
  expect(textOf(example)).toBe('wsc text: *Kamenev met Zinoviev* in Moscow before #they# left');
  expect(() => findTask('wsc').examples({ ...row, label: true }, place, 'val')).toThrow(/is not in the text/);
});

test('the mean is that of the seven tasks of the paper', () => {
  expect(TASKS.filter(({ inMean }) => inMean).map(({ id }) => id)).toEqual([
    'copa',
    'wic',
    'wsc',
    'rte',
    'multirc',
    'cb',
    'boolq',
  ]);
  expect(() => findTask('boolc')).toThrow(/Did you mean "boolq"\?/);
});

test('the error for a missing file describes what was expected, and the error for bad JSON has its line number', async () => {
  const folder = temporaryFolder();
  await expect(readTask(folder, findTask('cb'), 'val')).rejects.toMatchObject({
    message: `${join(folder, 'CB', 'val.jsonl')} cannot be read: there is no such file.`,
    hint: expect.stringContaining('CB/train.jsonl') as string,
    exitCode: 2,
  });
  await mkdir(join(folder, 'CB'));
  await writeFile(join(folder, 'CB', 'val.jsonl'), `${JSON.stringify(CB)}\n\n{"premise": \n`);
  await expect(readTask(folder, findTask('cb'), 'val')).rejects.toThrow(
    /val\.jsonl, line 3: it is not JSON that can be read: value expected at character 13\.$/,
  );
});

test.each([
  [
    '{"premise": "a \\ud83d b"}',
    'val.jsonl, line 1: it is not JSON that can be read: \\ud83d is half of a surrogate pair',
  ],
  [
    '{"premise": "a", "premise": "b"}',
    'val.jsonl, line 1: it is not JSON that can be read: the key "premise" is there twice',
  ],
  [
    Buffer.from('{"premise": "caf\xe9"}', 'latin1'),
    'val.jsonl cannot be read: it is not UTF-8 (byte 0xe9 at offset 16).',
  ],
])('a file that could not be read without loss is refused: %s', async (content, message) => {
  const folder = temporaryFolder();
  await mkdir(join(folder, 'CB'));
  await writeFile(join(folder, 'CB', 'val.jsonl'), content);
  await expect(readTask(folder, findTask('cb'), 'val')).rejects.toThrow(message);
});

test.each<[string, string, object, string]>([
  [
    'wsc',
    'WSC',
    {
      text: 'a '.repeat(500_000),
      target: { span1_index: 0, span1_text: 'a', span2_index: 1, span2_text: 'a' },
      idx: 0,
    },
    'text: ',
  ],
  [
    'wsc',
    'WSC',
    { text: 'a', target: { span1_index: 0, span1_text: 'a '.repeat(5000), span2_index: 1, span2_text: 'a' }, idx: 0 },
    'target.span1_text: ',
  ],
  [
    'record',
    'ReCoRD',
    { idx: 0, passage: { text: 'ab', entities: Array.from({ length: 5000 }, () => ({ start: 0, end: 1 })) }, qas: [] },
    'passage.entities: ',
  ],
  [
    'record',
    'ReCoRD',
    { idx: 0, passage: { text: 'ab'.repeat(1000), entities: [{ start: 0, end: 1500 }] }, qas: [] },
    'passage.entities.0: it has 1501 characters',
  ],
  [
    'record',
    'ReCoRD',
    {
      idx: 0,
      passage: { text: 'ab', entities: [{ start: 0, end: 1 }] },
      qas: [{ idx: 0, query: '@placeholder'.repeat(50), answers: [{ text: 'ab' }] }],
    },
    'qas: query 0 has more than 16 @placeholder',
  ],
  [
    'multirc',
    'MultiRC',
    {
      idx: 0,
      passage: {
        text: 'a',
        questions: Array.from({ length: 200 }, () => ({
          idx: 0,
          question: 'q',
          answers: Array.from({ length: 100 }, () => ({ idx: 0, text: 'a', label: 1 })),
        })),
      },
    },
    'it makes 20000 examples',
  ],
  ['cb', 'CB', { premise: 'a', hypothesis: 'b', idx: 0, label: 'x'.repeat(100_000) }, 'label: expected one of'],
])('a row of %s that needs too much memory or work is refused with its line', async (id, name, row, problem) => {
  const folder = temporaryFolder();
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'val.jsonl'), JSON.stringify(row));
  const reading = readTask(folder, findTask(id), 'val');
  await expect(reading).rejects.toMatchObject({ code: 'superglue.bad-row' });
  await expect(reading).rejects.toThrow(`val.jsonl, line 1: ${problem}`);
  const thrown = await reading.catch((error: Error) => error.message);
  expect((thrown as string).length).toBeLessThan(1000);
});

describeIf(SHARED !== undefined, '../shared/data is not here', 'real rows', () => {
  type Json = { [key: string]: Json[] & Json } & { label: unknown };
  const folder = join(SHARED ?? '', 'data', 'superglue');

  test.each(TASKS.map(({ id }) => id))('every real row of %s becomes examples with the right labels', async (id) => {
    const task = findTask(id);
    for (const part of ['train', 'val'] as const) {
      const file = join(folder, task.folder, `${part}.jsonl`);
      expect(existsSync(file)).toBe(true);
      const rows = readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Json);
      const examples = await readTask(folder, task, part);
      expect(new Set(examples.map((example) => example.id)).size).toBe(examples.length);
      for (const example of examples) expect(textOf(example)).not.toMatch(/undefined|@placeholder|@highlight|<br>|<b>/);
      // Counted from the raw rows, without the code under test.
      const labels = rows.flatMap((row): unknown[] => {
        if (id === 'multirc') return row.passage.questions.flatMap(({ answers }) => answers.map(({ label }) => label));
        if (id === 'record')
          return row.qas.flatMap(({ answers }) => [...new Set(answers.map((answer) => answer.text as unknown))]);
        return [row.label];
      });
      if (id === 'record') expect(examples.filter(({ label }) => label === 1)).toHaveLength(labels.length);
      else {
        expect(examples).toHaveLength(labels.length);
        const names = examples.map(({ label }) => task.labels[label!]);
        const raw = labels.map((label) => (typeof label === 'number' ? task.labels[label] : String(label)));
        expect(names).toEqual(raw);
      }
    }
  });
});
