/** Datasets with a tokenizer for each side. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { components, folderWith, lists, openDataset, take } from '../../test-support/datasets';
import { tokenizerJson } from '../../test-support/tokenizer-json';

const encoder = { use: 'huggingface', path: folderWith({ 'tokenizer.json': JSON.stringify(tokenizerJson()) }) };
const tokenizer = { encoder, decoder: { use: 'bytes' } };
const rows = folderWith({
  'pairs.jsonl': '{"q": "the cat", "a": "the cat"}\n{"q": "and", "a": "x"}\n',
  'chats.jsonl': JSON.stringify({
    messages: [
      { role: 'user', content: 'the' },
      { role: 'assistant', content: 'the' },
    ],
  }),
  'text.txt': 'the and',
});
const order = { shuffle: false, repeat: false };
const pairs = { files: join(rows, 'pairs.jsonl'), source: 'q', target: 'a', tokenizer, ...order };
const ids = async (text: string): Promise<number[]> =>
  Array.from((await components().create('tokenizer', encoder)).encode(text));
const bytes = (text: string): number[] => [...text].map((one) => one.charCodeAt(0) + 3);

it('rows encode sources by the encoder’s tokenizer and targets by the decoder’s', async () => {
  const dataset = await openDataset('jsonl', pairs);
  expect([dataset.tokenizer?.vocabularySize, dataset.tokenizers?.decoder.vocabularySize]).toEqual([259, 259]);
  const items = await take(dataset, 5);
  expect(lists(items, 'source')).toEqual([await ids('the cat'), await ids('and')]);
  expect(lists(items, 'target')).toEqual([
    [...bytes('the cat'), 1],
    [...bytes('x'), 1],
  ]);
});

it('packed rows are padded by each side’s own token', async () => {
  const padToken = '<unk>';
  const own = { ...tokenizer, encoder: { ...encoder, padToken } };
  const pack = { sourceTokens: 12, targetTokens: 12 };
  const [row] = await take(await openDataset('jsonl', { ...pairs, tokenizer: own, pack }), 1);
  expect([row.source.values[11], row.target.values[11]]).toEqual([3, 0]);
  expect(Array.from(row.target_segments.values)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 0, 0]);
});

it('texts are cut into windows of the decoder’s tokens', async () => {
  const options = { files: join(rows, 'text.txt'), tokenizer, lengthTokens: 4, ...order };
  const dataset = await openDataset('text', options);
  expect(lists(await take(dataset, 2), 'tokens')).toEqual([bytes('the '), [...bytes('and'), 1]]);
  expect(dataset.tokenizers?.encoder.vocabularySize).toBeGreaterThan(259);
});

it('conversations are read in the format of the encoder’s tokenizer and answered in that of the decoder’s', async () => {
  const template =
    '{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}';
  writeFileSync(join(encoder.path, 'chat_template.jinja'), template);
  const dataset = await openDataset('chat', { files: join(rows, 'chats.jsonl'), tokenizer, ...order });
  const items = await take(dataset, 1);
  expect(lists(items, 'source')).toEqual([await ids('[user] the[assistant] ')]);
  // The decoder's has no template: Gemma's markup.
  expect(lists(items, 'target')).toEqual([[...bytes('the<end_of_turn>'), 1]]);
});

it('a mixture needs the same two tokenizers of all its datasets', async () => {
  const dataset = { use: 'jsonl', ...pairs };
  const mixed = await openDataset('mixture', { datasets: [{ dataset }, { dataset }] });
  expect(mixed.tokenizers?.decoder.vocabularySize).toBe(259);
  const other = { ...dataset, tokenizer: 'bytes' };
  await expect(openDataset('mixture', { datasets: [{ dataset }, { dataset: other }] })).rejects.toThrow(
    'dataset.datasets: number 1 has a tokenizer for each side, number 2 has others; one model reads all of them.',
  );
});

it('positions belong to the vocabularies of both tokenizers', async () => {
  const position = (await openDataset('jsonl', pairs)).position();
  const other = { ...tokenizer, encoder: { use: 'bytes' } };
  const changed = await openDataset('jsonl', { ...pairs, tokenizer: other });
  expect(() => changed.restore(position)).toThrow('The saved data position belongs to other data');
  await (await openDataset('jsonl', pairs)).restore(position);
});
