import { silentLogger, type Dataset } from '@graft/core';
import { join } from 'node:path';
import { folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';

const tokenizer = new BytesTokenizer();
const user = (content: string): object => ({ role: 'user', content });
const assistant = (content: string): object => ({ role: 'assistant', content });

function open(rows: readonly object[], options: object = {}): Promise<Dataset> {
  const folder = folderWith({ 'pairs.jsonl': rows.map((row) => JSON.stringify(row)).join('\n') });
  const files = join(folder, 'pairs.jsonl');
  return openDataset('preferences', { files, tokenizer: 'bytes', repeat: false, shuffle: false, ...options });
}

async function texts(rows: readonly object[], options: object = {}): Promise<string[][]> {
  const items = await take(await open(rows, options), 1e6);
  const [sources, chosen, rejected] = ['source', 'chosen', 'rejected'].map((field) =>
    lists(items, field).map((ids) => tokenizer.decode(ids, { keepSpecial: true })),
  );
  return sources.map((source, i) => [source, chosen[i], rejected[i]]);
}

const ASKED = '<start_of_turn>user\n2 + 2?<end_of_turn>\n<start_of_turn>model\n';
const RENDERED = [ASKED, '4<end_of_turn><eos>', '5<end_of_turn><eos>'];

test('texts stay as they are, and both answers get an end of sequence', async () => {
  const row = { prompt: '2 + 2 = ', chosen: '4', rejected: '5' };
  expect(await texts([row])).toEqual([['2 + 2 = ', '4<eos>', '5<eos>']]);
  expect(await texts([row], { appendEos: false })).toEqual([['2 + 2 = ', '4', '5']]);
  expect((await open([row])).length).toBe(1);
});

test.each<[string, object]>([
  ['turns and texts', { prompt: [user('2 + 2?')], chosen: '4', rejected: '5' }],
  ['turns and turns', { prompt: [user('2 + 2?')], chosen: [assistant('4')], rejected: [assistant('5')] }],
  ['a text and turns', { prompt: '2 + 2?', chosen: [assistant('4')], rejected: [assistant('5')] }],
  ['conversations alone', { chosen: [user('2 + 2?'), assistant('4')], rejected: [user('2 + 2?'), assistant('5')] }],
  [
    'conversations and their first question',
    { prompt: '2 + 2?', chosen: [user('2 + 2?'), assistant('4')], rejected: [user('2 + 2?'), assistant('5')] },
  ],
])('%s are rendered as a conversation', async (_, row) => {
  expect(await texts([row])).toEqual([RENDERED]);
});

test('the keys can be configured, and a prompt may have several turns', async () => {
  const row = {
    messages: [{ role: 'system', content: 'Be short.' }, user('Hi'), assistant('Hello'), user('Bye')],
    good: 'Ciao',
    bad: 'No',
  };
  const [[source, chosen]] = await texts([row], { prompt: 'messages', chosen: 'good', rejected: 'bad' });
  expect(source).toMatch(/^<start_of_turn>user\nBe short\.\n\nHi<end_of_turn>.*Hello<end_of_turn>.*model\n$/s);
  expect(chosen).toBe('Ciao<end_of_turn><eos>');
});

test.each<[string, object, RegExp]>([
  [
    'a missing answer',
    { prompt: 'a', chosen: 'b' },
    /pairs\.jsonl:1 should have an answer under "rejected", .* has only prompt, chosen\.$/,
  ],
  [
    'a number',
    { prompt: 'a', chosen: 1, rejected: 'b' },
    /under "chosen", a text or a list of turns, but holds a number there/,
  ],
  [
    'a text and turns',
    { prompt: 'a', chosen: 'b', rejected: [assistant('c')] },
    /one answer as a text and one as a list/,
  ],
  [
    'no prompt',
    { chosen: 'b', rejected: 'c' },
    /should have a text or a list of turns under "prompt", to which "chosen" answers/,
  ],
  [
    'equal answers',
    { prompt: 'a', chosen: 'b', rejected: 'b' },
    /the same answer under "chosen" and "rejected", so neither is better/,
  ],
  ['an empty prompt', { prompt: '', chosen: 'b', rejected: 'c' }, /has an empty prompt under "prompt"/],
  [
    'another beginning',
    { prompt: 'a', chosen: [user('x'), assistant('b')], rejected: [user('x'), assistant('c')] },
    /a conversation under "chosen" that does not begin with what is under "prompt"/,
  ],
  [
    'different questions',
    { chosen: [user('x'), assistant('b')], rejected: [user('y'), assistant('c')] },
    /two conversations that differ before their last answers/,
  ],
  [
    'a special token in a text',
    { prompt: [user('<end_of_turn>')], chosen: 'b', rejected: 'c' },
    /chosen\.0: has the special token "<end_of_turn>" within its text/,
  ],
])('%s is an error with file and line', async (_, row, message) => {
  await expect(texts([row])).rejects.toThrow(message);
});

test('declarations of tools are ignored, and a warning says so once', async () => {
  const warnings: string[] = [];
  const row = { prompt: [user('2 + 2?')], chosen: '4', rejected: '5', tools: [{ name: 'sum' }] };
  const dataset = await openDataset(
    'preferences',
    {
      files: join(folderWith({ 'a.jsonl': [row, row].map((one) => JSON.stringify(one)).join('\n') }), 'a.jsonl'),
      tokenizer: 'bytes',
      repeat: false,
    },
    0,
    { ...silentLogger(), warn: (text: string) => void warnings.push(text) },
  );
  expect(await take(dataset, 9)).toHaveLength(2);
  expect(warnings).toEqual([expect.stringMatching(/^Conversations declare tools .* are ignored/)]);
});
