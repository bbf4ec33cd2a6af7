import fc from 'fast-check';
import { bleu, sentenceBleu } from './bleu';

// The scores are sacrebleu 2.6.0's; test/peers compares random texts with it.
const HYPOTHESES = ['The cat sat on the mat.', 'He paid 1,000 dollars.'];
const REFERENCES = [
  ['The cat is sitting on the mat.', 'A cat sat on the mat.'],
  ['He paid $1,000.', 'He has paid 1,000 dollars, I think.'],
];

test('a corpus with several references has the score and the signature of sacrebleu', () => {
  const { score, precisions, ...others } = bleu(HYPOTHESES, REFERENCES);
  expect(score).toBeCloseTo(72.82376575609855, 10);
  expect(precisions).toEqual([100, 90, 62.5, 50]);
  expect(others).toEqual({
    brevityPenalty: 1,
    hypothesisTokens: 12,
    referenceTokens: 12,
    signature: 'nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0',
  });
});

test('a sentence without a match of some order is smoothed, and orders that it does not have are left out', () => {
  expect(sentenceBleu(HYPOTHESES[1], REFERENCES[1])).toBeCloseTo(49.99999999999999, 10);
  expect(sentenceBleu('cat', ['a cat'])).toBeCloseTo(36.78794411714425, 10);
  expect(bleu(['cat'], [['a cat']]).score).toBe(0);
  expect(bleu(['the cat ran off'], [['the cat sat down']]).score).toBeCloseTo(31.947155212313625, 10);
});

test('a target language without spaces has its own tokenization', () => {
  const { score, signature } = bleu(['你好，世界。'], [['你好世界。']], { tokenizer: 'zh' });
  expect(score).toBeCloseTo(37.99178428257963, 10);
  expect(signature).toContain('|tok:zh|');
});

test('the score is from 0 to 100, and does not depend on the order of the texts', () => {
  const text = fc.stringMatching(/^[a-d,. ]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 5 }), (pairs) => {
      const of = (list: typeof pairs): number =>
        bleu(
          list.map(([own]) => own),
          list.map(([, reference]) => [reference]),
        ).score;
      const score = of(pairs);
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThan(100 + 1e-9);
      expect(of([...pairs].reverse())).toBe(score);
    }),
  );
});

test('a corpus without texts, and one with references for other texts, are refused', () => {
  expect(() => bleu([], [])).toThrow('BLEU of no hypothesis is undefined.');
  expect(() => bleu(['a', 'b'], [['a']])).toThrow('BLEU got 2 hypotheses, but references for 1.');
  expect(() => bleu(['a', 'b'], [['a'], []])).toThrow('BLEU got no reference for hypothesis 2.');
});
