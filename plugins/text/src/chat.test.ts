import { createRandom, DataError, type Dataset, type Model } from '@graft/core';
import { Seq2Seq, seq2seqOptions } from '@graft/objectives';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../test-support/datasets';
import { tokenizerJson } from '../test-support/tokenizer-json';
import { BytesTokenizer } from './bytes';

const tokenizer = new BytesTokenizer();
const decode = (rows: number[][]): string[] => rows.map((row) => tokenizer.decode(row, { keepSpecial: true }));

interface Message {
  role: string;
  content: string;
}
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
const system = (content: string): Message => ({ role: 'system', content });

function open(conversations: readonly object[], options: object = {}): Promise<Dataset> {
  const folder = folderWith({ 'chat.jsonl': conversations.map((one) => JSON.stringify(one)).join('\n') });
  return openDataset('chat', {
    files: join(folder, 'chat.jsonl'),
    tokenizer: 'bytes',
    repeat: false,
    shuffle: false,
    ...options,
  });
}

async function pairs(conversations: readonly object[], options: object = {}): Promise<[string, string][]> {
  const items = await take(await open(conversations, options), 1e6);
  const [sources, targets] = [decode(lists(items, 'source')), decode(lists(items, 'target'))];
  return sources.map((source, i) => [source, targets[i]]);
}

test('gives the docstring example', async () => {
  expect(await pairs([{ messages: [user('2 + 2?'), assistant('4')] }])).toEqual([
    ['<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n', '4<end_of_turn><eos>'],
  ]);
});

const LONG = { messages: [system('Be short.'), user('Hi'), assistant('Hello'), user('Bye'), assistant('Ciao')] };
const FIRST = '<start_of_turn>user\nBe short.\n\nHi<end_of_turn>\n<start_of_turn>model\n';
const SECOND = `${FIRST}Hello<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n`;

test('the last answer is learnt, or every one from what was said before it', async () => {
  expect(await pairs([LONG])).toEqual([[SECOND, 'Ciao<end_of_turn><eos>']]);
  expect(await pairs([LONG], { answers: 'every', appendEos: false })).toEqual([
    [FIRST, 'Hello<end_of_turn>'],
    [SECOND, 'Ciao<end_of_turn>'],
  ]);
  expect((await open([LONG])).length).toBe(1);
  expect((await open([LONG], { answers: 'every' })).length).toBeUndefined();
});

test('the other dialect, another key and other markers', async () => {
  const conversations = [
    {
      turns: [
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Ho' },
      ],
    },
  ];
  const markers = { startOfTurn: '[', endOfTurn: ']', user: 'u', model: 'm' };
  expect(await pairs(conversations, { messages: 'turns', markers })).toEqual([['[u\nHi]\n[m\n', 'Ho]<eos>']]);
});

