import { modelCosts } from './costs';
import { forwardFlops } from './flops';
import { modelOptions } from '../model/model-options';
import { resolveModelConfig } from '../model/resolve-options';

const LENGTHS = { sourceLength: 4096, targetLength: 2048 };
const costs = (options: object) => modelCosts(resolveModelConfig(modelOptions.parse(options)), LENGTHS);

// PAPER's table 1.4: encoder, decoder with cross-attention, embeddings, total.
test.each([
  ['s-s', 20_988_416, 29_385_216, 262_144_000, 312_517_632],
  ['b-b', 84_972_288, 113_302_272, 393_216_000, 591_490_560],
  ['l-l', 308_380_672, 409_093_120, 524_288_000, 1_241_761_792],
  ['ml-ml', 743_889_024, 866_632_320, 589_824_000, 2_200_345_344],
  ['xl-xl', 1_157_826_560, 1_560_578_048, 1_048_576_000, 3_766_980_608],
  ['2b-2b', 2_024_517_888, 2_392_687_872, 1_179_648_000, 5_596_853_760],
  ['9b-2b', 8_324_201_984, 2_460_845_312, 1_507_328_000, 12_292_375_296],
  ['9b-9b', 8_324_201_984, 10_174_191_104, 1_835_008_000, 20_333_401_088],
])('%s has the published counts', (preset, encoder, decoderWithCross, embedding, total) => {
  const { parts, ...all } = costs({ preset });
  expect(parts.encoder!.parameters).toBe(encoder);
  expect(parts.decoder!.parameters + parts.crossAttention!.parameters).toBe(decoderWithCross);
  expect(parts.encoder!.embedding + parts.decoder!.embedding).toBe(embedding);
  expect(all).toMatchObject({ parameters: total, embedding });
});

test('a parameter costs about two operations per token, and the parts add up to the operations of a step', () => {
  const config = resolveModelConfig(modelOptions.parse({ preset: '9b-2b' }));
  const { parts } = costs({ preset: '9b-2b' });
  // Attention itself comes on top: scores and mixing over 4,096 tokens.
  const overParameters = parts.encoder!.forwardFlopsPerToken / (2 * parts.encoder!.parameters);
  expect(overParameters).toBeGreaterThan(1);
  expect(overParameters).toBeLessThan(1.25);
  const { encoder, decoder, crossAttention, output } = forwardFlops(config, { batch: 1, ...LENGTHS });
  const target = [parts.decoder!, parts.crossAttention!, parts.output!];
  const sum = target.reduce((all, { forwardFlopsPerToken }) => all + forwardFlopsPerToken * LENGTHS.targetLength, 0);
  expect(sum).toBeCloseTo(decoder + crossAttention + output, -3);
  expect(parts.encoder!.forwardFlopsPerToken * LENGTHS.sourceLength).toBeCloseTo(encoder, -3);
});

test('a decoder-only model has the parts decoder and output', () => {
  const { parts, parameters } = costs({ kind: 'decoder-only', preset: '2b' });
  expect(Object.keys(parts)).toEqual(['decoder', 'output']);
  expect(parameters).toBe(parts.decoder!.parameters + parts.decoder!.embedding);
});

test('a tied table is counted once', () => {
  const tied = costs({ preset: 's-s', tieEncoderEmbedding: true });
  expect(tied.parts.encoder!.embedding).toBe(0);
  expect(tied.parameters).toBe(costs({ preset: 's-s' }).parameters - 256_000 * 512);
});

test('an untied output is counted separately, with its own embedding', () => {
  const untied = costs({ preset: 's-s', tieOutput: false });
  const tied = costs({ preset: 's-s' });
  expect(untied.parts.output?.embedding).toBe(131_072_000);
  expect(tied.parts.output?.embedding).toBe(0);
  expect(untied.parameters - tied.parameters).toBe(131_072_000);
  expect(untied.parts.decoder).toEqual(tied.parts.decoder);
});
