import { itemsOf, openDataset } from './support.mjs';

const lines = (...rows) => Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n'));
const turn = (role, content, more) => ({ role, content, ...more });

export default {
  what: 'rows of conversations',
  seeds: async () => [
    {
      'a.jsonl': lines(
        { messages: [turn('user', 'q'), turn('assistant', 'a')] },
        {
          messages: [
            turn('user', 'q'),
            turn('assistant', 'a'),
            turn('user', 'r', { name: 'x' }),
            turn('assistant', 'b \u{1f600}'),
          ],
        },
      ),
    },
    {
      'a.jsonl': lines({
        messages: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: 'a' },
        ],
        id: 1.5,
      }),
    },
  ],
  async check(folder) {
    for (const answers of ['last', 'every']) {
      const options = { files: `${folder}/a.jsonl`, tokenizer: 'bytes', shuffle: false, repeat: false, answers };
      await itemsOf(await openDataset('chat', options), 500);
    }
  },
};
