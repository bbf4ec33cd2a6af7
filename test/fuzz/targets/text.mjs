import { compare, itemsOf, openDataset, outcome, Wrong } from './support.mjs';

export const TEXT = Buffer.from(
  `First line, é and \u{1f600}.\n\nSecond document\r\nwith ${'many words '.repeat(40)}.\n\n\n${'x'.repeat(700)}\n\nEnd`,
);

/** Said of all files together. */
export const TOO_SHORT = /^The dataset holds (fewer than|no text)/;

/** Windows of a text file hold its bytes, each once, in order. */
export async function checkText(path, bytes) {
  let problem;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    problem = 'it is not UTF-8';
  }
  const options = { files: path, tokenizer: 'bytes', lengthTokens: 8, shuffle: false, repeat: false, appendEos: false };
  for (const more of [{}, { separator: '\n\n' }]) {
    const read = await outcome(async () => itemsOf(await openDataset('text', { ...options, ...more }), 1e6));
    const items = compare(read, problem);
    if (more.separator) continue;
    const ids = Buffer.concat(items.map(({ tokens }) => Buffer.from(Uint8Array.from(tokens.values, (id) => id - 3))));
    // The last window may be missing: it is cut off.
    if (!bytes.subarray(0, ids.length).equals(ids)) throw new Wrong('the windows do not hold what the file does');
    if (bytes.length - ids.length > 2 * options.lengthTokens)
      throw new Wrong(`${bytes.length - ids.length} bytes are missing`);
  }
}

export default {
  what: 'plain text',
  namesNone: TOO_SHORT,
  seeds: async () => [{ 'a.txt': TEXT }, { 'a.txt': Buffer.from('\ufeffshort but long enough for a window\n') }],
  check: (folder, files) => checkText(`${folder}/a.txt`, files['a.txt']),
};
