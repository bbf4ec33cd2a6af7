import fc from 'fast-check';
import { folderWith } from '../../test-support/datasets';
import { tokenizerJson } from '../../test-support/tokenizer-json';
import { TokenAuditor } from './audit';
import { BytesTokenizer } from './bytes';
import { HuggingFaceTokenizer } from './huggingface';

interface Json {
  added_tokens: object[];
  model: { vocab: Record<string, number>; merges: string[] };
}

async function opened(change: (json: Json) => void, ...merges: string[]): Promise<HuggingFaceTokenizer> {
  const json = tokenizerJson(['<pad>', '<eos>', '<bos>', '<unk>', '<unused0>'], ...merges) as Json;
  change(json);
  return HuggingFaceTokenizer.open({ path: folderWith({ 'tokenizer.json': JSON.stringify(json) }) });
}

/** Every text of at most `length` characters out of `alphabet`. */
function* textsOf(alphabet: readonly string[], length: number): Generator<string> {
  if (length === 0) return void (yield '');
  yield* textsOf(alphabet, length - 1);
  for (const text of textsExactly(alphabet, length)) yield text;
}

function* textsExactly(alphabet: readonly string[], length: number): Generator<string> {
  if (length === 0) return void (yield '');
  for (const rest of textsExactly(alphabet, length - 1)) for (const one of alphabet) yield one + rest;
}

describe('TokenAuditor', () => {
  it('the audit reports for every kind of token whether text gives it, with an example', async () => {
    const tokenizer = await opened(({ added_tokens: added, model: { vocab } }) => {
      const add = (token: string): number => (vocab[token] = Object.keys(vocab).length);
      const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
      added.push({ id: add('<br>'), content: '<br>', ...flags });
      add('<unused1>');
      add('zzz');
      add('a<br>');
    });
    const auditor = new TokenAuditor(tokenizer);
    const audit = (token: string): object => auditor.audit(tokenizer.idOf(token)!);
    expect(audit('<eos>')).toMatchObject({ kind: 'special', given: 'spelled', text: '<eos>' });
    expect(audit('<unused0>')).toMatchObject({ kind: 'unused', given: 'spelled', text: '<unused0>' });
    // Of the vocabulary, but not an added token: text is never searched for it.
    expect(audit('<unused1>')).toMatchObject({ kind: 'unused', given: 'no' });
    expect(audit('<br>')).toMatchObject({ kind: 'added', given: 'spelled', text: '<br>' });
    expect(audit('▁the')).toEqual({
      id: tokenizer.idOf('▁the'),
      token: '▁the',
      kind: 'piece',
      given: 'yes',
      text: ' the',
    });
    expect(audit('zzz')).toMatchObject({
      given: 'no',
      reason: 'merges do not lead to it: it comes out as "z" "z" "z"',
    });
    expect(audit('a<br>')).toMatchObject({ given: 'no', reason: '"<br>" inside it is found first' });
    expect(audit('<0x41>')).toMatchObject({ kind: 'byte', given: 'yes', text: 'A' });
    expect(audit('<0x61>')).toMatchObject({ kind: 'byte', given: 'no' });
    expect(audit('<0xC0>')).toMatchObject({ kind: 'byte', given: 'no' });
    expect(auditor.audit(tokenizer.vocabularySize)).toMatchObject({ kind: 'none', given: 'no' });
  });

  it('the audit agrees with all short texts, whatever the merges and their order', async () => {
    const merge = fc
      .tuple(
        fc.string({ unit: fc.constantFrom('a', 'n'), minLength: 1, maxLength: 2 }),
        fc.constantFrom('a', 'n', 'an', 'na'),
      )
      .map((pair) => pair.join(' '));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(merge, { minLength: 1, maxLength: 7 }), fc.nat(), async (merges, cut) => {
        const tokenizer = await opened(({ model }) => {
          const pieces = [...new Set(merges.flatMap((pair) => [pair.replace(' ', ''), ...pair.split(' ')]))];
          for (const piece of pieces) model.vocab[piece] ??= Object.keys(model.vocab).length;
          // Some pieces lose the merge that made them.
          model.merges = merges.filter((_, i) => i !== cut % (merges.length + 1));
        });
        const given = new Set<number>();
        for (const text of textsOf(['a', 'n'], 7)) for (const id of tokenizer.encode(text)) given.add(id);
        const auditor = new TokenAuditor(tokenizer);
        for (const [piece, id] of merges
          .flatMap((pair) => [pair.replace(' ', ''), ...pair.split(' ')])
          .map((one) => [one, tokenizer.idOf(one)!] as const)) {
          const found = auditor.audit(id);
          expect([piece, found.given]).toEqual([piece, given.has(id) ? 'yes' : 'no']);
          if (found.text !== undefined) expect(Array.from(tokenizer.encode(found.text))).toContain(id);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('the audit knows the bytes that UTF-8 never uses, and the ids that no text gives', () => {
    const auditor = new TokenAuditor(new BytesTokenizer({ vocabularySize: 262 }));
    const never = Array.from({ length: 262 }, (_, id) => auditor.audit(id)).filter(({ given }) => given === 'no');
    const bytes = never.filter(({ kind }) => kind === 'byte').map(({ id }) => id - 3);
    expect(bytes).toEqual([0xc0, 0xc1, ...Array.from({ length: 11 }, (_, i) => 0xf5 + i)]);
    expect(never.filter(({ kind }) => kind === 'special').map(({ id }) => id)).toEqual([0, 1, 2]);
    expect(never.filter(({ kind }) => kind === 'unused').map(({ token }) => token)).toEqual([
      '<unused0>',
      '<unused1>',
      '<unused2>',
    ]);
  });
});
