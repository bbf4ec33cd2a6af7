import { CheckpointError, completeSampling, newTokensLimit, planDecoding, type DecodingRequest } from '@graft/core';
import { tinyGemma } from '../../test-support/tiny-gemma';
import { adaptedGenerationConfig, generationDefaults } from './generation-defaults';
import { GemmaModel } from '../model/model';

const { config } = tinyGemma({ kind: 'decoder-only', eosTokenId: [1, 5] });
const read = (json: Record<string, unknown>) => generationDefaults(config, json, 'a/generation_config.json');

test('the token ids of config.json apply where there is no generation_config.json', () => {
  expect(generationDefaults(config)).toEqual({ eos: [1, 5], pad: 0, start: 2, sample: false, ignored: [] });
});

test('the file may name one end token, several or none', () => {
  expect(read({ eos_token_id: 7 }).eos).toEqual([7]);
  expect(read({ eos_token_id: [7, 8] }).eos).toEqual([7, 8]);
  expect(read({}).eos).toEqual([]);
  expect(read({ eos_token_id: null }).eos).toEqual([]);
});

test('the start token of an encoder-decoder is its own key, otherwise bos, otherwise that of config.json', () => {
  expect(read({ decoder_start_token_id: 3, bos_token_id: 4 }).start).toBe(3);
  expect(read({ bos_token_id: 4, pad_token_id: 6 })).toMatchObject({ start: 4, pad: 6 });
  expect(read({})).toMatchObject({ start: 2, pad: 0 });
});

test.each<[Record<string, unknown>, string]>([
  [
    { eos_token_id: '</s>' },
    '"eos_token_id" should be a token id below 37, the size of the vocabulary, or a list of them, but is "</s>"',
  ],
  [{ eos_token_id: [1, 37] }, '"eos_token_id" should be a token id below 37'],
  [{ eos_token_id: -1 }, '"eos_token_id" should be'],
  [{ pad_token_id: 1.5 }, '"pad_token_id" should be a token id below 37, the size of the vocabulary, but is 1.5'],
  [{ do_sample: 'yes' }, '"do_sample" should be true or false, but is "yes"'],
  [{ temperature: -1 }, '"temperature" should be a number of at least 0, but is -1'],
  [{ top_k: 2.5 }, '"top_k" should be an integer from 0 to 268435456, but is 2.5'],
  [{ top_p: 0 }, '"top_p" should be a number above 0 and at most 1, but is 0'],
  [{ top_p: 1.1 }, '"top_p" should be'],
  [{ repetition_penalty: 0 }, '"repetition_penalty" should be a number above 0'],
  [{ num_beams: 0 }, '"num_beams" should be an integer from 1 to 128'],
  [{ length_penalty: [1] }, '"length_penalty" should be a number, but is [1]'],
  [{ num_beams: 1e9 }, '"num_beams" should be an integer from 1 to 128, but is 1000000000'],
  [{ max_new_tokens: 1e9 }, '"max_new_tokens" should be an integer from 1 to 131072, but is 1000000000'],
  [{ max_length: 1e308 }, '"max_length" should be an integer from 1 to 131072, but is 1e+308'],
  [{ top_k: 1e12 }, '"top_k" should be an integer from 0 to'],
  [{ eos_token_id: Array.from({ length: 1e6 }, () => 1) }, '"eos_token_id" should be a list of at most 1024 token ids'],
  [{ max_new_tokens: 0 }, '"max_new_tokens" should be an integer from 1 to 131072'],
  [{ max_length: '20' }, '"max_length" should be an integer from 1 to 131072, but is "20"'],
])('the file %j is refused', (json, message) => {
  expect(() => read(json)).toThrow(CheckpointError);
  expect(() => read(json)).toThrow(`a/generation_config.json: ${message}`);
});

test('null means unset, and keys that change no token are not reported', () => {
  const quiet = {
    top_k: null,
    max_length: null,
    transformers_version: '5.0.0',
    cache_implementation: 'hybrid',
    use_cache: false,
    no_repeat_ngram_size: 0,
    num_return_sequences: 1,
    early_stopping: false,
    suppress_tokens: [],
  };
  expect(read(quiet)).toMatchObject({ topK: undefined, maxLength: undefined, ignored: [] });
  expect(read({ no_repeat_ngram_size: 3, suppress_tokens: [4], min_p: 0.1, something_new: 'x' }).ignored).toEqual([
    'no_repeat_ngram_size 3',
    'suppress_tokens [4]',
    'min_p 0.1',
    'something_new "x"',
  ]);
});

