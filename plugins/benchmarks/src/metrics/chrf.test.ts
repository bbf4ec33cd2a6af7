import fc from 'fast-check';
import { chrf } from './chrf';

// The scores are sacrebleu 2.6.0's; test/peers compares random texts with it.
test('chrF and chrF++ of a corpus have the scores and signatures of sacrebleu', () => {
  const hypotheses = ['The cat sat on the mat.', 'He paid 1,000 dollars.'];
  const references = [
    ['The cat is sitting on the mat.', 'A cat sat on the mat.'],
    ['He paid $1,000.', 'He has paid 1,000 dollars, I think.'],
  ];
  const plain = chrf(hypotheses, references);
  expect(plain.score).toBeCloseTo(69.00847383841474, 10);
  expect(plain.signature).toBe('nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0');
  const withWords = chrf(hypotheses, references, { wordOrder: 2 });
  expect(withWords.score).toBeCloseTo(67.44420494228274, 10);
  expect(withWords.signature).toContain('|nw:2|');
});

test('spaces do not count, and a text compared with itself has 100', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      const letters = `x${text}`;
      expect(chrf([letters], [[letters]]).score).toBeCloseTo(100, 9);
      expect(chrf([` ${letters}\n`], [[letters]]).score).toBeCloseTo(100, 9);
    }),
  );
  expect(chrf([''], [['x']]).score).toBe(0);
});
