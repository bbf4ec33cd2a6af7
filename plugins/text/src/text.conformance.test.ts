import { conformance, createComponent } from '@graft/testing';
import { join } from 'node:path';
import { folderWith } from '../test-support/datasets';
import { plugin } from './index';

const words = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'];
const sentences = Array.from({ length: 12 }, (_, i) => `${words[i % 6]} ${words[(i * 5 + 1) % 6]} no. ${i}`);
const folder = folderWith({
  'one.txt': sentences.slice(0, 7).join('\n\n'),
  'two.txt': sentences.slice(7).join('\n\n'),
  'rows.jsonl': sentences.map((text, i) => JSON.stringify({ question: text, answer: words[i % 6] })).join('\n'),
  'pairs.jsonl': sentences
    .map((text, i) => JSON.stringify({ prompt: text, chosen: words[i % 6], rejected: words[(i + 1) % 6] }))
    .join('\n'),
  'chat.jsonl': sentences
    .map((text, i) => {
      const messages = [
        { role: 'user', content: text },
        { role: 'assistant', content: words[i % 6] },
      ];
      return JSON.stringify({ messages });
    })
    .join('\n'),
});

const tokenizer = { use: 'bytes' };
const text = { use: 'text', files: join(folder, '*.txt'), tokenizer, lengthTokens: 12 };
const rows = { use: 'jsonl', files: join(folder, 'rows.jsonl'), tokenizer, source: '{question}', target: '{answer}' };

describe.each([
  ['text', text],
  ['text without shuffling and repeating', { ...text, shuffle: false, repeat: false }],
  ['text in documents', { ...text, separator: '\n\n', segments: true, shuffleWindows: 4 }],
  ['packed text', { ...text, lengthTokens: 40, separator: '\n\n', pack: {} }],
  ['jsonl', rows],
  ['jsonl without repeating', { ...rows, repeat: false }],
  ['chat', { use: 'chat', files: join(folder, 'chat.jsonl'), tokenizer }],
  ['preferences', { use: 'preferences', files: join(folder, 'pairs.jsonl'), tokenizer }],
  ['a mixture', { use: 'mixture', datasets: [{ dataset: text, rate: 2 }, { dataset: { ...text, lengthTokens: 9 } }] }],
] as const)('the dataset %s', (_, spec) => {
  const make = () => createComponent([plugin], 'dataset', spec);
  for (const { name, run } of conformance.dataset(make, { items: 15 })) test(name, run);
});

describe('the tokenizer bytes', () => {
  const texts = ['a', 'two words', 'ü and 日本', 'line\nbreak', '🙂'];
  for (const { name, run } of conformance.tokenizer(() => createComponent([plugin], 'tokenizer', 'bytes'), { texts }))
    test(name, run);
});
