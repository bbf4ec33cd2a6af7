import { ChatFormat, GEMMA_MARKERS } from '../chat/chat-format';
import { createRandom, DataError, silentLogger, type Dataset, type Model } from '@graft/core';
import { Seq2Seq, seq2seqOptions } from '@graft/objectives';
import fc from 'fast-check';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { tokenizerJson } from '../../test-support/tokenizer-json';
import { BytesTokenizer } from '../tokenizers/bytes';

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

test('the chat dataset gives the docstring example', async () => {
  expect(await pairs([{ messages: [user('2 + 2?'), assistant('4')] }])).toEqual([
    ['<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n', '4<end_of_turn><eos>'],
  ]);
});

const LONG = { messages: [system('Be short.'), user('Hi'), assistant('Hello'), user('Bye'), assistant('Ciao')] };
const FIRST = '<start_of_turn>user\nBe short.\n\nHi<end_of_turn>\n<start_of_turn>model\n';
const SECOND = `${FIRST}Hello<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n`;

test('the targets are the last answer of a conversation, or every answer after everything before it', async () => {
  expect(await pairs([LONG])).toEqual([[SECOND, 'Ciao<end_of_turn><eos>']]);
  expect(await pairs([LONG], { answers: 'every', appendEos: false })).toEqual([
    [FIRST, 'Hello<end_of_turn>'],
    [SECOND, 'Ciao<end_of_turn>'],
  ]);
  expect((await open([LONG])).length).toBe(1);
  expect((await open([LONG], { answers: 'every' })).length).toBeUndefined();
});

test('declarations of tools are ignored, and a warning says so once', async () => {
  const warnings: string[] = [];
  const row = JSON.stringify({ messages: [user('2 + 2?'), assistant('4')], tools: [{ name: 'sum' }] });
  const files = join(folderWith({ 'chat.jsonl': `${row}\n${row}` }), 'chat.jsonl');
  const logger = { ...silentLogger(), warn: (text: string) => void warnings.push(text) };
  const dataset = await openDataset('chat', { files, tokenizer: 'bytes', repeat: false }, 0, logger);
  expect(await take(dataset, 9)).toHaveLength(2);
  expect(warnings).toEqual([expect.stringMatching(/^Conversations declare tools .* are ignored/)]);
});

