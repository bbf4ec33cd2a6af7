import { mergeSpecialTokens, type Model, type SpecialTokensSection } from '@graft/core';
import { specialsAround } from './specials-around';

const around = (kind: Model['kind'], section?: SpecialTokensSection, options = {}): number[] => {
  const policy = section && mergeSpecialTokens(section);
  const { bos, eos } = specialsAround({ kind, specialTokens: { pad: 0, start: 2, eos: [1, 107], policy } }, options);
  return [bos ?? -1, eos ?? -1];
};

test.each([
  ['an encoder', around('encoder-decoder'), [-1, 1]],
  ['a decoder-only model', around('decoder-only'), [2, 1]],
  ['an encoder with both', around('encoder-decoder', { encoder: { bos: true, eos: true } }), [2, 1]],
  [
    "an encoder, whatever its decoder's texts end with",
    around('encoder-decoder', { decoder: { eos: false } }),
    [-1, 1],
  ],
  ['one whose texts do not end', around('decoder-only', { eos: false }), [2, -1]],
  ['one without a start token', around('decoder-only', { bos: false }), [-1, 1]],
  ['options have the last word', around('decoder-only', {}, { prependBos: false, appendEos: false }), [-1, -1]],
])('%s', (_, ids, expected) => {
  expect(ids).toEqual(expected);
});

test('an end token that the model does not have is asked for in vain', () => {
  const endless = { kind: 'decoder-only' as const, specialTokens: { pad: 0, start: 2, eos: [] } };
  expect(specialsAround(endless, {})).toEqual({ bos: 2 });
  expect(() => specialsAround(endless, { appendEos: true })).toThrow(
    'appendEos is true, but the model has no end token',
  );
});
