import { z } from 'zod';
import { LIMITS } from './config-fields';
import { ENCODER_WINDOWS } from './config-types';
import { FAMILY_IDS } from '../families';
import { PUBLISHED_NAMES } from './published-sizes';
import { NAMED_PAIRS, parsePreset, SIZE_NAMES } from './sizes';

const rate = (): z.ZodNumber => z.number().min(0).lt(1);
const count = (most: number): z.ZodNumber => z.int().min(1).max(most);

const factor = z.number().positive().describe('How many times as long the texts become.');
const ropeScaling = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear').describe('Positions are divided by the factor.'), factor }),
  z.strictObject({
    type: z.literal('llama3').describe("Llama 3's: only slow rotations are slowed down."),
    factor,
    lowFrequencyFactor: z.number().positive().describe('Rotations with fewer turns over the original length are slow.'),
    highFrequencyFactor: z.number().positive().describe('Rotations with more turns stay as they are.'),
    originalMaxPositions: count(LIMITS.positions).describe('The original length, in tokens.'),
  }),
]);

/** The ids of a vocabulary. `of`: whose, for the descriptions; `otherwise`: their defaults. */
const vocabularyOptions = (of: string, otherwise: (usual: string) => string) => ({
  vocabularySize: count(LIMITS.vocabularySize)
    .optional()
    .describe(`Tokens of the vocabulary${of}. ${otherwise('256000')}`),
  padTokenId: z
    .int()
    .min(0)
    .optional()
    .describe(`Id of the padding token${of}. ${otherwise('0')}`),
  bosTokenId: z
    .int()
    .min(0)
    .optional()
    .describe(`Id of the token that starts a ${of === '' ? 'decoder input' : 'text'}${of}. ${otherwise('2')}`),
  eosTokenId: z
    .union([z.int().min(0), z.array(z.int().min(0)).min(1)])
    .optional()
    .describe(`Id of the end token${of}, or of several. ${otherwise('1')}`),
});

/** Sizes and constants of one side. Missing ones come from the checkpoint, the preset or the published models. */
const sideOptions = z.strictObject({
  family: z
    .enum(FAMILY_IDS as [string, ...string[]])
    .optional()
    .describe("In a model of the family `graft`: the family of this side's layers. Default: the checkpoint's."),
  layers: count(LIMITS.layers).optional().describe('Number of blocks.'),
  hidden: count(LIMITS.width).optional().describe('Width of the residual stream.'),
  feedForward: count(LIMITS.width).optional().describe('Inner width of the feed-forward.'),
  heads: count(LIMITS.heads).optional().describe('Number of query heads.'),
  keyValueHeads: count(LIMITS.heads)
    .optional()
    .describe('Number of key/value heads; divides `heads`. Default: as `heads`.'),
  headDim: count(LIMITS.headDim).multipleOf(2).optional().describe('Width of a head. Default: hidden / heads.'),
  slidingWindow: count(LIMITS.positions)
    .optional()
    .describe("Reach of sliding layers, in tokens. Default: the family's, such as 4096."),
  layerTypes: z
    .array(z.enum(['sliding_attention', 'full_attention']))
    .optional()
    .describe("The kind of each layer. Default: the family's pattern; Gemma 2's layers alternate, sliding first."),
  ropeTheta: z
    .number()
    .positive()
    .optional()
    .describe(
      "Base of the rotary positions; where kinds of layers differ, of full ones. Default: the family's, such as 10000.",
    ),
  slidingRopeTheta: z
    .number()
    .positive()
    .optional()
    .describe("Base of the rotary positions of sliding layers. Default: the family's."),
  ropeScaling: ropeScaling
    .nullable()
    .optional()
    .describe(
      'Scaling of the rotary positions of full layers (`{ type: linear, factor: 8 }`); null: none. Default: none.',
    ),
  attentionSoftCap: z
    .number()
    .positive()
    .nullable()
    .optional()
    .describe("Soft cap of attention scores; null: none. Default: the family's; Gemma 2: 50."),
  finalLogitSoftCap: z
    .number()
    .positive()
    .nullable()
    .optional()
    .describe("Soft cap of the logits; null: none. Default: the family's; Gemma 2: 30."),
  queryPreAttentionScalar: z
    .number()
    .positive()
    .optional()
    .describe('Scores are scaled by its power -1/2. Default: headDim.'),
  rmsNormEpsilon: z
    .number()
    .positive()
    .optional()
    .describe("Added to the mean square in every norm. Default: the family's, such as 1e-6."),
  maxPositions: count(LIMITS.positions)
    .optional()
    .describe("Written to config.json; nothing is cut off. Default: the family's; Gemma 2: 8192."),
  ...vocabularyOptions(' of this side', () => "Default: the model's."),
});

