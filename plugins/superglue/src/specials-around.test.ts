import type { Model, SpecialTokensSection } from '@graft/core';
import { mergeSpecialTokens } from '@graft/core/internal';
import { specialsAround } from './specials-around';

const around = (kind: Model['kind'], section?: SpecialTokensSection, options = {}): number[] => {
  const policy = section && mergeSpecialTokens(section);
  const { bos, eos } = specialsAround({ kind, specialTokens: { pad: 0, start: 2, eos: [1, 107], policy } }, options);
  return [bos ?? -1, eos ?? -1];
};

test.each([
  ['an encoder', around('encoder-decoder'), [-1, 1]],
  ['a decoder-only model', around('decoder-only'), [2, 1]],
  ['an encoder that reads both', around('encoder-decoder', { encoder: { bos: true, eos: true } }), [2, 1]],
  ['an encoder whose decoder does not end its texts', around('encoder-decoder', { decoder: { eos: false } }), [-1, 1]],
  ['a decoder-only model without an end token', around('decoder-only', { eos: false }), [2, -1]],
  ['a decoder-only model without a start token', around('decoder-only', { bos: false }), [-1, 1]],
  ['options that override the policy', around('decoder-only', {}, { prependBos: false, appendEos: false }), [-1, -1]],
])('the special tokens around a text are right for %s', (_, ids, expected) => {
  expect(ids).toEqual(expected);
});

test('an end token is refused if the model does not have one', () => {
  const endless = { kind: 'decoder-only' as const, specialTokens: { pad: 0, start: 2, eos: [] } };
  expect(specialsAround(endless, {})).toEqual({ bos: 2 });
  expect(() => specialsAround(endless, { appendEos: true })).toThrow(
    'appendEos is true, but the model has no end token',
  );
});
