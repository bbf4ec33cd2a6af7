import { HuggingFaceTokenizer } from '@graft/text';
import { spawnSync } from 'node:child_process';
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describeIf, temporaryFolder } from '../support';
import { hasModules, PYTHON } from '../support/peers';
import { realTokenizer, type RealTokenizer } from '../support/real-tokenizers';

const isThere = hasModules('tokenizers', 'sentencepiece');

let state = 7;
const draw = (below: number): number => (state = (state * 48271) % 0x7fffffff) % below;
const one = <T>(some: readonly T[]): T => some[draw(some.length)];

// prettier-ignore
const HARD = [
  ' ', '  ', '     ', '\n', '\n\n', '\n\n\n', '\r\n', '\t', '\t\t', '▁', '▁▁', 'the', ' self', '.', '(', 'don’t', "don't", "'S", "'ſ", "I'LL",
  '12', '1234567', '²', '½', 'Ⅷ', '<eos>', '<bos>', '<start_of_turn>', '<end_of_turn>', '<unused3>', '<|im_end|>', '<|eot_id|>', '<0x41>', '<', '>', '==',
  '—', '\ufeff', '\0', 'é', 'e\u0301', '漢字', 'ひら', 'привет', 'عرب', '😀', '👩‍👩‍👧', '\u2028', '\u200d', '\u{10ffff}', 'ΑΣ', 'ß', 'İ', 'Å', 'ﬁ', '①',
  '\u0345\u0301\u0323', '한글', '\u1112\u1161\u11ab', '\u3099か\u3099', '१२३', '\u{1e4d0}', '\u{323b0}', '\u088f', '\ua7ce', '\u0295', '\x85', '\xa0',
  '\u3000', '\x1f', '\x7f', '\ufffe', '\ufffd', '\ud7ff', '\ue000', 'word'.repeat(40), 'aaaaaaa', '!!!!!!', '...', "''", '_', 'a_b', 'http://x.y/z?q=1',
  '{\n    "a": 1,\n}', '    return x\n\n\n', '<table>', '</table>', '<unk>', '[MASK]', '<b>', '<bb>', '<b', 'THE', 'x y', 'cat', 'concatenate', ' a',
];

const mixture = (): string => Array.from({ length: 1 + draw(14) }, () => one(HARD)).join('');
/** Code points of all planes; the halves of surrogate pairs are none. */
const anything = (): string =>
  Array.from({ length: 1 + draw(30) }, () => {
    const code = draw(one([0x80, 0x80, 0x800, 0x10000, 0x110000]));
    return String.fromCodePoint(code >= 0xd800 && code < 0xe000 ? 0x20 : code);
  }).join('');
const texts = (mixtures: number, others: number): string[] => [
  ...['', ' ', '\n', ...HARD],
  ...Array.from({ length: mixtures }, mixture),
  ...Array.from({ length: others }, anything),
];

type Encoded = readonly [ids: number[], plain?: string, whole?: string];

/** What differs first of the ids and texts of one tokenizer; undefined where all are equal. */
function difference(tokenizer: HuggingFaceTokenizer, some: readonly string[], encoded: readonly Encoded[]): unknown {
  for (const [i, text] of some.entries()) {
    const [ids, plain, whole] = encoded[i];
    const ours = Array.from(tokenizer.encode(text));
    if (String(ours) !== String(ids)) return { text, ours, published: ids };
    if (plain !== undefined && tokenizer.decode(ids) !== plain) return { ids, ours: tokenizer.decode(ids), plain };
    if (whole === undefined) continue;
    const kept = tokenizer.decode(ids, { keepSpecial: true });
    if (kept !== whole) return { ids, ours: kept, whole };
  }
  return undefined;
}

/** Number of places that a text may be cut at; throws where the parts have other ids than the whole. */
function checkCuts(tokenizer: HuggingFaceTokenizer, text: string): number {
  const characters = Array.from(text);
  let ids: number[] | undefined;
  let cuts = 0;
  for (let i = 1; i < characters.length; i++) {
    if (!tokenizer.separates(characters[i - 1], characters[i])) continue;
    ids ??= Array.from(tokenizer.encode(text));
    const parts = [characters.slice(0, i), characters.slice(i)].map((part) => tokenizer.encode(part.join('')));
    expect([text, i, ...parts.flatMap((part) => Array.from(part))]).toEqual([text, i, ...ids]);
    cuts++;
  }
  return cuts;
}