/** What a config writes about one side. */
export type SideOptions = z.output<typeof sideOptions>;

/** The options of the model family `gemma`. */
export const modelOptions = z.strictObject({
  kind: z
    .enum(['encoder-decoder', 'decoder-only', 'encoder-only'])
    .optional()
    .describe("Kind of the model. Default: the checkpoint's, otherwise `encoder-decoder`."),
  family: z
    .enum(FAMILY_IDS as [string, ...string[]])
    .optional()
    .describe(
      "What the model's layers are made of, and the format of its checkpoints. Default: the checkpoint's or the preset's, otherwise `t5gemma`, or `gemma2` for a decoder-only model.",
    ),
  preset: z
    .string()
    .refine((name) => parsePreset(name) !== undefined, {
      error: `should be a size (${SIZE_NAMES.join(', ')}), a pair of sizes, encoder first (${NAMED_PAIRS[1]}), or a published model (${PUBLISHED_NAMES.join(', ')})`,
    })
    .optional()
    .describe(
      'Sizes by name: 2b-2b, 9b-2b, 9b-9b, s-s, b-b, l-l, ml-ml, xl-xl, any other pair, one size for both sides, or a published model with its family (`gemma-3-270m`, `t5gemma-2-270m-270m`).',
    ),
  encoder: sideOptions.optional().describe("Sizes of the encoder. Default: the decoder's."),
  decoder: sideOptions.optional().describe("Sizes of the decoder. Default: the encoder's."),
  ...vocabularyOptions('', (usual) => `Default: the family's, such as ${usual}.`),
  encoderWindow: z
    .enum(ENCODER_WINDOWS)
    .optional()
    .describe(
      "Sliding encoder layers see |i - j| < window (`strict`), <= window (`inclusive`), `window` tokens in all (`halved`) or |i - j| <= window / 2 (`symmetric`). Default: what the checkpoint says, otherwise the family's: `strict`, but `halved` for T5Gemma 2 and `symmetric` for a bidirectional Gemma 3.",
    ),
  encoderAttention: z
    .enum(['bidirectional', 'causal'])
    .optional()
    .describe(
      "`causal`: the encoder's self-attention looks back alone, for ablations. Default: what the checkpoint says, otherwise `bidirectional`.",
    ),
  tieEncoderEmbedding: z
    .boolean()
    .optional()
    .describe('One embedding table for both sides and the output. Default: false; T5Gemma 2 always has one.'),
  tieOutput: z
    .boolean()
    .optional()
    .describe("The output projection is the decoder's embedding. Default: what the checkpoint says, otherwise true."),
  rematerialize: z
    .enum(['none', 'block'])
    .optional()
    .describe(
      '`block`: each block is computed again for the gradient instead of being kept, which needs less memory and more time. Default: `none`.',
    ),
  attention: z
    .enum(['auto', 'whole', 'blocked', 'fused'])
    .optional()
    .describe(
      'How whole sequences attend. `whole` keeps all scores in memory, `blocked` those of 512 queries, computed again for the gradient, and `fused` is a kernel that writes none (on NVIDIA GPUs, in bfloat16). `auto`: `fused` where there is one, otherwise `blocked` from 16.8 million scores of a head on (4,096 tokens). Default: `auto`.',
    ),
  dropout: rate()
    .optional()
    .describe(
      "Dropout rate in training of embeddings, sub-layers, feed-forward and final states. Default: the checkpoint's, otherwise 0.",
    ),
  attentionDropout: rate()
    .optional()
    .describe("Dropout rate in training of the probabilities of attention. Default: the checkpoint's, otherwise 0."),
  classifierDropout: rate()
    .optional()
    .describe("Dropout rate in training of what a classifier's head reads. Default: the checkpoint's, otherwise 0."),
});

/** What a config or code may write. */
export type ModelOptions = z.input<typeof modelOptions>;
/** The same with every default filled in. */
export type ResolvedModelOptions = z.output<typeof modelOptions>;