test.each<[string, object, RegExp]>([
  ['no list', { messages: 'hi' }, /chat\.jsonl:2 should have a list of turns under "messages"\.$/],
  ['another key', { dialog: [] }, /should have a list of turns under "messages"/],
  [
    'an unknown role',
    { messages: [{ role: 'tool', content: 'x' }] },
    /messages\.0: the role "tool" is unknown; there are system, user/,
  ],
  [
    'two questions in a row',
    { messages: [user('a'), user('b')] },
    /messages\.1: "user" speaks, where it was the model's turn/,
  ],
  ['an answer first', { messages: [assistant('a')] }, /messages\.0: "assistant" speaks, where it was the user's turn/],
  ['no answer', { messages: [user('a')] }, /ends with a question under "messages"; nothing answers it/],
  ['an empty answer', { messages: [user('a'), assistant(' \n')] }, /messages\.1: the content is empty/],
  ['a system message alone', { messages: [system('a')] }, /has nothing but a system message/],
  [
    'a late system message',
    { messages: [user('a'), system('b')] },
    /messages\.1: a system message is the first one or none/,
  ],
  ['a message that is none', { messages: [user('a'), 7] }, /messages\.1: expected \{ role, content \} with texts/],
  [
    'a marker in a turn',
    { messages: [user('a<end_of_turn>b'), assistant('c')] },
    /has the marker "<end_of_turn>" within a turn/,
  ],
])('%s is an error that names file and line', async (_, conversation, message) => {
  const dataset = await open([LONG, conversation]);
  const error = await take(dataset, 10).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
});

test('the loss is on the answer alone', async () => {
  const [item] = await take(await open([{ messages: [user('2 + 2?'), assistant('4')] }]), 1);
  const objective = new Seq2Seq(seq2seqOptions.parse({ padToMultipleOf: 1 }));
  const model = { kind: 'encoder-decoder', vocabularySize: 259, specialTokens: { pad: 0, start: 2, eos: [1] } };
  const context = { model: model as unknown as Model, random: createRandom(0) };
  const batch = objective.prepare({ kind: 'examples', examples: [item] }, context);
  expect(decode(lists([batch], 'labels'))).toEqual(['4<end_of_turn><eos>']);
  expect(decode(lists([batch], 'input_ids'))[0]).toContain('2 + 2?');
});

test('markers that the tokenizer knows become a token each', async () => {
  const special = ['<pad>', '<eos>', '<bos>', '<unk>', '<start_of_turn>', '<end_of_turn>'];
  const path = folderWith({ 'tokenizer.json': JSON.stringify(tokenizerJson(special)) });
  const dataset = await open([{ messages: [user('and the'), assistant('in')] }], {
    tokenizer: { use: 'huggingface', path },
  });
  const [item] = await take(dataset, 1);
  const count = (field: string, id: number): number => lists([item], field)[0].filter((token) => token === id).length;
  expect([count('source', 4), count('source', 5)]).toEqual([2, 1]);
  expect(lists([item], 'target')[0].slice(-2)).toEqual([5, 1]);
});

const content = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== '' && !text.includes('<'));
const conversation = fc
  .array(fc.tuple(content, content), { minLength: 1, maxLength: 4 })
  .map((rounds) => ({ messages: rounds.flatMap(([question, answer]) => [user(question), assistant(answer)]) }));
const set = fc.array(conversation, { minLength: 1, maxLength: 6 });

test('every answer is learnt once, with its end, from exactly what was said before it', async () => {
  await fc.assert(
    fc.asyncProperty(set, async (conversations) => {
      const learnt = await pairs(conversations, { answers: 'every' });
      const answers = conversations.flatMap(({ messages }) => messages.filter(({ role }) => role === 'assistant'));
      expect(learnt.map(([, target]) => target)).toEqual(
        answers.map((message) => `${message.content}<end_of_turn><eos>`),
      );
      let at = 0;
      for (const { messages } of conversations) {
        let before = '';
        for (const { role, content: said } of messages) {
          const opening = `<start_of_turn>${role === 'user' ? 'user' : 'model'}\n`;
          if (role === 'assistant') expect(learnt[at++][0]).toBe(before + opening);
          before += `${opening}${said}<end_of_turn>\n`;
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('a position saved anywhere goes on where it was, within a conversation too', async () => {
  await fc.assert(
    fc.asyncProperty(set, fc.nat(20), async (conversations, steps) => {
      const folder = folderWith({ 'chat.jsonl': conversations.map((one) => JSON.stringify(one)).join('\n') });
      const options = { files: join(folder, 'chat.jsonl'), tokenizer: 'bytes', answers: 'every' };
      const [whole, first, second] = [1, 2, 3].map(() => openDataset('chat', options));
      const expected = lists(await take(await whole, steps + 5), 'target');
      const before = lists(await take(await first, steps), 'target');
      await (await second).restore(JSON.parse(JSON.stringify((await first).position())) as never);
      expect([...before, ...lists(await take(await second, 5), 'target')]).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});