describeIf(
  isThere,
  'the published tokenizer library is not installed; `npm run test:peers` does it',
  'tokenizers of every component in the published library',
  () => {
    const base = temporaryFolder();
    const python = (...args: string[]): void => {
      const { status, stderr } = spawnSync(PYTHON, args, {
        encoding: 'utf8',
        env: { ...process.env, RUST_BACKTRACE: '0' },
        maxBuffer: 1 << 28,
      });
      if (status !== 0) throw new Error(stderr.split('\n').slice(-8).join('\n'));
    };

    test('every tokenizer gives the published ids and texts, or is refused', async () => {
      const some = texts(230, 200);
      const [given, output, folder] = ['texts.json', 'said.jsonl', 'tokenizer'].map((name) => join(base, name));
      mkdirSync(folder);
      writeFileSync(given, JSON.stringify(some));
      python(join(__dirname, 'tokenizer_parts.py'), given, output);
      const different: unknown[] = [];
      const refused = new Map<string, number>();
      const count = { tokenizers: 0, equal: 0, texts: 0, cuts: 0, failsThere: 0 };
      for await (const line of createInterface({ input: createReadStream(output) })) {
        const { name, file, encoded } = JSON.parse(line) as { name: string; file: object; encoded?: Encoded[] };
        count.tokenizers++;
        writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(file));
        const tokenizer = await HuggingFaceTokenizer.open({
          path: folder,
          ...{ padToken: '<unk>', eosToken: '<unk>', bosToken: '<unk>' },
        }).catch((error: Error) => error.message.replace(/^.*cannot be used: /, ''));
        if (typeof tokenizer === 'string') {
          refused.set(tokenizer, (refused.get(tokenizer) ?? 0) + 1);
          continue;
        }
        if (!encoded) {
          count.failsThere++;
          continue;
        }
        const found = difference(tokenizer, some, encoded);
        if (found) different.push({ name, found });
        else count.equal++;
        count.texts += some.length;
        for (const text of some.filter((_, i) => i % 12 === 0)) count.cuts += checkCuts(tokenizer, text);
      }
      const reasons = [...refused].map(([reason, times]) => `  ${times} x ${reason}`).join('\n');
      console.log(`${JSON.stringify(count)}\nrefused:\n${reasons}`);
      expect(different).toEqual([]);
      expect(count.equal).toBeGreaterThan(800);
      expect(count.cuts).toBeGreaterThan(50_000);
      expect(count.failsThere).toBeLessThan(20);
    }, 900_000);

    test.each<[RealTokenizer, object]>([
      ['gemma2', {}],
      ['gemma3', {}],
      ['llama3', { padToken: '<|eot_id|>' }],
      ['qwen3', { bosToken: '<|im_start|>' }],
    ])('%s gives the published ids with and without cached words, and in parts', async (name, special) => {
      const found = realTokenizer(name);
      if ('missing' in found) return console.log(`${name} (skipped: ${found.missing})`);
      const some = [...texts(3000, 3000), readFileSync(__filename, 'utf8')];
      const [given, output] = ['texts.json', `${name}.json`].map((file) => join(base, file));
      writeFileSync(given, JSON.stringify(some));
      python(join(__dirname, 'real_tokenizer.py'), join(found.folder, 'tokenizer.json'), given, output);
      const encoded = JSON.parse(readFileSync(output, 'utf8')) as Encoded[];
      const tokenizer = await HuggingFaceTokenizer.open({ path: found.folder, ...special });
      // Twice: words that are remembered must not differ from words that are not.
      for (let round = 0; round < 2; round++) expect(difference(tokenizer, some, encoded)).toBeUndefined();
      let cuts = 0;
      for (const text of some.slice(0, 500)) cuts += checkCuts(tokenizer, text);
      console.log(`${name}: ${some.length} texts, ${cuts} cuts`);
      expect(cuts).toBeGreaterThan(1000);
    }, 300_000);
  },
);
