import { HuggingFaceTokenizer, learnMerges, trainTokenizer } from '@graft/text';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeIf, ROOT, SHARED, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';

const isThere = hasModules('transformers', 'tokenizers');

interface Published {
  readonly encoded: readonly { ids: number[]; whole: number[]; text: string }[];
  readonly special: Readonly<Record<string, number>>;
  readonly size: number;
  readonly inputs: readonly string[];
  readonly merges: readonly [string, string][];
  readonly vocab: Readonly<Record<string, number>>;
}

/** Real text: Shakespeare where a developer has it, otherwise the repository's own pages. */
const FILES = [
  SHARED === undefined ? join(ROOT, 'docs', '*.md') : join(SHARED, 'data', 'tinyshakespeare.txt'),
  join(ROOT, 'README.md'),
  join(ROOT, 'plugins', 'text', 'src', '*.ts'),
];

let state = 7;
const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;

/** Stretches of real text, and mixtures of what is hard. */
function texts(): string[] {
  const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
  const real = [read('README.md'), read('docs/data.md'), read('plugins/text/src/tokenizers/training/word-counts.ts'), read('package.json')];
  const hard = [' ', '  ', '     ', '\n', '\n\n', '\r\n', '\t', '▁', '▁▁', 'the', ' self', '.', '(', 'don’t', '12', '²', '½'];
  hard.push('<eos>', '<start_of_turn>', 'user', '<end_of_turn>', '<unused3>', '<0x41>', '<', '>', '==', '—', '\ufeff', '\0');
  hard.push('é', 'e\u0301', '漢字', 'ひら', 'привет', 'عرب', '😀', '👩‍👩‍👧', '\u2028', '\u200d', '\u{10ffff}');
  const stretch = (): string => {
    const text = real[draw(real.length)];
    const from = draw(text.length);
    // As UTF-8 has it: halves of characters become U+FFFD.
    return Buffer.from(text.slice(from, from + 1 + draw(300))).toString();
  };
  const mixture = (): string => Array.from({ length: 1 + draw(14) }, () => hard[draw(hard.length)]).join('');
  return [...real, ...Array.from({ length: 300 }, stretch), ...Array.from({ length: 1000 }, mixture)];
}

describeIf(
  isThere,
  'the published tokenizer libraries are not installed; `npm run test:peers` does it',
  'a trained tokenizer in the published libraries',
  () => {
    const base = temporaryFolder();

    function ask(folder: string, some: readonly string[], words?: object): Published {
      const [given, published, asked] = ['texts', 'said', 'words'].map((name) => join(base, `${name}.json`));
      writeFileSync(given, JSON.stringify(some));
      if (words) writeFileSync(asked, JSON.stringify(words));
      const args = [join(__dirname, 'tokenizer.py'), folder, given, published, ...(words ? [asked] : [])];
      const { status, stderr } = spawnSync(PYTHON, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
      return JSON.parse(readFileSync(published, 'utf8')) as Published;
    }

    /** Every text has the same ids here and there, and they give back the same text. */
    async function compare(folder: string): Promise<Published> {
      const some = texts();
      const published = ask(folder, some);
      const tokenizer = await HuggingFaceTokenizer.open({ path: folder });
      // Twice: words that are remembered must not differ from words that are not.
      for (let round = 0; round < 2; round++) {
        for (const [i, text] of some.entries()) {
          const { ids, text: back } = published.encoded[i];
          expect([text, Array.from(tokenizer.encode(text))]).toEqual([text, ids]);
          expect(tokenizer.decode(ids, { keepSpecial: true })).toBe(back);
        }
      }
      const { padId: pad, eosId: eos, bosId: bos, vocabularySize } = tokenizer;
      expect(published.special).toEqual({ pad, eos, bos, unk: 3 });
      expect(published.size).toBe(vocabularySize);
      return published;
    }

    test('the published libraries give the same ids', async () => {
      const folder = join(base, 'trained');
      await trainTokenizer(folder, { files: FILES, vocabularySize: 4000, unusedTokens: 99 });
      const published = await compare(folder);
      // There a start token comes first; here that is the objective's business.
      expect(published.encoded.every(({ ids, whole }) => whole[0] === 2 && whole.length === ids.length + 1)).toBe(true);
      expect(published.inputs).toEqual(['input_ids', 'attention_mask']);
    });

    test('the ids also agree with rows of newlines and spaces, and with merges as pairs', async () => {
      const folder = join(base, 'rows');
      await trainTokenizer(folder, { files: FILES, vocabularySize: 1500 });
      const file = join(folder, 'tokenizer.json');
      const json = JSON.parse(readFileSync(file, 'utf8')) as {
        added_tokens: { id: number; content: string }[];
        model: { vocab: Record<string, number>; merges: (string | string[])[] };
      };
      const { vocab, merges } = json.model;
      const rows = [...[1, 2, 3, 4, 5].map((n) => '\n'.repeat(n)), ...[2, 3, 4, 5].map((n) => '▁'.repeat(n)), '<table>'];
      for (const content of rows) {
        const id = (vocab[content] ??= Object.keys(vocab).length);
        const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
        json.added_tokens.push({ id, content, ...flags } as { id: number; content: string });
      }
      json.added_tokens.sort((a, b) => a.id - b.id);
      json.model.merges = merges.map((merge) => (merge as string).split(' '));
      writeFileSync(file, JSON.stringify(json));
      await compare(folder);
    });

    test('training learns the merges of the published trainer', async () => {
      const folder = join(base, 'for-the-trainer');
      await trainTokenizer(folder, { files: FILES, vocabularySize: 300 });
      const words: Record<string, number> = {};
      for (const text of texts().slice(0, 4))
        for (const word of text.match(/[a-zA-Z]+/g) ?? []) words[` ${word}`.replace(' ', '▁')] = 1 + draw(9);
      const asked = { words, reserved: ['<pad>', '<eos>'], vocabularySize: 700, minFrequency: 2 };
      const published = ask(folder, [], asked);
      const alphabet = [...new Set(Object.keys(words).join(''))].sort();
      const learned = learnMerges({ ...asked, words: new Map(Object.entries(words)), alphabet, longestToken: Infinity });
      expect(learned.merges).toEqual(published.merges);
      expect(Object.fromEntries(learned.tokens.map((token, id) => [token, id]))).toEqual(published.vocab);
    });
  },
);
