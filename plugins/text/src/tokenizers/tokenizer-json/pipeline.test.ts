import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadOniguruma } from './oniguruma';
import { TokenizerPipeline } from './pipeline';
import { Unsupported, type Part } from './unsupported';

interface Case {
  readonly name: string;
  readonly file: Part;
  readonly encoded: readonly (readonly [ids: number[], plain?: string, whole?: string])[];
}

/** Spells the normal text in bytes, with ## before every character but the first of a piece. */
const specials = ['<pad>', '<eos>', '<bos>', '<unk>'];
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const SPELLING = {
  type: 'BPE',
  unk_token: '<unk>',
  continuing_subword_prefix: '##',
  byte_fallback: true,
  vocab: Object.fromEntries([...specials, ...bytes].map((token, id) => [token, id])),
  merges: [],
};
const build = async (file: object): Promise<TokenizerPipeline> =>
  new TokenizerPipeline({ model: SPELLING, ...file }, await loadOniguruma());

describe('the ids of the published library', () => {
  // Made by test/peers/tokenizer_parts.py.
  const [first, ...cases] = readFileSync(join(__dirname, '../../../test-support/published-ids.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case & { texts?: string[] });

  it.each(cases.map((one) => [one.name, one] as const))('%s gives the published ids', async (_, { file, encoded }) => {
    const pipeline = await build(file);
    for (const [i, text] of first.texts!.entries()) {
      const [ids, plain, whole] = encoded[i];
      expect([text, ...pipeline.encode(text)]).toEqual([text, ...ids]);
      if (plain !== undefined)
        expect([pipeline.decode(ids, false), pipeline.decode(ids, true)]).toEqual([plain, whole]);
    }
  });
});

describe('parts that Graft cannot follow exactly', () => {
  const split = (Regex: string): object => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
  });
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' };
  const strip = { type: 'Strip', strip_left: true, strip_right: false };

  it.each<[object, string]>([
    [{ normalizer: { type: 'Rot13' } }, 'normalizer Rot13 is not supported: Graft does not know this type'],
    [{ normalizer: { type: 'NFC' }, pre_tokenizer: { type: 'UnicodeScripts' } }, 'pre_tokenizer UnicodeScripts is not'],
    [{ decoder: { type: 'Reverse' } }, 'decoder Reverse is not supported'],
    [{ model: { type: 'Rules' } }, 'model Rules is not supported'],
    [{ model: { ...SPELLING, dropout: 0.1 } }, 'model BPE is not supported: its dropout draws tokens at random'],
    [{ normalizer: { type: 'Replace', pattern: {}, content: '' } }, 'it has neither a String nor a Regex as pattern'],
    [
      { normalizer: { type: 'Lowercase' }, pre_tokenizer: { type: 'Digits' } },
      'Digits is not supported: it lacks "individual_digits"',
    ],
    [split('\\bx'), 'its pattern has \\b, which Graft cannot follow exactly'],
    [split('^x'), 'its pattern has ^'],
    [split('x*'), 'its pattern matches the empty text'],
    [split('(?:x?)+y'), 'its pattern has a repetition of what may be empty'],
    [split('(?>x+)y'), 'its pattern has an atomic group'],
    [split('(x)\\1'), 'its pattern has a Backreference'],
    [split('(?:ab)++'), 'its pattern has a possessive quantifier over more than a character'],
    [split('(?i:é)'), 'its pattern has "é" within (?i)'],
    [split('(?m:.)'), 'its pattern has flags other than (?i)'],
    [split('[a-z&&[^x]]'), 'its pattern has an intersection of classes'],
    [split('\\p{Emoji}'), 'its pattern has the class Emoji'],
    [split('('), 'its pattern "(" cannot be read'],
    [{ normalizer: strip, pre_tokenizer: metaspace }, 'the normalizer may take characters away'],
    [
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] } },
      'is not its first member',
    ],
    [
      { added_tokens: [{ id: 999, content: '<x>' }] },
      'added token "<x>" is not supported: its id is 999, but the published library would give it 260',
    ],
    [{ normalizer: strip, added_tokens: [{ id: 260, content: ' ' }] }, 'nothing is left of it'],
    [
      { normalizer: { type: 'Lowercase' }, added_tokens: ['X', 'x'].map((content, i) => ({ id: 260 + i, content })) },
      'it cannot be told from "X"',
    ],
  ])('the error for %j names the part and the reason', async (file, message) => {
    await expect(build(file)).rejects.toThrow(Unsupported);
    await expect(build(file)).rejects.toThrow(message);
  });
});