test('sampling takes missing settings from the file, and 50 for a missing top_k', () => {
  const defaults = read({ do_sample: true, temperature: 0.7, top_k: 64, top_p: 0.95, repetition_penalty: 1.2 });
  expect(completeSampling({}, defaults)).toEqual({ sample: false, repetitionPenalty: 1.2, seed: undefined });
  expect(completeSampling({ sample: true, topP: 0.5, seed: 3 }, defaults)).toEqual({
    sample: true,
    temperature: 0.7,
    topK: 64,
    topP: 0.5,
    repetitionPenalty: 1.2,
    seed: 3,
  });
  expect(completeSampling({ temperature: 2 }, read({}))).toMatchObject({ temperature: 2, topK: 50, topP: undefined });
  expect(completeSampling({ temperature: 2, topK: 0 }, defaults).topK).toBeUndefined();
  expect(completeSampling({ sample: true }, read({ top_k: 0 })).topK).toBeUndefined();
  expect(() => completeSampling({ sample: true }, read({ temperature: 0 }))).toThrow(
    'a/generation_config.json has temperature 0, with which nothing can be drawn.',
  );
});

test('the number of new tokens comes from the caller, then max_new_tokens, then max_length minus the prompt, then 20', () => {
  const both = read({ max_new_tokens: 9, max_length: 20 });
  expect(newTokensLimit(5, both, 12)).toBe(5);
  expect(newTokensLimit(undefined, both, 12)).toBe(9);
  expect(newTokensLimit(undefined, read({ max_length: 20 }), 12)).toBe(8);
  expect(newTokensLimit(undefined, read({}), 12)).toBe(20);
  expect(() => newTokensLimit(undefined, read({ max_length: 12 }), 12)).toThrow(
    'The prompt has 12 tokens, but "max_length" in a/generation_config.json is 12, which counts the prompt too.',
  );
});

test.each<[Record<string, unknown>, DecodingRequest, string, number]>([
  [{ eos_token_id: [1, 7] }, {}, 'From generation_config.json: end tokens 1 7.', 1],
  [{}, {}, 'From generation_config.json: no end token.', 1],
  [{ eos_token_id: 1, max_new_tokens: 9 }, { eos: 3, maxNewTokens: 4 }, '', 1],
  [
    { eos_token_id: 1, do_sample: true, top_k: 64, top_p: 0.9 },
    {},
    'From generation_config.json: end tokens 1; not used: do_sample true (--sample turns it on).',
    1,
  ],
  [
    { eos_token_id: 1, do_sample: true, top_k: 64, top_p: 0.9 },
    { sampling: { topP: 0.5 } },
    'From generation_config.json: end tokens 1, top_k 64.',
    1,
  ],
  [
    { eos_token_id: 1, num_beams: 4, length_penalty: 0.6, pad_token_id: 3 },
    {},
    'From generation_config.json: end tokens 1, pad token 3, num_beams 4, length_penalty 0.6.',
    4,
  ],
  [
    { eos_token_id: 1, num_beams: 4, repetition_penalty: 1.3, min_p: 0.1 },
    { streams: true },
    'From generation_config.json: end tokens 1, repetition_penalty 1.3; not used: num_beams 4 (not while sampling, streaming or with stop texts), min_p 0.1 (unknown to Graft).',
    1,
  ],
  [{ eos_token_id: 1, num_beams: 4 }, { beams: 1 }, 'From generation_config.json: end tokens 1.', 1],
])('the file %j with the request %j is reported in one line', (json, request, note, beams) => {
  const model = new GemmaModel(config, json, 'a/generation_config.json');
  expect(planDecoding(model, request)).toMatchObject({ beams, note: note === '' ? undefined : note });
});

test('the generation config of an adapted model names its start token and drops the cache implementation', () => {
  const adapted = adaptedGenerationConfig(config, { eos_token_id: [1, 7], cache_implementation: 'hybrid', top_k: 64 });
  expect(adapted).toEqual({ eos_token_id: [1, 7], top_k: 64, bos_token_id: 2, pad_token_id: 0 });
});