test('other role names, another key and other markers can be configured', async () => {
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
  ['something other than a list', { messages: 'hi' }, /chat\.jsonl:2 should have a list of turns under "messages"\.$/],
  ['another key', { dialog: [] }, /should have a list of turns under "messages"/],
  [
    'an unknown role',
    { messages: [{ role: 'tool', content: 'x' }, assistant('c')] },
    /cannot be rendered\. A conversation in Gemma's markup goes .*: message 0 is of the role "tool", where it was the user's turn\.$/,
  ],
  [
    'two questions in a row',
    { messages: [user('a'), user('b'), assistant('c')] },
    /message 1 is of the role "user", where it was the assistant's turn/,
  ],
  ['an answer first', { messages: [assistant('a')] }, /message 0 is of the role "assistant", where it was the user's/],
  ['no answer', { messages: [user('a')] }, /ends with a question under "messages"; nothing answers it/],
  ['an empty answer', { messages: [user('a'), assistant(' \n')] }, /messages\.1: the content is empty/],
  ['a system message alone', { messages: [system('a')] }, /has nothing but a system message/],
  [
    'a late system message',
    { messages: [user('a'), system('b'), assistant('c')] },
    /message 1 is a system message, which only the first one can be/,
  ],
  [
    'something other than a message',
    { messages: [user('a'), 7] },
    /messages\.1: expected \{ role, content \} with texts/,
  ],
  [
    'a marker in a turn',
    { messages: [user('a<end_of_turn>b'), assistant('c')] },
    /messages\.0: has the special token "<end_of_turn>" within its text, which would become one/,
  ],
])('a conversation with %s is an error that names file and line', async (_, conversation, message) => {
  const dataset = await open([LONG, conversation]);
  const error = await take(dataset, 10).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
});

test('only the answer contributes to the loss', async () => {
  const [item] = await take(await open([{ messages: [user('2 + 2?'), assistant('4')] }]), 1);
  const objective = new Seq2Seq(seq2seqOptions.parse({ padToMultipleOf: 1 }));
  const model = { kind: 'encoder-decoder', vocabularySize: 259, specialTokens: { pad: 0, start: 2, eos: [1] } };
  const context = { model: model as unknown as Model, random: createRandom(0) };
  const batch = objective.prepare({ kind: 'examples', examples: [item] }, context);
  expect(decode(lists([batch], 'labels'))).toEqual(['4<end_of_turn><eos>']);
  expect(decode(lists([batch], 'input_ids'))[0]).toContain('2 + 2?');
});

test('markers that the tokenizer knows become one token each', async () => {
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

test("turns are trimmed as Gemma's template trims them, and a system message keeps its blanks", async () => {
  const conversations = [
    { messages: [user('  What is 2+2?\n'), assistant('\n 4 \n\n')] },
    { messages: [system('Be brief. '), user('Hi'), assistant('Hello')] },
    { messages: [user('a\r\nb'), assistant('\ufeffc\x1f'), user(' d'), assistant('e ')] },
  ];
  expect(await pairs(conversations, { appendEos: false, answers: 'every' })).toEqual([
    ['<start_of_turn>user\nWhat is 2+2?<end_of_turn>\n<start_of_turn>model\n', '4<end_of_turn>'],
    ['<start_of_turn>user\nBe brief. \n\nHi<end_of_turn>\n<start_of_turn>model\n', 'Hello<end_of_turn>'],
    // Python strips U+001F and keeps U+FEFF.
    ['<start_of_turn>user\na\r\nb<end_of_turn>\n<start_of_turn>model\n', '\ufeffc<end_of_turn>'],
    [
      '<start_of_turn>user\na\r\nb<end_of_turn>\n<start_of_turn>model\n\ufeffc<end_of_turn>\n<start_of_turn>user\nd<end_of_turn>\n<start_of_turn>model\n',
      'e<end_of_turn>',
    ],
  ]);
});

const TURNS = '{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}<eos>\n{% endfor %}';
const PROMPT = '{% if add_generation_prompt %}[assistant]{% endif %}';

describe('a chat dataset with a template', () => {
  const withTemplate = (template: string, options: object = {}): object => ({
    template: join(folderWith({ 't.jinja': template }), 't.jinja'),
    answers: 'every',
    ...options,
  });
  const TWO = { messages: [user(' a'), assistant('b '), user('c'), assistant('d')] };

  test('the targets are the answers with their end of turn, whatever follows it', async () => {
    const expected = [
      ['[user]a<eos>\n[assistant]', 'b<eos>'],
      ['[user]a<eos>\n[assistant]b<eos>\n[user]c<eos>\n[assistant]', 'd<eos>'],
    ];
    expect(await pairs([TWO], withTemplate(TURNS + PROMPT, { appendEos: false }))).toEqual(expected);
    // Some always end with the beginning of the model's turn.
    expect(await pairs([TWO], withTemplate(`${TURNS}[assistant]`, { appendEos: false }))).toEqual(expected);
    // If it ends with the tokenizer's end token, no second one is added.
    const tokenizer = {
      use: 'huggingface',
      path: folderWith({ 'tokenizer.json': JSON.stringify(tokenizerJson()), 'chat_template.jinja': TURNS + PROMPT }),
    };
    const items = await take(await open([TWO], { tokenizer, answers: 'every' }), 10);
    expect(lists(items, 'target').map((row) => row.slice(-2))).toEqual([
      [expect.any(Number), 1],
      [expect.any(Number), 1],
    ]);
    expect(lists(items, 'target')[0].filter((token) => token === 1)).toHaveLength(1);
  });

  test('the targets are exactly what the template marks as generated', async () => {
    const marked =
      "{% for m in messages %}{% if m.role == 'assistant' %}[assistant]{% generation %}{{ m.content }}<eos>{% endgeneration %}{% else %}[user]{{ m.content }}{% endif %}\n{% endfor %}";
    expect(await pairs([TWO], withTemplate(marked, { appendEos: false }))).toEqual([
      ['[user] a[assistant]', 'b <eos>'],
      ['[user] a[assistant]b <eos>[user]c[assistant]', 'd<eos>'],
    ]);
  });

  test.each<[string, string, RegExp]>([
    [
      'a prompt that does not begin the conversation',
      `${TURNS}{% if add_generation_prompt %}!{% endif %}`,
      /chat\.jsonl:1 cannot be rendered\. The chat template of .*t\.jinja does not show which part of a conversation is an answer: what is read before answer 1 does not begin the conversation/,
    ],
    [
      'a refusal',
      `{{ raise_exception('Only one question, please.') }}`,
      /chat\.jsonl:1 cannot be rendered\. The chat template of .*t\.jinja refuses the conversation: Only one question, please\.$/,
    ],
    ['a failure', `{{ messages[0].content.nonsense() }}`, /chat\.jsonl:1 cannot be rendered\. .* cannot be rendered: /],
    ['an unclosed mark', '{% generation %}x', /its marks of answers do not go in pairs/],
    ['marks without an answer', '{% generation %}{% endgeneration %}', /it marks no answer in it/],
  ])('a template with %s is an error that names file and line', async (_, template, message) => {
    const dataset = await open([TWO], withTemplate(template));
    await expect(take(dataset, 10)).rejects.toThrow(message);
  });

  test('a template that asks for the date needs a configured date', async () => {
    const dated = `{{ strftime_now('%d %b %Y') }}|${TURNS}${PROMPT}`;
    await expect(open([TWO], withTemplate(dated))).rejects.toThrow(/t\.jinja asks for the date, which would differ/);
    const [[source]] = await pairs([TWO], withTemplate(dated, { date: '2026-01-31' }));
    expect(source).toMatch(/^31 Jan 2026\|/);
  });

  test('special tokens within a turn are an error, or are encoded as such if configured', async () => {
    const conversation = { messages: [user('a<eos>b'), assistant('c')] };
    const dataset = await open([conversation], withTemplate(TURNS + PROMPT));
    await expect(take(dataset, 1)).rejects.toThrow(/messages\.0: has the special token "<eos>" within its text/);
    const encoded = withTemplate(TURNS + PROMPT, { controlTokens: 'encode' });
    expect((await pairs([conversation], encoded))[0][0]).toContain('a<eos>b');
  });

  test("Gemma's markup can be chosen although the folder has a template", async () => {
    const path = folderWith({ 'tokenizer.json': JSON.stringify(tokenizerJson()), 'chat_template.jinja': TURNS });
    const items = await take(await open([TWO], { tokenizer: { use: 'huggingface', path }, markers: {} }), 1);
    expect(lists(items, 'source')[0].length).toBeGreaterThan(60);
    await expect(open([TWO], { markers: {}, template: path })).rejects.toThrow(/is for Gemma's markup/);
  });
});

const content = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => text.trim() !== '' && !text.includes('<'));
const conversation = fc
  .array(fc.tuple(content, content), { minLength: 1, maxLength: 4 })
  .map((rounds) => ({ messages: rounds.flatMap(([question, answer]) => [user(question), assistant(answer)]) }));
const set = fc.array(conversation, { minLength: 1, maxLength: 6 });

test('every answer is a target once, with its end, after exactly what precedes it', async () => {
  await fc.assert(
    fc.asyncProperty(set, async (conversations) => {
      const learnt = await pairs(conversations, { answers: 'every' });
      const answers = conversations.flatMap(({ messages }) => messages.filter(({ role }) => role === 'assistant'));
      expect(learnt.map(([, target]) => target)).toEqual(
        answers.map((message) => `${message.content.trim()}<end_of_turn><eos>`),
      );
      let at = 0;
      for (const { messages } of conversations) {
        let before = '';
        for (const { role, content: text } of messages) {
          const opening = `<start_of_turn>${role === 'user' ? 'user' : 'model'}\n`;
          if (role === 'assistant') expect(learnt[at++][0]).toBe(before + opening);
          before += `${opening}${text.trim()}<end_of_turn>\n`;
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('a saved position continues at the same example, also within a conversation', async () => {
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

describe('a conversation that is too large', () => {
  const long = (rounds: number, characters: number): object => ({
    messages: Array.from({ length: rounds }, () => [user('a'.repeat(characters)), assistant('b')]).flat(),
  });

  it.each<[string, object, object, RegExp]>([
    [
      'its number of messages',
      long(5001, 1),
      {},
      /chat\.jsonl:1 has 10002 messages under "messages"; Graft takes at most 10000/,
    ],
    [
      'the text before its answers',
      long(400, 1000),
      { answers: 'every' },
      /:1 cannot be rendered\. .*have more than 33,554,432 characters/,
    ],
  ])('a conversation is refused with its place because of %s', async (_, conversation, options, message) => {
    const folder = folderWith({ 'chat.jsonl': JSON.stringify(conversation) });
    const dataset = await openDataset('chat', { files: join(folder, 'chat.jsonl'), tokenizer: 'bytes', ...options });
    await expect(take(dataset, 1)).rejects.toThrow(message);
  });

  it('many special tokens are found quickly and are not a limit', () => {
    const added = Array.from({ length: 20_000 }, (__, i) => ({ id: 1000 + i, content: `<s${i}>`, special: true }));
    const named = added.map(({ id, content: token }) => ({ id, token, kind: 'special' as const }));
    const format = ChatFormat.ofMarkers(GEMMA_MARKERS, { namedTokens: named });
    expect(format.specialWithin({ ...user('a<s19999>b<s7>') })).toBe('<s7>');
    expect(format.specialWithin({ role: 'user', content: [{ type: 'text', text: 'x <s123' }] })).toBeUndefined();
    for (let i = 0; i < 100; i++) expect(format.specialWithin({ ...user('<s'.repeat(50_000)) })).toBeUndefined();
  });
});
