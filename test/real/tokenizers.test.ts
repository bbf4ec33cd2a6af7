/** Published tokenizers: which of their tokens are free, and which ones text can give. */
import type { Model } from '@graft/core';
import { Ul2, ul2Options } from '@graft/objectives';
import { HuggingFaceTokenizer, TokenAuditor } from '@graft/text';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support';
import { describeWithTokenizer } from '../support/real-tokenizers';

const TEXT = ['README.md', 'docs/objectives.md', 'package-lock.json', 'plugins/text/src/tokenizers/audit.ts']
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('');
// Scripts and signs that those files lack.
const MORE = 'Привет, мир! こんにちは世界 🦙👩‍👩‍👧 ﷽ \u0001\u{10ffff}\u{e000} \t\t x\r\n<table><tr>ไทย';

const CASES = {
  gemma2: {
    unused: 100,
    first: 7,
    sentinels: [
      'Sentinels: 97, <unused0> (7) to <unused96> (103).',
      'Mode tokens: R <unused97> (104), X <unused98> (105), S <unused99> (255999).',
    ],
    // Not an added token, so that text is never searched for it.
    no: [
      ['<unused99>', 255_999],
      ['▁ссср', 158_576],
      ['[toxicity=0]', 255_968],
      ['<0x01>', 218],
    ],
    spelled: [
      ['<unused0>', 7],
      ['<unused98>', 105],
      ['<end_of_turn>', 107],
      ['\n', 108],
    ],
    yes: [
      ['▁the', 573],
      ['\t'.repeat(31), 255_998],
    ],
  },
  gemma3: {
    unused: 6242,
    first: 6,
    sentinels: [
      'Sentinels: 6239, <unused0> (6) to <unused98> (104), <unused99> (256001) to <unused6238> (262140).',
      'Mode tokens: R <unused6239> (262141), X <unused6240> (262142), S <unused6241> (262143).',
    ],
    no: [
      ['▁YYYY', 146_179],
      ['▁diffformul', 189_366],
    ],
    spelled: [
      ['<unused0>', 6],
      ['<unused6241>', 262_143],
      ['<start_of_image>', 255_999],
    ],
    yes: [
      ['▁the', undefined],
      ['\ufffd', 238_479],
    ],
  },
} as const;

for (const name of ['gemma2', 'gemma3'] as const)
  describeWithTokenizer(name, `the tokens of ${name}`, (folder) => {
    const { unused, first, sentinels, ...given } = CASES[name];
    let tokenizer: HuggingFaceTokenizer;
    let auditor: TokenAuditor;
    beforeAll(async () => {
      tokenizer = await HuggingFaceTokenizer.open({ path: folder });
      auditor = new TokenAuditor(tokenizer);
    });

    it('tokens named as unused are recognised', () => {
      const found = tokenizer.namedTokens.filter(({ kind }) => kind === 'unused');
      expect(found).toHaveLength(unused);
      expect(found[0]).toEqual({ id: first, token: '<unused0>', kind: 'unused' });
    });

    it('sentinels and mode tokens are tokens that text does not give', () => {
      const special = { pad: 0, start: 2, eos: [1] };
      const model = {
        kind: 'encoder-decoder',
        vocabularySize: tokenizer.vocabularySize,
        specialTokens: special,
      } as unknown as Model;
      const objective = new Ul2(ul2Options.parse({ modeTokens: 'auto' }));
      const { tokens, notes, warnings } = objective.settle({ model, tokenizer });
      expect(notes).toEqual(sentinels);
      expect(warnings).toEqual([]);
      for (const id of [...tokens.sentinels.slice(0, 200), ...Object.values(tokens.modeTokens)])
        expect(auditor.audit(id)).toMatchObject({
          kind: 'unused',
          given: expect.stringMatching(/spelled|no/) as unknown,
        });
      // The last hundred tokens, which used to be taken, are pieces of text.
      const last = new Ul2(ul2Options.parse({ sentinels: { count: 100 } })).settle({ model, tokenizer });
      expect(last.warnings).toEqual(name === 'gemma2' ? [expect.stringContaining('99 of the 100 sentinels')] : []);
    });

    it.each(['no', 'spelled', 'yes'] as const)('the audit gives the known answer: %s', (expected) => {
      for (const [token, id = tokenizer.idOf(token)!] of given[expected] as readonly (readonly [string, number?])[]) {
        const audit = auditor.audit(id);
        expect([token, audit.token, audit.given]).toEqual([token, token, expected]);
        if (audit.text !== undefined) expect(Array.from(tokenizer.encode(audit.text))).toContain(id);
      }
    });

    it('the audit confirms all tokens that real text gives', () => {
      const ids = new Set(tokenizer.encode(TEXT + MORE));
      expect(ids.size).toBeGreaterThan(2000);
      const wrong = [...ids].filter((id) => {
        const { given: answer, kind } = auditor.audit(id);
        return answer !== (kind === 'piece' || kind === 'byte' ? 'yes' : 'spelled');
      });
      expect(wrong).toEqual([]);
    });

    it('the bytes of the tokens of a text are those of the text', () => {
      // U+2581 is decoded as a space.
      const text = (TEXT + MORE).replaceAll('▁', '');
      const bytes = tokenizer.encode(text).reduce((sum, id) => sum + tokenizer.byteLength(id), 0);
      // A token that is spelled out is that token, and not its text.
      const spelled = tokenizer.namedTokens.filter(
        ({ id, token, kind }) => kind !== 'added' && tokenizer.encode(token).join() === `${id}`,
      );
      const named = spelled.reduce(
        (sum, { token }) => sum + (text.split(token).length - 1) * Buffer.byteLength(token),
        0,
      );
      expect(bytes).toBe(Buffer.byteLength(text) - named);
    });

    it('the audit decides every token of a sample of one in 97', () => {
      const answers = new Map<string, number>();
      for (let id = 0; id < tokenizer.vocabularySize; id += 97) {
        const { given: answer } = auditor.audit(id);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
      expect(answers.get('unknown')).toBeUndefined();
      expect(answers.get('yes')).toBeGreaterThan(2500);
    });
  });
