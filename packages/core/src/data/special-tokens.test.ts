import fc from 'fast-check';
import { toyModel } from '../../test/toy-plugin';
import type { Model, ModelFamily, SpecialTokenPolicy } from '../interfaces';
import {
  appendsEos,
  AUTO_POLICY,
  buildModel,
  checkpointConfigOf,
  describeSpecialTokens,
  EARLIER_POLICY,
  mergeSpecialTokens,
  modelInput,
  modelInputSurplus,
  readSpecialTokens,
  SPECIAL_TOKENS_KEY,
  tokenizerClash,
  tokensOfSide,
  withoutModelInput,
} from './special-tokens';
import type { SpecialTokensSection } from '../config/schema';

const model = (kind: Model['kind'], section?: SpecialTokensSection): Model => ({
  ...toyModel(2),
  kind,
  specialTokens: { pad: 0, start: 2, eos: [1, 107], policy: section && mergeSpecialTokens(section) },
});
const decoderOnly = (section?: SpecialTokensSection): Model => model('decoder-only', section);
const encoderDecoder = (section?: SpecialTokensSection): Model => model('encoder-decoder', section);

test.each([
  ['a decoder-only model', decoderOnly(), [5, 6], [2, 5, 6]],
  ['a decoder-only model and a text with BOS', decoderOnly(), [2, 5, 6], [2, 5, 6]],
  ['a decoder-only model and an empty text', decoderOnly(), [], [2]],
  ['a decoder-only model without BOS', decoderOnly({ bos: false }), [5, 6], [5, 6]],
  ['a decoder-only model with EOS', decoderOnly({ eos: true }), [5, 6], [2, 5, 6]],
  ['an encoder', encoderDecoder(), [5, 6], [5, 6]],
  ['an encoder with BOS and EOS', encoderDecoder({ encoder: { bos: true, eos: true } }), [5, 6], [2, 5, 6, 1]],
  ['an encoder with BOS and EOS and a text with both', encoderDecoder({ bos: true, eos: true }), [2, 5, 1], [2, 5, 1]],
  ['an encoder with a rule of its own', encoderDecoder({ bos: true, encoder: { bos: false } }), [5], [5]],
])('the policy adds the right special tokens for %s', (_, one, tokens, read) => {
  expect([...modelInput(one, tokens)]).toEqual(read);
});

test('adding special tokens is idempotent and lengthens the input by at most the declared surplus', () => {
  const rule = fc.constantFrom('auto' as const, true, false);
  const sections = fc.record({ encoder: fc.record({ bos: rule, eos: rule }), decoder: fc.record({ bos: rule }) });
  const kinds = fc.constantFrom<Model['kind']>('decoder-only', 'encoder-decoder');
  fc.assert(
    fc.property(kinds, sections, fc.array(fc.integer({ min: 0, max: 9 })), (kind, section, tokens) => {
      const one = model(kind, section);
      const read = modelInput(one, tokens);
      expect(read.length).toBeLessThanOrEqual(tokens.length + modelInputSurplus(one));
      // Reading is done once, however often it is asked for.
      expect(modelInput(one, read)).toEqual(read);
    }),
  );
});

test("a config section overrides the checkpoint's policy, and a side overrides both", () => {
  const inherited = mergeSpecialTokens({ decoder: { bos: false, eos: false }, teacher: { bos: true } });
  expect(mergeSpecialTokens({ bos: true, encoder: { bos: 'auto' } }, inherited)).toEqual({
    encoder: { bos: 'auto', eos: 'auto' },
    decoder: { bos: true, eos: false },
    teacher: { bos: true },
  });
  expect(mergeSpecialTokens()).toEqual(AUTO_POLICY);
});

test.each([
  [decoderOnly(), { decoder: { bos: true, eos: 'auto' } }],
  [decoderOnly({ bos: false }), { decoder: { bos: false, eos: 'auto' } }],
  [
    encoderDecoder({ encoder: { eos: true }, teacher: { bos: false } }),
    { encoder: { bos: false, eos: true }, decoder: { eos: 'auto' }, teacher: { bos: false } },
  ],
])('a policy survives writing to and reading from a checkpoint', (one, stored) => {
  const config = checkpointConfigOf(one);
  expect(config[SPECIAL_TOKENS_KEY]).toEqual(stored);
  const read = readSpecialTokens(JSON.parse(JSON.stringify(config)) as Record<string, unknown>);
  const again: Model = { ...one, specialTokens: { ...one.specialTokens, policy: read } };
  expect(checkpointConfigOf(again)).toEqual(config);
  expect(describeSpecialTokens(again)).toBe(describeSpecialTokens(one));
});

test('a malformed policy is reported with its file and key', () => {
  expect(readSpecialTokens({})).toBeUndefined();
  expect(() => readSpecialTokens({ [SPECIAL_TOKENS_KEY]: { decoder: { bos: 'yes' } } }, 'DIR/config.json')).toThrow(
    'DIR/config.json: "special_token_policy.decoder.bos": expected one of "auto", true, false, got "yes".',
  );
});

