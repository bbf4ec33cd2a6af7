import { parseTree } from '../lib/json.mjs';
import { compare, itemsOf, openDataset, outcome, Wrong } from './support.mjs';

const lines = (...rows) =>
  Buffer.from(rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));

/** Texts of lines of JSON by a reading of its own, or why there are none. */
export function readLines(bytes) {
  const texts = [];
  for (const [i, line] of bytes.toString('latin1').split('\n').entries()) {
    if (/^[ \t\r]*$/.test(line)) continue;
    let text;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(line, 'latin1'));
    } catch {
      return { problem: `line ${i + 1} is not UTF-8` };
    }
    if (i === 0) text = text.replace(/^\ufeff/, '');
    let tree;
    try {
      tree = parseTree(text);
    } catch {
      return { problem: `line ${i + 1} is not JSON` };
    }
    const value = JSON.parse(text)?.text;
    if (!tree.object || typeof value !== 'string') return { problem: `line ${i + 1} has no text` };
    if (!value.isWellFormed()) return { problem: `line ${i + 1} has half of a surrogate pair` };
    texts.push(value);
  }
  return { texts };
}

/** Reads a file of lines and compares the texts. */
export async function checkLines(path, bytes) {
  const oracle = readLines(bytes);
  const options = { files: path, tokenizer: 'bytes', shuffle: false, repeat: false, appendEos: false };
  const read = await outcome(async () => itemsOf(await openDataset('jsonl', options), 5000));
  const items = compare(read, oracle.problem);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const texts = items.map(({ tokens }) => decoder.decode(Uint8Array.from(tokens.values, (id) => id - 3)));
  const expected = oracle.texts.slice(0, 5000);
  const at = texts.findIndex((text, i) => text !== expected[i]);
  if (at >= 0 || texts.length !== expected.length)
    throw new Wrong(`text ${at + 1} of ${texts.length} is not what its line has (${expected.length} lines)`);
}

export const LINES = lines(
  { text: 'one' },
  '',
  { text: 'two é', more: [1, { a: null }] },
  { id: 12345678901, text: 'three \u{1f600}' },
  '  ',
  { text: 'four\n' },
);

export default {
  what: 'lines of JSON',
  seeds: async () => [
    { 'a.jsonl': LINES },
    { 'a.jsonl': lines('\ufeff{"text": "a"}', '{"text":"b","x":1.50}\r', '{"text":"\\u00e9\\ud83d\\ude00"}') },
  ],
  check: (folder, files) => checkLines(`${folder}/a.jsonl`, files['a.jsonl']),
};
