import { parquetWriteBuffer } from 'hyparquet-writer';
import { components, itemsOf, outcome, Wrong } from './support.mjs';

export const ROWS = Array.from({ length: 24 }, (_, i) => ({
  text: `row ${i} ${'é'.repeat(i % 5)}`,
  number: i * 7,
  messages: [
    { role: 'user', content: `q${i}` },
    { role: 'assistant', content: `a${i}` },
  ],
}));

export function table(options) {
  return Buffer.from(
    parquetWriteBuffer({
      rowGroupSize: 10,
      columnData: [
        { name: 'text', data: ROWS.map(({ text }) => text), type: 'STRING' },
        { name: 'number', data: ROWS.map(({ number }) => number), type: 'INT32' },
        { name: 'messages', data: ROWS.map(({ messages }) => messages), type: 'JSON' },
        { name: 'words', data: ROWS.map(({ text }) => text.split(' ')) },
        { name: 'hint', data: ROWS.map(({ text }, i) => (i % 4 ? text : undefined)), type: 'STRING', nullable: true },
      ],
      ...options,
    }),
  );
}

/** Rows of texts, of lists, and of conversations; with a split, all columns are read. */
const READINGS = [
  ['parquet', { text: '{text} {number}' }],
  ['parquet', { text: 'text', split: { holdOut: 0.5, part: 'train' } }],
  ['chat', {}],
];

export default {
  what: 'Parquet files: rows of texts, lists and conversations',
  seeds: async () => [
    { 'a.parquet': table({ codec: 'UNCOMPRESSED' }) },
    { 'a.parquet': table({ codec: 'SNAPPY' }) },
    { 'a.parquet': table({ codec: 'UNCOMPRESSED', rowGroupSize: 100 }) },
  ],
  async check(folder) {
    const open = components();
    const once = { files: `${folder}/a.parquet`, tokenizer: 'bytes', shuffle: false, repeat: false };
    const results = [];
    for (const [use, options] of READINGS) {
      const result = await outcome(async () =>
        itemsOf(await open.create('dataset', { use, ...once, ...options }), 500),
      );
      // What is not Graft's is wrong, whatever the others say.
      if (result.error && result.error.exitCode === undefined) throw result.error;
      results.push(result);
    }
    const refused = results.find(({ error }) => error);
    if (refused) throw refused.error;
    for (const { value } of results)
      if (value.some(({ tokens }) => tokens?.values.length === 0)) throw new Wrong('an example has no tokens');
  },
};