test.each([
  [decoderOnly(), 'Special tokens: BOS 2 in front of every sequence; end 1 or 107, pad 0'],
  [decoderOnly({ bos: false, eos: false }), 'Special tokens: no BOS, no EOS; end 1 or 107, pad 0'],
  [encoderDecoder(), 'Special tokens: encoder reads no BOS, decoder starts with 2; end 1 or 107, pad 0'],
  [
    encoderDecoder({ bos: true, eos: true, teacher: { bos: true } }),
    'Special tokens: encoder reads BOS 2 in front, EOS 1 behind, decoder starts with 2, EOS 1 behind; teacher reads BOS in front; end 1 or 107, pad 0',
  ],
])('a description states which special tokens are read: %#', (one, line) => {
  expect(describeSpecialTokens(one)).toBe(line);
});

test("a tokenizer with other special tokens than the model's is reported", () => {
  const one = decoderOnly();
  expect(tokenizerClash({ padId: 0, bosId: 2, eosId: 1 }, one)).toBeUndefined();
  expect(tokenizerClash({ padId: 0, bosId: 2, eosId: 107 }, one)).toBeUndefined();
  expect(tokenizerClash({ padId: 3, bosId: 5, eosId: 9 }, one)).toMatch(
    /^The tokenizer's special tokens are not the model's, which count: BOS 5, not 2; EOS 9, not 1 or 107; pad 3, not 0\. /,
  );
});

test('an encoder with a vocabulary of its own has its own special tokens around its text', () => {
  const policy: SpecialTokensSection = { encoder: { bos: true, eos: true } };
  const one: Model = {
    ...encoderDecoder(policy),
    encoderTokens: { vocabularySize: 9, specialTokens: { pad: 3, start: 4, eos: [5] } },
  };
  expect([...modelInput(one, [6, 7])]).toEqual([4, 6, 7, 5]);
  expect([...withoutModelInput(one, Int32Array.of(4, 6, 5))]).toEqual([6]);
  expect(describeSpecialTokens(one)).toBe(
    'Special tokens: encoder reads BOS 4 in front, EOS 5 behind, decoder starts with 2; end 1 or 107, pad 0, in the encoder 3',
  );
  const decoder = { padId: 0, bosId: 2, eosId: 1 };
  expect(tokenizerClash(decoder, one, { padId: 3, bosId: 4, eosId: 5 })).toBeUndefined();
  expect(tokenizerClash(decoder, one)).toBe(
    "The tokenizer's special tokens are not the encoder's, which count: BOS 2, not 4; EOS 1, not 5; pad 0, not 3. Take the encoder's own tokenizer.",
  );
  expect([tokensOfSide(one, 'encoder').vocabularySize, tokensOfSide(one, 'decoder').vocabularySize]).toEqual([
    9,
    one.vocabularySize,
  ]);
});

test.each([
  [undefined, true, true],
  [mergeSpecialTokens({ decoder: { eos: false } }), true, false],
  [mergeSpecialTokens({ encoder: { eos: true } }), false, false],
  [mergeSpecialTokens({ eos: true }), false, true],
])("the policy overrides the dataset's setting for the end token", (policy, own, expected) => {
  expect(appendsEos(policy, 'decoder', own)).toBe(expected);
});

test.each([
  [decoderOnly(), [2, 5], [5]],
  [decoderOnly({ bos: false }), [2, 5], [2, 5]],
  [encoderDecoder({ bos: true, eos: true }), [2, 5, 1], [5]],
  [encoderDecoder({ bos: true, eos: true }), [2], []],
])('the special tokens can be removed from an input', (one, input, text) => {
  expect([...withoutModelInput(one, Int32Array.from(input))]).toEqual(text);
});

describe('buildModel', () => {
  const family = (kind: Model['kind'], takes = true): ModelFamily => ({
    build: (_, settings) => ({
      ...model(kind),
      specialTokens: { pad: 0, start: 2, eos: [1], policy: takes ? settings?.specialTokens : undefined },
    }),
  });
  const policyOf = (built: Model): SpecialTokenPolicy | undefined => built.specialTokens.policy;

  it('the policy comes from the config, then the checkpoint, then the default', () => {
    const checkpoint = { [SPECIAL_TOKENS_KEY]: { decoder: { bos: false } } };
    const built = (settings = {}, config?: Record<string, unknown>): SpecialTokenPolicy['decoder'] | undefined =>
      policyOf(buildModel(family('decoder-only'), config, settings))?.decoder;
    expect(built()).toEqual({ bos: 'auto', eos: 'auto' });
    expect(built({}, checkpoint)).toEqual({ bos: false, eos: 'auto' });
    expect(built({ silent: EARLIER_POLICY }, {})).toEqual({ bos: false, eos: 'auto' });
    expect(built({ section: { bos: 'auto' }, silent: EARLIER_POLICY }, checkpoint)).toEqual({
      bos: 'auto',
      eos: 'auto',
    });
  });

  it.each([
    ['decoder-only', { encoder: { bos: true } }, /specialTokens\.encoder is given, but the model is decoder-only/],
    ['encoder-decoder', { decoder: { bos: false } }, /specialTokens\.decoder\.bos is false, but .* always begins/],
  ] as const)('a section that a model that is %s cannot use is rejected', (kind, section, message) => {
    expect(() => buildModel(family(kind), undefined, { section })).toThrow(message);
  });

  it('a policy that the model family cannot apply is rejected, and a default one is ignored', () => {
    const silent = family('decoder-only', false);
    expect(() => buildModel(silent, undefined, { section: { bos: false } })).toThrow(/does not take it/);
    expect(policyOf(buildModel(silent, undefined, { section: { bos: 'auto' } }))).toBeUndefined();
  });
});
