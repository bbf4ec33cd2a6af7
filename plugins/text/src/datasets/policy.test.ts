import type { Dataset, SpecialTokensSection } from '@graft/core';
import { mergeSpecialTokens } from '@graft/core/internal';
import { join } from 'node:path';
import { components, folderWith, lists, take } from '../../test-support/datasets';
import { BytesTokenizer } from '../tokenizers/bytes';

const turns = ['user', 'model'].map((role) => ({ role, content: 'hi' }));
const folder = folderWith({
  'a.txt': 'ab',
  'b.txt': 'ab',
  'rows.jsonl': JSON.stringify({ text: 'ab', question: 'q', answer: 'a', messages: turns }),
});
const tokenizer = new BytesTokenizer();
const open = (use: string, options: object, section: SpecialTokensSection): Promise<Dataset> =>
  components(0, mergeSpecialTokens(section)).create('dataset', {
    use,
    ...{ files: join(folder, use === 'text' ? '*.txt' : '*.jsonl'), tokenizer: 'bytes', repeat: false, shuffle: false },
    ...options,
  });

test.each<[string, string, object]>([
  ['tokens', 'text', { lengthTokens: 3 }],
  ['tokens', 'jsonl', {}],
  ['target', 'jsonl', { source: 'question', target: 'answer' }],
  ['target', 'chat', {}],
])('%s of %s: the policy on end tokens overrides the option', async (field, use, options) => {
  const ends = async (section: SpecialTokensSection, appendEos: boolean): Promise<boolean> => {
    const items = await take(await open(use, { ...options, appendEos }, section), 9);
    return lists(items, field).flat().includes(tokenizer.eosId);
  };
  expect(await ends({}, true)).toBe(true);
  expect(await ends({ encoder: { eos: false } }, true)).toBe(true);
  expect(await ends({ decoder: { eos: false } }, true)).toBe(false);
  expect(await ends({}, false)).toBe(false);
  expect(await ends({ eos: true }, false)).toBe(true);
});

test("a dataset has its tokenizer's ids, and a mixture those of its members", async () => {
  const ids = { padId: 0, bosId: 2, eosId: 1 };
  expect((await open('jsonl', {}, {})).tokenizer).toMatchObject(ids);
  const datasets = [1, 2].map(() => ({
    dataset: { use: 'jsonl', files: join(folder, 'rows.jsonl'), tokenizer: 'bytes' },
  }));
  const mixture = await components().create('dataset', { use: 'mixture', datasets });
  expect(mixture.tokenizer).toMatchObject(ids);
});
