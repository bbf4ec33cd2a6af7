import { createRandom } from '@graft/core';
import { fakeModel, int32 } from '../../test-support/fake-model';
import { Ul2 } from '../objectives/ul2';
import { ul2Options } from '../objectives/ul2-options';

const model = fakeModel('encoder-decoder');
const make = (options: object): Ul2 => new Ul2(ul2Options.parse(options));
const MODES_OF_BYTES = { R: 259, X: 260, S: 261 };

test.each([
  [{ modeTokens: { r: 259 } }, 'no denoiser has the prefix "r"; did you mean "R"?', '"R", "X", "S"'],
  [{ modeTokens: { R: 259, Z: 1 } }, 'no denoiser has the prefix "Z".', '"R", "X", "S"'],
  [{ modeTokens: { R: 259 }, denoisers: [{ rate: 0.5 }] }, 'no denoiser has the prefix "R".', 'None of the denoisers'],
])('a mode token that no denoiser uses is refused: %j', (options, message, hint) => {
  expect(() => make(options)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(`objective.modeTokens: ${message}`) as unknown,
      hint: expect.stringContaining(hint) as unknown,
      exitCode: 2,
    }),
  );
});

test.each<[string, number, object, string, string]>([
  [
    'overlap with mode tokens',
    320,
    { modeTokens: MODES_OF_BYTES, sentinels: { first: 259, step: 1, count: 20 } },
    'the 20 sentinels go up from token 259 to 278, but 259 is the mode token R, 260 is the mode token X, 261 is the mode token S.',
    'Set objective.sentinels.first and .count to other tokens',
  ],
  [
    'overlap with mode tokens and have no first one',
    320,
    { modeTokens: MODES_OF_BYTES, sentinels: { count: 100 } },
    'the 100 sentinels go down from token 319 to 220, but 259 is the mode token R, 260 is the mode token X, 261 is',
    'Set objective.sentinels.count to 58 or less, or objective.sentinels.first',
  ],
  [
    'begin below the vocabulary',
    320,
    { sentinels: { count: 500 } },
    'the 500 sentinels go down from token 319 to -180, but the vocabulary has 320 tokens (0 to 319).',
    'Set objective.sentinels.count to 317 or less',
  ],
  [
    'extend beyond the vocabulary',
    320,
    { sentinels: { first: 310, step: 1, count: 11 } },
    'the 11 sentinels go up from token 310 to 320, but',
    'to 10 or less',
  ],
  [
    'include the start token',
    102,
    { sentinels: { count: 100 } },
    'the 100 sentinels go down from token 101 to 2, but 2 is the start token.',
    'to 99 or less',
  ],
])('sentinels that %s are refused before anything is drawn', (_, vocabularySize, options, message, hint) => {
  const small = { ...model, vocabularySize };
  const prepare = (): unknown =>
    make(options).prepare(
      { kind: 'examples', examples: [{ tokens: int32([5, 6, 7, 8]) }] },
      { model: small, random: createRandom(0) },
    );
  expect(prepare).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(`objective.sentinels: ${message}`) as unknown,
      hint: expect.stringContaining(hint) as unknown,
      exitCode: 2,
    }),
  );
});

test('sentinels may fill the rest of the vocabulary, and are not checked without span denoisers', () => {
  const small = { ...model, vocabularySize: 320 };
  const check = (options: object): void => void make(options).settle({ model: small });
  expect(() => check({ modeTokens: MODES_OF_BYTES, sentinels: { count: 58 } })).not.toThrow();
  expect(() => check({ sentinels: { first: 3, step: 1, count: 317 } })).not.toThrow();
  expect(() => check({ denoisers: [{ kind: 'suffix', rate: 0.5 }], sentinels: { count: 999 } })).not.toThrow();
  expect(() => check({ modeTokens: { S: 320 } })).toThrow(
    'objective.modeTokens.S is token 320, but the vocabulary has 320 tokens (0 to 319).',
  );
});
