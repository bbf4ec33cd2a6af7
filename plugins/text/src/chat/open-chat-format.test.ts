import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderWith } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';
import { findChatTemplate, openChatFormat } from './open-chat-format';

const tokenizer = new BytesTokenizer();
const config = (value: object): string => JSON.stringify(value);
const QUESTION = [{ role: 'user', content: 'x' }];

async function rendered(files: Record<string, string | Uint8Array>, name?: string): Promise<string | undefined> {
  return (await findChatTemplate(folderWith(files), tokenizer, { name }))?.render(QUESTION);
}

test('chat_template.jinja takes precedence over chat_template.json, and that over tokenizer_config.json', async () => {
  const files = {
    'tokenizer_config.json': config({ chat_template: 'config' }),
    'chat_template.json': config({ chat_template: 'json' }),
    'chat_template.jinja': 'jinja',
  };
  expect(await rendered(files)).toBe('jinja');
  const { 'chat_template.jinja': _, ...two } = files;
  expect(await rendered(two)).toBe('json');
  expect(await rendered({ 'tokenizer_config.json': files['tokenizer_config.json'] })).toBe('config');
  expect(await rendered({ 'tokenizer_config.json': config({}) })).toBeUndefined();
});

test('one of several templates is chosen by name, otherwise it is `default` or the only one', async () => {
  const list = (...templates: [string, string][]): Record<string, string> => ({
    'tokenizer_config.json': config({ chat_template: templates.map(([name, template]) => ({ name, template })) }),
  });
  expect(await rendered(list(['tool_use', 'tools'], ['default', 'usual']))).toBe('usual');
  expect(await rendered(list(['tool_use', 'tools'], ['default', 'usual']), 'tool_use')).toBe('tools');
  expect(await rendered(list(['rag', 'rag']))).toBe('rag');
  await expect(rendered(list(['a', '1'], ['b', '2']))).rejects.toThrow(/has no chat template "default"; it has a, b\./);
  expect(await rendered({ 'tokenizer_config.json': config({ chat_template: { default: 'map' } }) })).toBe('map');
  const folder = folderWith({ 'chat_template.jinja': 'usual' });
  mkdirSync(join(folder, 'additional_chat_templates'));
  writeFileSync(join(folder, 'additional_chat_templates', 'rag.jinja'), 'rag');
  expect((await findChatTemplate(folder, tokenizer, { name: 'rag' }))?.render(QUESTION)).toBe('rag');
});

test('templates know the special tokens of tokenizer_config.json, otherwise of the tokenizer, and null means none', async () => {
  const template = '{{ bos_token }}|{{ eos_token }}|{{ pad_token }}';
  expect(await rendered({ 'chat_template.jinja': template })).toBe('<bos>|<eos>|');
  const files = {
    'chat_template.jinja': template,
    'tokenizer_config.json': config({ bos_token: null, eos_token: { content: '</s>' }, pad_token: '<p>' }),
  };
  expect(await rendered(files)).toBe('|</s>|<p>');
});

test.each<[Record<string, string | Uint8Array>, RegExp]>([
  [
    { 'chat_template.jinja': Buffer.from('é', 'latin1') },
    /chat_template\.jinja cannot be read: it is not UTF-8 \(byte 0xe9 at offset 0\)/,
  ],
  [{ 'tokenizer_config.json': '[1]' }, /tokenizer_config\.json does not hold a JSON object/],
  [{ 'tokenizer_config.json': '{"chat_template": 3}' }, /"chat_template" should be a text, or a list of/],
  [{ 'tokenizer_config.json': '{"chat_template": [{"name": "a"}]}' }, /"chat_template" should be a text, or a list of/],
  [{ 'chat_template.jinja': '{% if' }, /The chat template of .*chat_template\.jinja cannot be read: /],
])('the files %j are refused', async (files, message) => {
  await expect(rendered(files)).rejects.toThrow(message);
});

test("a folder without a template gets Gemma's markup, but a named template must exist", async () => {
  const folder = folderWith({});
  expect((await openChatFormat([folder], tokenizer)).prompt(QUESTION)).toBe(
    '<start_of_turn>user\nx<end_of_turn>\n<start_of_turn>model\n',
  );
  await expect(openChatFormat([folder], tokenizer, { name: 'rag' })).rejects.toThrow(
    /There is no chat template "rag" in/,
  );
  await expect(findChatTemplate(join(folder, 'none.jinja'), tokenizer)).rejects.toThrow(/There is no chat template at/);
  const file = join(folderWith({ 'a.jinja': 'A{{ bos_token }}' }), 'a.jinja');
  expect((await findChatTemplate(file, tokenizer))?.render(QUESTION)).toBe('A<bos>');
});

test('the end of a turn is a token, or a text that is not one token', async () => {
  const format = (template: string) => findChatTemplate(folderWith({ 'chat_template.jinja': template }), tokenizer);
  const turns = (end: string): string => `{% for m in messages %}{{ m.content }}${end}{% endfor %}`;
  expect((await format(turns('<eos>\n')))?.endOfTurn()).toEqual({ token: 1 });
  expect((await format(turns('[END]\n')))?.endOfTurn()).toEqual({ text: '[END]' });
  expect((await format(turns('\n')))?.endOfTurn()).toEqual({});
  expect((await openChatFormat([], tokenizer)).endOfTurn()).toEqual({ text: '<end_of_turn>' });
});
