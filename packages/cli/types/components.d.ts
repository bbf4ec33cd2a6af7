// Written by `graft plugins --types`. Write it again when plugins or their versions change.
// It tells defineExperiment of @graft/core which components there are, and their options.
import type { ComponentInput } from '@graft/core';

declare module '@graft/core' {
  interface ComponentOptions {
    /** Gemma 2, decoder-only or grafted into an encoder-decoder */
    "model:gemma": {
      /** Kind of the model. Default: the checkpoint's, otherwise `encoder-decoder`. */
      readonly kind?: "encoder-decoder" | "decoder-only" | "encoder-only";
      /** What the model's layers are made of, and the format of its checkpoints. Default: the checkpoint's or the preset's, otherwise `t5gemma`, or `gemma2` for a decoder-only model. */
      readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
      /** Sizes by name: 2b-2b, 9b-2b, 9b-9b, s-s, b-b, l-l, ml-ml, xl-xl, any other pair, one size for both sides, or a published model with its family (`gemma-3-270m`, `t5gemma-2-270m-270m`). */
      readonly preset?: string;
      /** Sizes of the encoder. Default: the decoder's. */
      readonly encoder?: {
        /** In a model of the family `graft`: the family of this side's layers. Default: the checkpoint's. */
        readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
        /** Number of blocks. */
        readonly layers?: number;
        /** Width of the residual stream. */
        readonly hidden?: number;
        /** Inner width of the feed-forward. */
        readonly feedForward?: number;
        /** Number of query heads. */
        readonly heads?: number;
        /** Number of key/value heads; divides `heads`. Default: as `heads`. */
        readonly keyValueHeads?: number;
        /** Width of a head. Default: hidden / heads. */
        readonly headDim?: number;
        /** Reach of sliding layers, in tokens. Default: the family's, such as 4096. */
        readonly slidingWindow?: number;
        /** The kind of each layer. Default: the family's pattern; Gemma 2's layers alternate, sliding first. */
        readonly layerTypes?: readonly ("sliding_attention" | "full_attention")[];
        /** Base of the rotary positions; where kinds of layers differ, of full ones. Default: the family's, such as 10000. */
        readonly ropeTheta?: number;
        /** Base of the rotary positions of sliding layers. Default: the family's. */
        readonly slidingRopeTheta?: number;
        /** Scaling of the rotary positions of full layers (`{ type: linear, factor: 8 }`); null: none. Default: none. */
        readonly ropeScaling?: {
          /** Positions are divided by the factor. */
          readonly type: "linear";
          /** How many times as long the texts become. */
          readonly factor: number;
        } | {
          /** Llama 3's: only slow rotations are slowed down. */
          readonly type: "llama3";
          /** How many times as long the texts become. */
          readonly factor: number;
          /** Rotations with fewer turns over the original length are slow. */
          readonly lowFrequencyFactor: number;
          /** Rotations with more turns stay as they are. */
          readonly highFrequencyFactor: number;
          /** The original length, in tokens. */
          readonly originalMaxPositions: number;
        } | null;
        /** Soft cap of attention scores; null: none. Default: the family's; Gemma 2: 50. */
        readonly attentionSoftCap?: number | null;
        /** Soft cap of the logits; null: none. Default: the family's; Gemma 2: 30. */
        readonly finalLogitSoftCap?: number | null;
        /** Scores are scaled by its power -1/2. Default: headDim. */
        readonly queryPreAttentionScalar?: number;
        /** Added to the mean square in every norm. Default: the family's, such as 1e-6. */
        readonly rmsNormEpsilon?: number;
        /** Written to config.json; nothing is cut off. Default: the family's; Gemma 2: 8192. */
        readonly maxPositions?: number;
        /** Tokens of the vocabulary of this side. Default: the model's. */
        readonly vocabularySize?: number;
        /** Id of the padding token of this side. Default: the model's. */
        readonly padTokenId?: number;
        /** Id of the token that starts a text of this side. Default: the model's. */
        readonly bosTokenId?: number;
        /** Id of the end token of this side, or of several. Default: the model's. */
        readonly eosTokenId?: number | readonly (number)[];
      };
      /** Sizes of the decoder. Default: the encoder's. */
      readonly decoder?: {
        /** In a model of the family `graft`: the family of this side's layers. Default: the checkpoint's. */
        readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
        /** Number of blocks. */
        readonly layers?: number;
        /** Width of the residual stream. */
        readonly hidden?: number;
        /** Inner width of the feed-forward. */
        readonly feedForward?: number;
        /** Number of query heads. */
        readonly heads?: number;
        /** Number of key/value heads; divides `heads`. Default: as `heads`. */
        readonly keyValueHeads?: number;
        /** Width of a head. Default: hidden / heads. */
        readonly headDim?: number;
        /** Reach of sliding layers, in tokens. Default: the family's, such as 4096. */
        readonly slidingWindow?: number;
        /** The kind of each layer. Default: the family's pattern; Gemma 2's layers alternate, sliding first. */
        readonly layerTypes?: readonly ("sliding_attention" | "full_attention")[];
        /** Base of the rotary positions; where kinds of layers differ, of full ones. Default: the family's, such as 10000. */
        readonly ropeTheta?: number;
        /** Base of the rotary positions of sliding layers. Default: the family's. */
        readonly slidingRopeTheta?: number;
        /** Scaling of the rotary positions of full layers (`{ type: linear, factor: 8 }`); null: none. Default: none. */
        readonly ropeScaling?: {
          /** Positions are divided by the factor. */
          readonly type: "linear";
          /** How many times as long the texts become. */
          readonly factor: number;
        } | {
          /** Llama 3's: only slow rotations are slowed down. */
          readonly type: "llama3";
          /** How many times as long the texts become. */
          readonly factor: number;
          /** Rotations with fewer turns over the original length are slow. */
          readonly lowFrequencyFactor: number;
          /** Rotations with more turns stay as they are. */
          readonly highFrequencyFactor: number;
          /** The original length, in tokens. */
          readonly originalMaxPositions: number;
        } | null;
        /** Soft cap of attention scores; null: none. Default: the family's; Gemma 2: 50. */
        readonly attentionSoftCap?: number | null;
        /** Soft cap of the logits; null: none. Default: the family's; Gemma 2: 30. */
        readonly finalLogitSoftCap?: number | null;
        /** Scores are scaled by its power -1/2. Default: headDim. */
        readonly queryPreAttentionScalar?: number;
        /** Added to the mean square in every norm. Default: the family's, such as 1e-6. */
        readonly rmsNormEpsilon?: number;
        /** Written to config.json; nothing is cut off. Default: the family's; Gemma 2: 8192. */
        readonly maxPositions?: number;
        /** Tokens of the vocabulary of this side. Default: the model's. */
        readonly vocabularySize?: number;
        /** Id of the padding token of this side. Default: the model's. */
        readonly padTokenId?: number;
        /** Id of the token that starts a text of this side. Default: the model's. */
        readonly bosTokenId?: number;
        /** Id of the end token of this side, or of several. Default: the model's. */
        readonly eosTokenId?: number | readonly (number)[];
      };
      /** Tokens of the vocabulary. Default: the family's, such as 256000. */
      readonly vocabularySize?: number;
      /** Id of the padding token. Default: the family's, such as 0. */
      readonly padTokenId?: number;
      /** Id of the token that starts a decoder input. Default: the family's, such as 2. */
      readonly bosTokenId?: number;
      /** Id of the end token, or of several. Default: the family's, such as 1. */
      readonly eosTokenId?: number | readonly (number)[];
      /** Sliding encoder layers see |i - j| < window (`strict`), <= window (`inclusive`), `window` tokens in all (`halved`) or |i - j| <= window / 2 (`symmetric`). Default: what the checkpoint says, otherwise the family's: `strict`, but `halved` for T5Gemma 2 and `symmetric` for a bidirectional Gemma 3. */
      readonly encoderWindow?: "strict" | "inclusive" | "halved" | "symmetric";
      /** `causal`: the encoder's self-attention looks back alone, for ablations. Default: what the checkpoint says, otherwise `bidirectional`. */
      readonly encoderAttention?: "bidirectional" | "causal";
      /** One embedding table for both sides and the output. Default: false; T5Gemma 2 always has one. */
      readonly tieEncoderEmbedding?: boolean;
      /** The output projection is the decoder's embedding. Default: what the checkpoint says, otherwise true. */
      readonly tieOutput?: boolean;
      /** `block`: each block is computed again for the gradient instead of being kept, which needs less memory and more time. Default: `none`. */
      readonly rematerialize?: "none" | "block";
      /** How whole sequences attend. `whole` keeps all scores in memory, `blocked` those of 512 queries, computed again for the gradient, and `fused` is a kernel that writes none (on NVIDIA GPUs, in bfloat16). `auto`: `fused` where there is one, otherwise `blocked` from 16.8 million scores of a head on (4,096 tokens). Default: `auto`. */
      readonly attention?: "auto" | "whole" | "blocked" | "fused";
      /** Dropout rate in training of embeddings, sub-layers, feed-forward and final states. Default: the checkpoint's, otherwise 0. */
      readonly dropout?: number;
      /** Dropout rate in training of the probabilities of attention. Default: the checkpoint's, otherwise 0. */
      readonly attentionDropout?: number;
      /** Dropout rate in training of what a classifier's head reads. Default: the checkpoint's, otherwise 0. */
      readonly classifierDropout?: number;
    };
    /** Gemma 2, decoder-only or grafted into an encoder-decoder */
    "model:@graft/gemma/gemma": {
      /** Kind of the model. Default: the checkpoint's, otherwise `encoder-decoder`. */
      readonly kind?: "encoder-decoder" | "decoder-only" | "encoder-only";
      /** What the model's layers are made of, and the format of its checkpoints. Default: the checkpoint's or the preset's, otherwise `t5gemma`, or `gemma2` for a decoder-only model. */
      readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
      /** Sizes by name: 2b-2b, 9b-2b, 9b-9b, s-s, b-b, l-l, ml-ml, xl-xl, any other pair, one size for both sides, or a published model with its family (`gemma-3-270m`, `t5gemma-2-270m-270m`). */
      readonly preset?: string;
      /** Sizes of the encoder. Default: the decoder's. */
      readonly encoder?: {
        /** In a model of the family `graft`: the family of this side's layers. Default: the checkpoint's. */
        readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
        /** Number of blocks. */
        readonly layers?: number;
        /** Width of the residual stream. */
        readonly hidden?: number;
        /** Inner width of the feed-forward. */
        readonly feedForward?: number;
        /** Number of query heads. */
        readonly heads?: number;
        /** Number of key/value heads; divides `heads`. Default: as `heads`. */
        readonly keyValueHeads?: number;
        /** Width of a head. Default: hidden / heads. */
        readonly headDim?: number;
        /** Reach of sliding layers, in tokens. Default: the family's, such as 4096. */
        readonly slidingWindow?: number;
        /** The kind of each layer. Default: the family's pattern; Gemma 2's layers alternate, sliding first. */
        readonly layerTypes?: readonly ("sliding_attention" | "full_attention")[];
        /** Base of the rotary positions; where kinds of layers differ, of full ones. Default: the family's, such as 10000. */
        readonly ropeTheta?: number;
        /** Base of the rotary positions of sliding layers. Default: the family's. */
        readonly slidingRopeTheta?: number;
        /** Scaling of the rotary positions of full layers (`{ type: linear, factor: 8 }`); null: none. Default: none. */
        readonly ropeScaling?: {
          /** Positions are divided by the factor. */
          readonly type: "linear";
          /** How many times as long the texts become. */
          readonly factor: number;
        } | {
          /** Llama 3's: only slow rotations are slowed down. */
          readonly type: "llama3";
          /** How many times as long the texts become. */
          readonly factor: number;
          /** Rotations with fewer turns over the original length are slow. */
          readonly lowFrequencyFactor: number;
          /** Rotations with more turns stay as they are. */
          readonly highFrequencyFactor: number;
          /** The original length, in tokens. */
          readonly originalMaxPositions: number;
        } | null;
        /** Soft cap of attention scores; null: none. Default: the family's; Gemma 2: 50. */
        readonly attentionSoftCap?: number | null;
        /** Soft cap of the logits; null: none. Default: the family's; Gemma 2: 30. */
        readonly finalLogitSoftCap?: number | null;
        /** Scores are scaled by its power -1/2. Default: headDim. */
        readonly queryPreAttentionScalar?: number;
        /** Added to the mean square in every norm. Default: the family's, such as 1e-6. */
        readonly rmsNormEpsilon?: number;
        /** Written to config.json; nothing is cut off. Default: the family's; Gemma 2: 8192. */
        readonly maxPositions?: number;
        /** Tokens of the vocabulary of this side. Default: the model's. */
        readonly vocabularySize?: number;
        /** Id of the padding token of this side. Default: the model's. */
        readonly padTokenId?: number;
        /** Id of the token that starts a text of this side. Default: the model's. */
        readonly bosTokenId?: number;
        /** Id of the end token of this side, or of several. Default: the model's. */
        readonly eosTokenId?: number | readonly (number)[];
      };
      /** Sizes of the decoder. Default: the encoder's. */
      readonly decoder?: {
        /** In a model of the family `graft`: the family of this side's layers. Default: the checkpoint's. */
        readonly family?: "gemma2" | "gemma3" | "llama" | "qwen3" | "t5gemma" | "t5gemma2" | "graft";
        /** Number of blocks. */
        readonly layers?: number;
        /** Width of the residual stream. */
        readonly hidden?: number;
        /** Inner width of the feed-forward. */
        readonly feedForward?: number;
        /** Number of query heads. */
        readonly heads?: number;
        /** Number of key/value heads; divides `heads`. Default: as `heads`. */
        readonly keyValueHeads?: number;
        /** Width of a head. Default: hidden / heads. */
        readonly headDim?: number;
        /** Reach of sliding layers, in tokens. Default: the family's, such as 4096. */
        readonly slidingWindow?: number;
        /** The kind of each layer. Default: the family's pattern; Gemma 2's layers alternate, sliding first. */
        readonly layerTypes?: readonly ("sliding_attention" | "full_attention")[];
        /** Base of the rotary positions; where kinds of layers differ, of full ones. Default: the family's, such as 10000. */
        readonly ropeTheta?: number;
        /** Base of the rotary positions of sliding layers. Default: the family's. */
        readonly slidingRopeTheta?: number;
        /** Scaling of the rotary positions of full layers (`{ type: linear, factor: 8 }`); null: none. Default: none. */
        readonly ropeScaling?: {
          /** Positions are divided by the factor. */
          readonly type: "linear";
          /** How many times as long the texts become. */
          readonly factor: number;
        } | {
          /** Llama 3's: only slow rotations are slowed down. */
          readonly type: "llama3";
          /** How many times as long the texts become. */
          readonly factor: number;
          /** Rotations with fewer turns over the original length are slow. */
          readonly lowFrequencyFactor: number;
          /** Rotations with more turns stay as they are. */
          readonly highFrequencyFactor: number;
          /** The original length, in tokens. */
          readonly originalMaxPositions: number;
        } | null;
        /** Soft cap of attention scores; null: none. Default: the family's; Gemma 2: 50. */
        readonly attentionSoftCap?: number | null;
        /** Soft cap of the logits; null: none. Default: the family's; Gemma 2: 30. */
        readonly finalLogitSoftCap?: number | null;
        /** Scores are scaled by its power -1/2. Default: headDim. */
        readonly queryPreAttentionScalar?: number;
        /** Added to the mean square in every norm. Default: the family's, such as 1e-6. */
        readonly rmsNormEpsilon?: number;
        /** Written to config.json; nothing is cut off. Default: the family's; Gemma 2: 8192. */
        readonly maxPositions?: number;
        /** Tokens of the vocabulary of this side. Default: the model's. */
        readonly vocabularySize?: number;
        /** Id of the padding token of this side. Default: the model's. */
        readonly padTokenId?: number;
        /** Id of the token that starts a text of this side. Default: the model's. */
        readonly bosTokenId?: number;
        /** Id of the end token of this side, or of several. Default: the model's. */
        readonly eosTokenId?: number | readonly (number)[];
      };
      /** Tokens of the vocabulary. Default: the family's, such as 256000. */
      readonly vocabularySize?: number;
      /** Id of the padding token. Default: the family's, such as 0. */
      readonly padTokenId?: number;
      /** Id of the token that starts a decoder input. Default: the family's, such as 2. */
      readonly bosTokenId?: number;
      /** Id of the end token, or of several. Default: the family's, such as 1. */
      readonly eosTokenId?: number | readonly (number)[];
      /** Sliding encoder layers see |i - j| < window (`strict`), <= window (`inclusive`), `window` tokens in all (`halved`) or |i - j| <= window / 2 (`symmetric`). Default: what the checkpoint says, otherwise the family's: `strict`, but `halved` for T5Gemma 2 and `symmetric` for a bidirectional Gemma 3. */
      readonly encoderWindow?: "strict" | "inclusive" | "halved" | "symmetric";
      /** `causal`: the encoder's self-attention looks back alone, for ablations. Default: what the checkpoint says, otherwise `bidirectional`. */
      readonly encoderAttention?: "bidirectional" | "causal";
      /** One embedding table for both sides and the output. Default: false; T5Gemma 2 always has one. */
      readonly tieEncoderEmbedding?: boolean;
      /** The output projection is the decoder's embedding. Default: what the checkpoint says, otherwise true. */
      readonly tieOutput?: boolean;
      /** `block`: each block is computed again for the gradient instead of being kept, which needs less memory and more time. Default: `none`. */
      readonly rematerialize?: "none" | "block";
      /** How whole sequences attend. `whole` keeps all scores in memory, `blocked` those of 512 queries, computed again for the gradient, and `fused` is a kernel that writes none (on NVIDIA GPUs, in bfloat16). `auto`: `fused` where there is one, otherwise `blocked` from 16.8 million scores of a head on (4,096 tokens). Default: `auto`. */
      readonly attention?: "auto" | "whole" | "blocked" | "fused";
      /** Dropout rate in training of embeddings, sub-layers, feed-forward and final states. Default: the checkpoint's, otherwise 0. */
      readonly dropout?: number;
      /** Dropout rate in training of the probabilities of attention. Default: the checkpoint's, otherwise 0. */
      readonly attentionDropout?: number;
      /** Dropout rate in training of what a classifier's head reads. Default: the checkpoint's, otherwise 0. */
      readonly classifierDropout?: number;
    };
    /** parameters out of a Gemma 2 or T5Gemma folder */
    "initializer:load": {
      /** Folder of a checkpoint of any loaded model family, such as Gemma 2, T5Gemma or an encoder alone. */
      readonly path: string;
      /** Folder of a low-rank adapter in PEFT's layout, which is merged into the parameters. Default: none. */
      readonly adapter?: string;
    };
    /** parameters out of a Gemma 2 or T5Gemma folder */
    "initializer:@graft/gemma/load": {
      /** Folder of a checkpoint of any loaded model family, such as Gemma 2, T5Gemma or an encoder alone. */
      readonly path: string;
      /** Folder of a low-rank adapter in PEFT's layout, which is merged into the parameters. Default: none. */
      readonly adapter?: string;
    };
    /** an encoder-decoder made of one or two decoder-only checkpoints */
    "initializer:adapt": {
      /** Folder of the decoder-only checkpoint that becomes the encoder. */
      readonly encoder: string;
      /** Folder of the checkpoint that becomes the decoder. Default: the encoder's. */
      readonly decoder?: string;
      /** How the decoder reads the source: `separate`, by projections of its own; `merged`, in one softmax with its own tokens, without new parameters; `auto`: `merged` for two sides of one Gemma 3 (T5Gemma 2), otherwise `separate`.. Default: "auto" */
      readonly crossAttentionForm?: "auto" | "separate" | "merged";
      /** One embedding table for both sides and the output. Default: true for T5Gemma 2, otherwise false. */
      readonly tieEncoderEmbedding?: boolean;
      /** The pair begins in the form that computes what the checkpoint does: merged attention layer by layer, and an encoder that looks back alone. true: it stays in it. For two sides of one checkpoint.. Default: false */
      readonly preserveFunction?: boolean | {
        /** Steps of training in which the pair turns into its own form. */
        readonly steps: number;
      };
      /** Initial values of separate cross-attention. `copy`: the decoder's self-attention; `random`: normal numbers; `auto`: copy where widths and heads agree.. Default: "auto" */
      readonly crossAttention?: "auto" | "copy" | "random";
      /** `copy`: the norms around cross-attention take those around self-attention; `identity`: gain 1. Default: `copy`, but `identity` where cross-attention is among the random parts. */
      readonly crossAttentionNorms?: "copy" | "identity";
      /** `encoder`: its key/value heads are repeated, so that every query head has its own; for ablations. Default: none. */
      readonly expandHeads?: "encoder";
      /** Standard deviation of what is random.. Default: 0.02 */
      readonly std?: number;
      /** Parts that are not taken from the checkpoints, for ablations.. Default: [] */
      readonly random?: readonly ("encoder" | "decoder" | "cross-attention" | "embedding")[];
    };
    /** an encoder-decoder made of one or two decoder-only checkpoints */
    "initializer:@graft/gemma/adapt": {
      /** Folder of the decoder-only checkpoint that becomes the encoder. */
      readonly encoder: string;
      /** Folder of the checkpoint that becomes the decoder. Default: the encoder's. */
      readonly decoder?: string;
      /** How the decoder reads the source: `separate`, by projections of its own; `merged`, in one softmax with its own tokens, without new parameters; `auto`: `merged` for two sides of one Gemma 3 (T5Gemma 2), otherwise `separate`.. Default: "auto" */
      readonly crossAttentionForm?: "auto" | "separate" | "merged";
      /** One embedding table for both sides and the output. Default: true for T5Gemma 2, otherwise false. */
      readonly tieEncoderEmbedding?: boolean;
      /** The pair begins in the form that computes what the checkpoint does: merged attention layer by layer, and an encoder that looks back alone. true: it stays in it. For two sides of one checkpoint.. Default: false */
      readonly preserveFunction?: boolean | {
        /** Steps of training in which the pair turns into its own form. */
        readonly steps: number;
      };
      /** Initial values of separate cross-attention. `copy`: the decoder's self-attention; `random`: normal numbers; `auto`: copy where widths and heads agree.. Default: "auto" */
      readonly crossAttention?: "auto" | "copy" | "random";
      /** `copy`: the norms around cross-attention take those around self-attention; `identity`: gain 1. Default: `copy`, but `identity` where cross-attention is among the random parts. */
      readonly crossAttentionNorms?: "copy" | "identity";
      /** `encoder`: its key/value heads are repeated, so that every query head has its own; for ablations. Default: none. */
      readonly expandHeads?: "encoder";
      /** Standard deviation of what is random.. Default: 0.02 */
      readonly std?: number;
      /** Parts that are not taken from the checkpoints, for ablations.. Default: [] */
      readonly random?: readonly ("encoder" | "decoder" | "cross-attention" | "embedding")[];
    };
    /** random parameters, for models trained from scratch */
    "initializer:scratch": {
      /** Standard deviation of matrices and embeddings; norms start at gain 1.. Default: 0.02 */
      readonly std?: number;
    };
    /** random parameters, for models trained from scratch */
    "initializer:@graft/scratch/scratch": {
      /** Standard deviation of matrices and embeddings; norms start at gain 1.. Default: 0.02 */
      readonly std?: number;
    };
    /** sequence to sequence, from source and target or from ready batches */
    "objective:seq2seq": {
      /** Longest source, in tokens. A longer one is an error, or is cut with `truncate`. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest target, in tokens, end of sequence included. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Cuts the ends of sources and targets that are too long (a cut target loses its end-of-sequence token).. Default: false */
      readonly truncate?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** sequence to sequence, from source and target or from ready batches */
    "objective:@graft/objectives/seq2seq": {
      /** Longest source, in tokens. A longer one is an error, or is cut with `truncate`. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest target, in tokens, end of sequence included. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Cuts the ends of sources and targets that are too long (a cut target loses its end-of-sequence token).. Default: false */
      readonly truncate?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** the encoder reads the first part of a sequence, the decoder predicts the rest */
    "objective:prefix-lm": {
      /** Where the prefix ends: in the middle (paper, section 3.3), or anywhere with equal chance.. Default: "half" */
      readonly split?: "half" | "random";
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** A teacher whose distributions the student learns beside the labels (paper, section 3.3). */
      readonly distillation?: {
        /** Folder of a decoder-only checkpoint with the vocabulary of the student; with `cache`, the one that the cache must be of. */
        readonly teacher?: string;
        /** Folder that `graft teacher cache` wrote: the teacher itself is not needed. */
        readonly cache?: string;
        /** `blend`: the cross-entropy of the labels, weighing `alpha`, and the divergence from the teacher; `gemma2`: the cross-entropy of the distribution of the teacher alone; `gemma3`: the same of some of its tokens, drawn by their probability, which is renormalised.. Default: "blend" */
        readonly loss?: "blend" | "gemma2" | "gemma3";
        /** Of `blend`: weight of cross-entropy; the divergence has the rest. Default: 0.25. */
        readonly alpha?: number;
        /** Of `gemma3`: tokens that are drawn for each label, without replacement. Default: 256. */
        readonly samples?: number;
        /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size.. Default: 1 */
        readonly temperature?: number;
      };
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** the encoder reads the first part of a sequence, the decoder predicts the rest */
    "objective:@graft/objectives/prefix-lm": {
      /** Where the prefix ends: in the middle (paper, section 3.3), or anywhere with equal chance.. Default: "half" */
      readonly split?: "half" | "random";
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** A teacher whose distributions the student learns beside the labels (paper, section 3.3). */
      readonly distillation?: {
        /** Folder of a decoder-only checkpoint with the vocabulary of the student; with `cache`, the one that the cache must be of. */
        readonly teacher?: string;
        /** Folder that `graft teacher cache` wrote: the teacher itself is not needed. */
        readonly cache?: string;
        /** `blend`: the cross-entropy of the labels, weighing `alpha`, and the divergence from the teacher; `gemma2`: the cross-entropy of the distribution of the teacher alone; `gemma3`: the same of some of its tokens, drawn by their probability, which is renormalised.. Default: "blend" */
        readonly loss?: "blend" | "gemma2" | "gemma3";
        /** Of `blend`: weight of cross-entropy; the divergence has the rest. Default: 0.25. */
        readonly alpha?: number;
        /** Of `gemma3`: tokens that are drawn for each label, without replacement. Default: 256. */
        readonly samples?: number;
        /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size.. Default: 1 */
        readonly temperature?: number;
      };
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** next-token prediction for decoder-only models */
    "objective:causal-lm": {
      /** What an example is: `text`, of which every token is learnt, or `pairs`: a source and a target, read as one text, of which only the target is learnt.. Default: "text" */
      readonly input?: "text" | "pairs";
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** next-token prediction for decoder-only models */
    "objective:@graft/objectives/causal-lm": {
      /** What an example is: `text`, of which every token is learnt, or `pairs`: a source and a target, read as one text, of which only the target is learnt.. Default: "text" */
      readonly input?: "text" | "pairs";
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** a mixture of denoisers: span corruption with sentinels, and prefix language modelling */
    "objective:ul2": {
      /** A published mixture of denoisers: `ul2` (Tay et al., 2022) or `t5gemma2`.. Default: "ul2" */
      readonly preset?: "ul2" | "t5gemma2";
      /** Denoisers instead of the preset's. */
      readonly denoisers?: readonly ({
        /** `span`: spans anywhere, a sentinel for each. `suffix`: the end of the sequence, without sentinel (prefix LM).. Default: "span" */
        readonly kind?: "span" | "suffix";
        /** Tokens of a span on average; for `suffix` the rate alone decides.. Default: 3 */
        readonly meanSpan?: number;
        /** Share of the tokens to be predicted. */
        readonly rate: number;
        /** Relative chance; 0 leaves the denoiser out.. Default: 1 */
        readonly weight?: number;
        /** Name of its mode token in `modeTokens`. Default: none. */
        readonly prefix?: string;
      })[];
      /** Which tokens stand for spans: `auto` takes unused ones of the tokenizer.. Default: "auto" */
      readonly sentinels?: string | readonly (number | string)[] | {
        /** `auto`: the tokenizer's unused tokens; or ids, names and patterns. Default: `auto`, unless `first`, `step` or `count` are given. */
        readonly tokens?: string | readonly (number | string)[];
        /** Id of the first sentinel, where no `tokens` are named. Default: the vocabulary's last token. */
        readonly first?: number;
        /** From one sentinel to the next. Default: -1. */
        readonly step?: -1 | 1;
        /** How many there are: 100 by default. With `tokens`: how many of them are taken at most, all by default. */
        readonly count?: number;
        /** Begins again with the first one where a sequence has more spans than there are sentinels. Default: false. */
        readonly reuse?: boolean;
      };
      /** Tokens put before the source, by the denoisers' `prefix`; `auto` takes unused ones, none by default.. Default: {} */
      readonly modeTokens?: "auto" | Readonly<Record<string, number | string>>;
      /** Whether a new run may train with sentinels and mode tokens that text can produce: a warning instead of an error.. Default: false */
      readonly allowTextTokens?: boolean;
      /** Whether the target of a `span` denoiser ends with the model's end token.. Default: true */
      readonly appendEos?: boolean;
      /** The same of a `suffix` denoiser, whose target is a piece of text that may continue. Default: false. */
      readonly suffixEos?: boolean;
      /** Tokens that the encoder reads: every denoiser gets as much text as fills them. Default: as much as the dataset gives. */
      readonly inputTokens?: number;
      /** With `inputTokens`: tokens that the decoder writes at most; what would write more gets less text. Default: as `inputTokens`. */
      readonly targetTokens?: number;
      /** Longest source, in tokens; what needs more is an error, never cut. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest target, in tokens; what needs more is an error, never cut. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again. Default 32; 8 with `inputTokens`. */
      readonly padToMultipleOf?: number;
      /** A teacher that reads the uncorrupted text, whose distributions the student learns for the tokens of spans (T5Gemma 2). */
      readonly distillation?: {
        /** Folder of a decoder-only checkpoint with the vocabulary of the student; with `cache`, the one that the cache must be of. */
        readonly teacher?: string;
        /** Folder that `graft teacher cache` wrote: the teacher itself is not needed. */
        readonly cache?: string;
        /** `blend`: the cross-entropy of the labels, weighing `alpha`, and the divergence from the teacher; `gemma2`: the cross-entropy of the distribution of the teacher alone; `gemma3`: the same of some of its tokens, drawn by their probability, which is renormalised.. Default: "blend" */
        readonly loss?: "blend" | "gemma2" | "gemma3";
        /** Of `blend`: weight of cross-entropy; the divergence has the rest. Default: 0.25. */
        readonly alpha?: number;
        /** Of `gemma3`: tokens that are drawn for each label, without replacement. Default: 256. */
        readonly samples?: number;
        /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size.. Default: 1 */
        readonly temperature?: number;
      };
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** a mixture of denoisers: span corruption with sentinels, and prefix language modelling */
    "objective:@graft/objectives/ul2": {
      /** A published mixture of denoisers: `ul2` (Tay et al., 2022) or `t5gemma2`.. Default: "ul2" */
      readonly preset?: "ul2" | "t5gemma2";
      /** Denoisers instead of the preset's. */
      readonly denoisers?: readonly ({
        /** `span`: spans anywhere, a sentinel for each. `suffix`: the end of the sequence, without sentinel (prefix LM).. Default: "span" */
        readonly kind?: "span" | "suffix";
        /** Tokens of a span on average; for `suffix` the rate alone decides.. Default: 3 */
        readonly meanSpan?: number;
        /** Share of the tokens to be predicted. */
        readonly rate: number;
        /** Relative chance; 0 leaves the denoiser out.. Default: 1 */
        readonly weight?: number;
        /** Name of its mode token in `modeTokens`. Default: none. */
        readonly prefix?: string;
      })[];
      /** Which tokens stand for spans: `auto` takes unused ones of the tokenizer.. Default: "auto" */
      readonly sentinels?: string | readonly (number | string)[] | {
        /** `auto`: the tokenizer's unused tokens; or ids, names and patterns. Default: `auto`, unless `first`, `step` or `count` are given. */
        readonly tokens?: string | readonly (number | string)[];
        /** Id of the first sentinel, where no `tokens` are named. Default: the vocabulary's last token. */
        readonly first?: number;
        /** From one sentinel to the next. Default: -1. */
        readonly step?: -1 | 1;
        /** How many there are: 100 by default. With `tokens`: how many of them are taken at most, all by default. */
        readonly count?: number;
        /** Begins again with the first one where a sequence has more spans than there are sentinels. Default: false. */
        readonly reuse?: boolean;
      };
      /** Tokens put before the source, by the denoisers' `prefix`; `auto` takes unused ones, none by default.. Default: {} */
      readonly modeTokens?: "auto" | Readonly<Record<string, number | string>>;
      /** Whether a new run may train with sentinels and mode tokens that text can produce: a warning instead of an error.. Default: false */
      readonly allowTextTokens?: boolean;
      /** Whether the target of a `span` denoiser ends with the model's end token.. Default: true */
      readonly appendEos?: boolean;
      /** The same of a `suffix` denoiser, whose target is a piece of text that may continue. Default: false. */
      readonly suffixEos?: boolean;
      /** Tokens that the encoder reads: every denoiser gets as much text as fills them. Default: as much as the dataset gives. */
      readonly inputTokens?: number;
      /** With `inputTokens`: tokens that the decoder writes at most; what would write more gets less text. Default: as `inputTokens`. */
      readonly targetTokens?: number;
      /** Longest source, in tokens; what needs more is an error, never cut. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest target, in tokens; what needs more is an error, never cut. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again. Default 32; 8 with `inputTokens`. */
      readonly padToMultipleOf?: number;
      /** A teacher that reads the uncorrupted text, whose distributions the student learns for the tokens of spans (T5Gemma 2). */
      readonly distillation?: {
        /** Folder of a decoder-only checkpoint with the vocabulary of the student; with `cache`, the one that the cache must be of. */
        readonly teacher?: string;
        /** Folder that `graft teacher cache` wrote: the teacher itself is not needed. */
        readonly cache?: string;
        /** `blend`: the cross-entropy of the labels, weighing `alpha`, and the divergence from the teacher; `gemma2`: the cross-entropy of the distribution of the teacher alone; `gemma3`: the same of some of its tokens, drawn by their probability, which is renormalised.. Default: "blend" */
        readonly loss?: "blend" | "gemma2" | "gemma3";
        /** Of `blend`: weight of cross-entropy; the divergence has the rest. Default: 0.25. */
        readonly alpha?: number;
        /** Of `gemma3`: tokens that are drawn for each label, without replacement. Default: 256. */
        readonly samples?: number;
        /** Softens both distributions; the divergence is multiplied by its square, which keeps the gradient's size.. Default: 1 */
        readonly temperature?: number;
      };
      /** Share of each label's probability that is spread evenly over the vocabulary.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Adds this times log(Z)^2 of each label's softmax: 1e-4 keeps logits from drifting.. Default: 0 */
      readonly zLoss?: number;
      /** Tokens whose logits are in memory together; a fourth of the batch or less saves most of them. Default: all. */
      readonly chunkTokens?: number;
    };
    /** several objectives, of which each step draws one by its rate; switches by step */
    "objective:mixture": {
      /** The objectives of which each step draws one. */
      readonly objectives: readonly ({
        /** The objective, by name or with its options. */
        readonly objective: ComponentInput<'objective'>;
        /** Its name in metrics, and where a dataset names it. Default: the objective's id. */
        readonly name?: string;
        /** Relative chance of a step.. Default: 1 */
        readonly rate?: number;
        /** Steps at the start that never have it.. Default: 0 */
        readonly fromStep?: number;
        /** Step from which on none has it. Default: the end of the run. */
        readonly untilStep?: number;
      })[];
    };
    /** several objectives, of which each step draws one by its rate; switches by step */
    "objective:@graft/objectives/mixture": {
      /** The objectives of which each step draws one. */
      readonly objectives: readonly ({
        /** The objective, by name or with its options. */
        readonly objective: ComponentInput<'objective'>;
        /** Its name in metrics, and where a dataset names it. Default: the objective's id. */
        readonly name?: string;
        /** Relative chance of a step.. Default: 1 */
        readonly rate?: number;
        /** Steps at the start that never have it.. Default: 0 */
        readonly fromStep?: number;
        /** Step from which on none has it. Default: the end of the run. */
        readonly untilStep?: number;
      })[];
    };
    /** direct preference optimization, and SimPO, IPO and SLiC: learns which of two answers is better */
    "objective:dpo": {
      /** The loss of a pair: of DPO (`sigmoid`), the same for pairs of which some are mislabelled (`robust`), of SLiC (`hinge`) or of IPO (`ipo`).. Default: "sigmoid" */
      readonly loss?: "sigmoid" | "robust" | "hinge" | "ipo";
      /** What log-ratios are multiplied by to be rewards; the larger, the closer to the reference.. Default: 0.1 */
      readonly beta?: number;
      /** Share of the pairs that are taken to be in the wrong order. Of `sigmoid` and `robust`.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Takes the mean log-ratio of the tokens of an answer in place of the sum: length-normalised.. Default: false */
      readonly perToken?: boolean;
      /** How much larger the reward of the chosen answer is to be: SimPO's gamma. Of `sigmoid`.. Default: 0 */
      readonly margin?: number;
      /** The model from which the log-ratios are taken: the one that the run begins with, one of a checkpoint (`{ checkpoint: FOLDER }`), or none.. Default: "initial" */
      readonly reference?: "initial" | "none" | {
        /** Folder of the reference's checkpoint. */
        readonly checkpoint: string;
      };
      /** Computes the log-probabilities of the reference once for each pair, and keeps them for later epochs and runs: `true` in Graft's cache, or in another folder (`{ folder: FOLDER }`). Default: every step computes them.. Default: false */
      readonly keepReference?: boolean | {
        /** The folder that keeps them, by the reference's content. */
        readonly folder: string;
      };
      /** Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest answer in tokens, end of sequence included. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Cuts the ends of longer sequences instead.. Default: false */
      readonly truncate?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Tokens whose logits are in memory together; they are computed again for the gradient. Default: all. */
      readonly chunkTokens?: number;
    };
    /** direct preference optimization, and SimPO, IPO and SLiC: learns which of two answers is better */
    "objective:@graft/tuning/dpo": {
      /** The loss of a pair: of DPO (`sigmoid`), the same for pairs of which some are mislabelled (`robust`), of SLiC (`hinge`) or of IPO (`ipo`).. Default: "sigmoid" */
      readonly loss?: "sigmoid" | "robust" | "hinge" | "ipo";
      /** What log-ratios are multiplied by to be rewards; the larger, the closer to the reference.. Default: 0.1 */
      readonly beta?: number;
      /** Share of the pairs that are taken to be in the wrong order. Of `sigmoid` and `robust`.. Default: 0 */
      readonly labelSmoothing?: number;
      /** Takes the mean log-ratio of the tokens of an answer in place of the sum: length-normalised.. Default: false */
      readonly perToken?: boolean;
      /** How much larger the reward of the chosen answer is to be: SimPO's gamma. Of `sigmoid`.. Default: 0 */
      readonly margin?: number;
      /** The model from which the log-ratios are taken: the one that the run begins with, one of a checkpoint (`{ checkpoint: FOLDER }`), or none.. Default: "initial" */
      readonly reference?: "initial" | "none" | {
        /** Folder of the reference's checkpoint. */
        readonly checkpoint: string;
      };
      /** Computes the log-probabilities of the reference once for each pair, and keeps them for later epochs and runs: `true` in Graft's cache, or in another folder (`{ folder: FOLDER }`). Default: every step computes them.. Default: false */
      readonly keepReference?: boolean | {
        /** The folder that keeps them, by the reference's content. */
        readonly folder: string;
      };
      /** Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Longest answer in tokens, end of sequence included. Default: no limit. */
      readonly maxTargetTokens?: number;
      /** Cuts the ends of longer sequences instead.. Default: false */
      readonly truncate?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Tokens whose logits are in memory together; they are computed again for the gradient. Default: all. */
      readonly chunkTokens?: number;
    };
    /** the student continues prompts, and learns a teacher's distribution for what it wrote (GKD) */
    "objective:on-policy-distillation": {
      /** Folder of a decoder-only checkpoint with the vocabulary of the student. */
      readonly teacher: string;
      /** GKD's lambda: chance of a step that the student writes the targets itself; other steps take those of the data.. Default: 1 */
      readonly onPolicyRate?: number;
      /** GKD's beta: 0 is the forward divergence (of the student from the teacher), 1 the reverse one, between them the generalized Jensen-Shannon divergence.. Default: 0.5 */
      readonly beta?: number;
      /** Softens both distributions of the divergence.. Default: 1 */
      readonly temperature?: number;
      /** Tokens that the student writes at most.. Default: 128 */
      readonly maxNewTokens?: number;
      /** How the student writes. Default: it draws from its own distribution; the checkpoint's settings do not count.. Default: {} */
      readonly sampling?: {
        /** Divides the logits before tokens are drawn; 0 takes the most probable one.. Default: 1 */
        readonly temperature?: number;
        /** Draws from this many most probable tokens; 0: from all.. Default: 0 */
        readonly topK?: number;
        /** Draws from the fewest most probable tokens that reach this probability together.. Default: 1 */
        readonly topP?: number;
      };
      /** Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Tokens whose logits, the student's and the teacher's, are in memory together. Default: all. */
      readonly chunkTokens?: number;
    };
    /** the student continues prompts, and learns a teacher's distribution for what it wrote (GKD) */
    "objective:@graft/tuning/on-policy-distillation": {
      /** Folder of a decoder-only checkpoint with the vocabulary of the student. */
      readonly teacher: string;
      /** GKD's lambda: chance of a step that the student writes the targets itself; other steps take those of the data.. Default: 1 */
      readonly onPolicyRate?: number;
      /** GKD's beta: 0 is the forward divergence (of the student from the teacher), 1 the reverse one, between them the generalized Jensen-Shannon divergence.. Default: 0.5 */
      readonly beta?: number;
      /** Softens both distributions of the divergence.. Default: 1 */
      readonly temperature?: number;
      /** Tokens that the student writes at most.. Default: 128 */
      readonly maxNewTokens?: number;
      /** How the student writes. Default: it draws from its own distribution; the checkpoint's settings do not count.. Default: {} */
      readonly sampling?: {
        /** Divides the logits before tokens are drawn; 0 takes the most probable one.. Default: 1 */
        readonly temperature?: number;
        /** Draws from this many most probable tokens; 0: from all.. Default: 0 */
        readonly topK?: number;
        /** Draws from the fewest most probable tokens that reach this probability together.. Default: 1 */
        readonly topP?: number;
      };
      /** Longest prompt in tokens; a longer one is an error that names the length needed. Default: no limit. */
      readonly maxSourceTokens?: number;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
      /** Tokens whose logits, the student's and the teacher's, are in memory together. Default: all. */
      readonly chunkTokens?: number;
    };
    /** Adam with decoupled weight decay and clipping by global norm */
    "optimizer:adamw": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** Decay rates of the first and second moment.. Default: [0.9,0.999] */
      readonly betas?: readonly [number, number];
      /** Added to the root of the corrected second moment.. Default: 1e-8 */
      readonly epsilon?: number;
      /** Dtype in which the moments are stored; int8: a byte a number, with a scale for each 256 of them. Default: float32. */
      readonly moments?: "float32" | "bfloat16" | "int8";
    };
    /** Adam with decoupled weight decay and clipping by global norm */
    "optimizer:@graft/optimizers/adamw": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** Decay rates of the first and second moment.. Default: [0.9,0.999] */
      readonly betas?: readonly [number, number];
      /** Added to the root of the corrected second moment.. Default: 1e-8 */
      readonly epsilon?: number;
      /** Dtype in which the moments are stored; int8: a byte a number, with a scale for each 256 of them. Default: float32. */
      readonly moments?: "float32" | "bfloat16" | "int8";
    };
    /** second moments of matrices by rows and columns: next to no state */
    "optimizer:adafactor": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** The second moment's decay at step t is 1 - t^-decayExponent.. Default: 0.8 */
      readonly decayExponent?: number;
      /** Decay of a first moment. Default: no first moment. */
      readonly beta1?: number;
      /** Added to squared gradients.. Default: 1e-30 */
      readonly epsilon?: number;
      /** A parameter's update is scaled down to this root mean square.. Default: 1 */
      readonly clipThreshold?: number;
      /** Whether the learning rate is relative to the root mean square of the parameter, which counts as at least `leastScale`.. Default: true */
      readonly scaleParameter?: boolean;
      /** Least root mean square that a parameter counts as, with `scaleParameter`.. Default: 0.001 */
      readonly leastScale?: number;
    };
    /** second moments of matrices by rows and columns: next to no state */
    "optimizer:@graft/optimizers/adafactor": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** The second moment's decay at step t is 1 - t^-decayExponent.. Default: 0.8 */
      readonly decayExponent?: number;
      /** Decay of a first moment. Default: no first moment. */
      readonly beta1?: number;
      /** Added to squared gradients.. Default: 1e-30 */
      readonly epsilon?: number;
      /** A parameter's update is scaled down to this root mean square.. Default: 1 */
      readonly clipThreshold?: number;
      /** Whether the learning rate is relative to the root mean square of the parameter, which counts as at least `leastScale`.. Default: true */
      readonly scaleParameter?: boolean;
      /** Least root mean square that a parameter counts as, with `scaleParameter`.. Default: 0.001 */
      readonly leastScale?: number;
    };
    /** signs of the momentum: steps of one size, half of Adam’s state */
    "optimizer:lion": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** The fraction of the momentum in the sign, and in the next momentum.. Default: [0.9,0.99] */
      readonly betas?: readonly [number, number];
    };
    /** signs of the momentum: steps of one size, half of Adam’s state */
    "optimizer:@graft/optimizers/lion": {
      /** Base learning rate; a schedule scales it by step. */
      readonly learningRate: number;
      /** Decoupled weight decay: each step subtracts learningRate * weightDecay times the parameter.. Default: 0 */
      readonly weightDecay?: number;
      /** Norms and other vectors (tensors of rank 1) do not decay unless this is true.. Default: false */
      readonly decayVectors?: boolean;
      /** Names of other parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`.. Default: [] */
      readonly noDecay?: readonly (string)[];
      /** Global norm that gradients are scaled down to. Default: no clipping. */
      readonly clipNorm?: number;
      /** The fraction of the momentum in the sign, and in the next momentum.. Default: [0.9,0.99] */
      readonly betas?: readonly [number, number];
    };
    /** the base learning rate, after a linear warm-up */
    "schedule:constant": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
    };
    /** the base learning rate, after a linear warm-up */
    "schedule:@graft/optimizers/constant": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
    };
    /** half a cosine down to a last factor, after a linear warm-up */
    "schedule:cosine": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
      /** Factor at the end of the decay and after it.. Default: 0 */
      readonly finalFactor?: number;
      /** Steps of the decay, after the warm-up. Default: the rest of the run. */
      readonly decaySteps?: number;
    };
    /** half a cosine down to a last factor, after a linear warm-up */
    "schedule:@graft/optimizers/cosine": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
      /** Factor at the end of the decay and after it.. Default: 0 */
      readonly finalFactor?: number;
      /** Steps of the decay, after the warm-up. Default: the rest of the run. */
      readonly decaySteps?: number;
    };
    /** falls with the root of the steps done, after a linear warm-up, whatever the length of the run */
    "schedule:inverse-sqrt": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
    };
    /** falls with the root of the steps done, after a linear warm-up, whatever the length of the run */
    "schedule:@graft/optimizers/inverse-sqrt": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
    };
    /** a straight line down to a last factor, after a linear warm-up */
    "schedule:linear": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
      /** Factor at the end of the decay and after it.. Default: 0 */
      readonly finalFactor?: number;
      /** Steps of the decay, after the warm-up. Default: the rest of the run. */
      readonly decaySteps?: number;
    };
    /** a straight line down to a last factor, after a linear warm-up */
    "schedule:@graft/optimizers/linear": {
      /** Steps over which the factor rises in equal parts; the first step has 1 / warmupSteps, the last one 1.. Default: 0 */
      readonly warmupSteps?: number;
      /** Factor at the end of the decay and after it.. Default: 0 */
      readonly finalFactor?: number;
      /** Steps of the decay, after the warm-up. Default: the rest of the run. */
      readonly decaySteps?: number;
    };
    /** text files, streamed and packed into windows */
    "dataset:text": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Tokens in an example; with a tokenizer for each side, of the decoder. */
      readonly lengthTokens: number;
      /** The separator of documents within a file, such as "\n\n". Default: a file is one document. */
      readonly separator?: string;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs several whole documents into each row of `lengthTokens`; attention does not cross them. Default: windows. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every document, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the files in a different order in every epoch, and shuffles windows in blocks of `shuffleWindows`.. Default: true */
      readonly shuffle?: boolean;
      /** Windows that are shuffled together, and are in memory together.. Default: 256 */
      readonly shuffleWindows?: number;
      /** Begins again at the end of the files.. Default: true */
      readonly repeat?: boolean;
    };
    /** text files, streamed and packed into windows */
    "dataset:@graft/text/text": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Tokens in an example; with a tokenizer for each side, of the decoder. */
      readonly lengthTokens: number;
      /** The separator of documents within a file, such as "\n\n". Default: a file is one document. */
      readonly separator?: string;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs several whole documents into each row of `lengthTokens`; attention does not cross them. Default: windows. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every document, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the files in a different order in every epoch, and shuffles windows in blocks of `shuffleWindows`.. Default: true */
      readonly shuffle?: boolean;
      /** Windows that are shuffled together, and are in memory together.. Default: 256 */
      readonly shuffleWindows?: number;
      /** Begins again at the end of the files.. Default: true */
      readonly repeat?: boolean;
    };
    /** texts, or sources and targets, from files with a JSON object on each line */
    "dataset:jsonl": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
      readonly text?: string;
      /** Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both. */
      readonly source?: string;
      /** Key of the text to write, or a template; with `source`. */
      readonly target?: string;
      /** Key of a number, or of a list with one for each token of the target (or of the text): its weight in the loss. Default: every token weighs 1. */
      readonly weights?: string;
      /** Packs the texts into windows of this many tokens. Default: a row is an example. */
      readonly lengthTokens?: number;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs whole texts into rows of `lengthTokens`, or pairs into rows of `sourceTokens` and `targetTokens`, several in each row; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every text or target, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together, and are in memory together, if rows cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** texts, or sources and targets, from files with a JSON object on each line */
    "dataset:@graft/text/jsonl": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
      readonly text?: string;
      /** Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both. */
      readonly source?: string;
      /** Key of the text to write, or a template; with `source`. */
      readonly target?: string;
      /** Key of a number, or of a list with one for each token of the target (or of the text): its weight in the loss. Default: every token weighs 1. */
      readonly weights?: string;
      /** Packs the texts into windows of this many tokens. Default: a row is an example. */
      readonly lengthTokens?: number;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs whole texts into rows of `lengthTokens`, or pairs into rows of `sourceTokens` and `targetTokens`, several in each row; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every text or target, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together, and are in memory together, if rows cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** texts, or sources and targets, from the columns of Parquet files */
    "dataset:parquet": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
      readonly text?: string;
      /** Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both. */
      readonly source?: string;
      /** Key of the text to write, or a template; with `source`. */
      readonly target?: string;
      /** Key of a number, or of a list with one for each token of the target (or of the text): its weight in the loss. Default: every token weighs 1. */
      readonly weights?: string;
      /** Packs the texts into windows of this many tokens. Default: a row is an example. */
      readonly lengthTokens?: number;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs whole texts into rows of `lengthTokens`, or pairs into rows of `sourceTokens` and `targetTokens`, several in each row; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every text or target, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together, and are in memory together, if rows cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** texts, or sources and targets, from the columns of Parquet files */
    "dataset:@graft/text/parquet": {
      /** Files, or globs with `*`, `**`, `?` and `{a,b}`: one or several. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the text, or a template; the examples have `tokens`. Default `text`, unless `source` and `target` are given. */
      readonly text?: string;
      /** Key of the text to read, or a template like `Translate: {english}`; with `target`, the examples have both. */
      readonly source?: string;
      /** Key of the text to write, or a template; with `source`. */
      readonly target?: string;
      /** Key of a number, or of a list with one for each token of the target (or of the text): its weight in the loss. Default: every token weighs 1. */
      readonly weights?: string;
      /** Packs the texts into windows of this many tokens. Default: a row is an example. */
      readonly lengthTokens?: number;
      /** Whether attention stays within each document of a window.. Default: false */
      readonly segments?: boolean;
      /** Packs whole texts into rows of `lengthTokens`, or pairs into rows of `sourceTokens` and `targetTokens`, several in each row; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every text or target, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together, and are in memory together, if rows cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** conversations from files with a JSON object on each line; the answers are learnt */
    "dataset:chat": {
      /** Files or globs, one or several; each line is a JSON object with a conversation, or each row of Parquet. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the list of turns, `{ role, content }` or `{ from, value }` each.. Default: "messages" */
      readonly messages?: string;
      /** `last`: the conversation's last answer is learned; `every`: each of them, from everything before it.. Default: "last" */
      readonly answers?: "last" | "every";
      /** A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup. */
      readonly template?: string;
      /** Name of the template, if there are several. Default: `default`. */
      readonly templateName?: string;
      /** The date for a template that asks for it, as `2026-01-31`. Default: today. */
      readonly date?: string;
      /** Uses Gemma's markup with these markers, even if the tokenizer has a template. */
      readonly markers?: {
        /** Begins a turn.. Default: "<start_of_turn>" */
        readonly startOfTurn?: string;
        /** Ends a turn.. Default: "<end_of_turn>" */
        readonly endOfTurn?: string;
        /** Name of the user's turns.. Default: "user" */
        readonly user?: string;
        /** Name of the model's turns.. Default: "model" */
        readonly model?: string;
      };
      /** Special tokens that are spelled out in a turn: an error (`refuse`), or encoded as those tokens, as published tokenizers do (`encode`).. Default: "refuse" */
      readonly controlTokens?: "refuse" | "encode";
      /** Packs several conversations into each row of `sourceTokens` and `targetTokens`; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every answer, after its end of turn, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the conversations in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Conversations that are shuffled together if they cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last conversation.. Default: true */
      readonly repeat?: boolean;
    };
    /** conversations from files with a JSON object on each line; the answers are learnt */
    "dataset:@graft/text/chat": {
      /** Files or globs, one or several; each line is a JSON object with a conversation, or each row of Parquet. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the list of turns, `{ role, content }` or `{ from, value }` each.. Default: "messages" */
      readonly messages?: string;
      /** `last`: the conversation's last answer is learned; `every`: each of them, from everything before it.. Default: "last" */
      readonly answers?: "last" | "every";
      /** A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup. */
      readonly template?: string;
      /** Name of the template, if there are several. Default: `default`. */
      readonly templateName?: string;
      /** The date for a template that asks for it, as `2026-01-31`. Default: today. */
      readonly date?: string;
      /** Uses Gemma's markup with these markers, even if the tokenizer has a template. */
      readonly markers?: {
        /** Begins a turn.. Default: "<start_of_turn>" */
        readonly startOfTurn?: string;
        /** Ends a turn.. Default: "<end_of_turn>" */
        readonly endOfTurn?: string;
        /** Name of the user's turns.. Default: "user" */
        readonly user?: string;
        /** Name of the model's turns.. Default: "model" */
        readonly model?: string;
      };
      /** Special tokens that are spelled out in a turn: an error (`refuse`), or encoded as those tokens, as published tokenizers do (`encode`).. Default: "refuse" */
      readonly controlTokens?: "refuse" | "encode";
      /** Packs several conversations into each row of `sourceTokens` and `targetTokens`; attention does not cross them. Default: nothing is packed. */
      readonly pack?: {
        /** Tokens of the source of a packed row; for data with `source` and `target`. */
        readonly sourceTokens?: number;
        /** Tokens of the target of a packed row; for data with `source` and `target`. */
        readonly targetTokens?: number;
        /** Rows that are packed together, and are in memory together: more rows waste less.. Default: 64 */
        readonly rows?: number;
        /** How to treat a sequence that is longer than a row: `split` it into several (only texts, and their default), `error` (the default of pairs), `truncate` (cut off its end) or `drop`. */
        readonly tooLong?: "split" | "error" | "truncate" | "drop";
      };
      /** Holds a fraction of the documents out of training. Default: all documents are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind every answer, after its end of turn, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the conversations in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Conversations that are shuffled together if they cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last conversation.. Default: true */
      readonly repeat?: boolean;
    };
    /** prompts with a better and a worse answer, from files with a JSON object on each line */
    "dataset:preferences": {
      /** Files or globs, one or several; each line is a JSON object with a prompt and two answers, or each row of Parquet. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the prompt: a text, or a list of turns. Rows whose answers are whole conversations need none.. Default: "prompt" */
      readonly prompt?: string;
      /** Key of the better answer: a text, turns that answer the prompt, or the whole conversation.. Default: "chosen" */
      readonly chosen?: string;
      /** Key of the worse answer, in the same form.. Default: "rejected" */
      readonly rejected?: string;
      /** A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup. */
      readonly template?: string;
      /** Name of the template, if there are several. Default: `default`. */
      readonly templateName?: string;
      /** The date for a template that asks for it, as `2026-01-31`. Default: today. */
      readonly date?: string;
      /** Uses Gemma's markup with these markers, even if the tokenizer has a template. */
      readonly markers?: {
        /** Begins a turn.. Default: "<start_of_turn>" */
        readonly startOfTurn?: string;
        /** Ends a turn.. Default: "<end_of_turn>" */
        readonly endOfTurn?: string;
        /** Name of the user's turns.. Default: "user" */
        readonly user?: string;
        /** Name of the model's turns.. Default: "model" */
        readonly model?: string;
      };
      /** Special tokens that are spelled out in a turn: an error (`refuse`), or encoded as those tokens, as published tokenizers do (`encode`).. Default: "refuse" */
      readonly controlTokens?: "refuse" | "encode";
      /** Not possible: the two answers to a prompt are rows of their own. */
      readonly pack?: unknown;
      /** Holds a fraction of the rows out of training. Default: all rows are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind both answers, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together if they cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** prompts with a better and a worse answer, from files with a JSON object on each line */
    "dataset:@graft/text/preferences": {
      /** Files or globs, one or several; each line is a JSON object with a prompt and two answers, or each row of Parquet. */
      readonly files: string | readonly (string)[];
      /** Patterns of files to leave out, matched against absolute paths, as in `**\/CHANGELOG.md`.. Default: [] */
      readonly exclude?: readonly (string)[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Key of the prompt: a text, or a list of turns. Rows whose answers are whole conversations need none.. Default: "prompt" */
      readonly prompt?: string;
      /** Key of the better answer: a text, turns that answer the prompt, or the whole conversation.. Default: "chosen" */
      readonly chosen?: string;
      /** Key of the worse answer, in the same form.. Default: "rejected" */
      readonly rejected?: string;
      /** A chat template, or a folder that has one. Default: the tokenizer's own, otherwise Gemma's markup. */
      readonly template?: string;
      /** Name of the template, if there are several. Default: `default`. */
      readonly templateName?: string;
      /** The date for a template that asks for it, as `2026-01-31`. Default: today. */
      readonly date?: string;
      /** Uses Gemma's markup with these markers, even if the tokenizer has a template. */
      readonly markers?: {
        /** Begins a turn.. Default: "<start_of_turn>" */
        readonly startOfTurn?: string;
        /** Ends a turn.. Default: "<end_of_turn>" */
        readonly endOfTurn?: string;
        /** Name of the user's turns.. Default: "user" */
        readonly user?: string;
        /** Name of the model's turns.. Default: "model" */
        readonly model?: string;
      };
      /** Special tokens that are spelled out in a turn: an error (`refuse`), or encoded as those tokens, as published tokenizers do (`encode`).. Default: "refuse" */
      readonly controlTokens?: "refuse" | "encode";
      /** Not possible: the two answers to a prompt are rows of their own. */
      readonly pack?: unknown;
      /** Holds a fraction of the rows out of training. Default: all rows are given. */
      readonly split?: {
        /** Fraction of the documents that is held out from training. */
        readonly holdOut: number;
        /** Which documents the dataset gives. */
        readonly part: "train" | "heldOut";
      };
      /** Puts an end-of-sequence token behind both answers, unless the run's policy sets something else.. Default: true */
      readonly appendEos?: boolean;
      /** Gives the rows in a different order in every epoch.. Default: true */
      readonly shuffle?: boolean;
      /** Rows that are shuffled together if they cannot be read individually (gzip, Parquet).. Default: 8192 */
      readonly shuffleRows?: number;
      /** Begins again after the last row.. Default: true */
      readonly repeat?: boolean;
    };
    /** ready batches from a safetensors file */
    "dataset:tensors": {
      /** A safetensors file; a tensor is called `<field>.<step>`, or `<field>` if the file contains one batch. */
      readonly file: string;
      /** Begins again after the last batch.. Default: false */
      readonly repeat?: boolean;
    };
    /** ready batches from a safetensors file */
    "dataset:@graft/text/tensors": {
      /** A safetensors file; a tensor is called `<field>.<step>`, or `<field>` if the file contains one batch. */
      readonly file: string;
      /** Begins again after the last batch.. Default: false */
      readonly repeat?: boolean;
    };
    /** several datasets, of which each item draws one by its rate */
    "dataset:mixture": {
      /** The datasets of which each item draws one. */
      readonly datasets: readonly ({
        /** The dataset, with its options. */
        readonly dataset: ComponentInput<'dataset'>;
        /** Relative chance of an item; with `bySize` what the size is multiplied by.. Default: 1 */
        readonly rate?: number;
        /** For `bySize`: the number of its items. Default: what the dataset says. */
        readonly size?: number;
        /** The only part of the objective `mixture` that learns from it, or `part/variant`. Default: all parts do. */
        readonly objective?: string;
        /** Separates its random numbers from those of the others, independently of the order. Default: its index in the list. */
        readonly name?: string;
      })[];
      /** Makes the chance of an item depend on the sizes of the datasets. Default: the rates alone decide. */
      readonly bySize?: {
        /** The sizes are taken to the power of 1 / temperature: above 1, small datasets come more often.. Default: 1 */
        readonly temperature?: number;
        /** A larger dataset counts as one of this size. Default: no maximum. */
        readonly maximum?: number;
      };
      /** When a dataset without `repeat` ends: the mixture ends with it, or continues with the others until all have ended.. Default: "stop" */
      readonly atEnd?: "stop" | "continue";
    };
    /** several datasets, of which each item draws one by its rate */
    "dataset:@graft/text/mixture": {
      /** The datasets of which each item draws one. */
      readonly datasets: readonly ({
        /** The dataset, with its options. */
        readonly dataset: ComponentInput<'dataset'>;
        /** Relative chance of an item; with `bySize` what the size is multiplied by.. Default: 1 */
        readonly rate?: number;
        /** For `bySize`: the number of its items. Default: what the dataset says. */
        readonly size?: number;
        /** The only part of the objective `mixture` that learns from it, or `part/variant`. Default: all parts do. */
        readonly objective?: string;
        /** Separates its random numbers from those of the others, independently of the order. Default: its index in the list. */
        readonly name?: string;
      })[];
      /** Makes the chance of an item depend on the sizes of the datasets. Default: the rates alone decide. */
      readonly bySize?: {
        /** The sizes are taken to the power of 1 / temperature: above 1, small datasets come more often.. Default: 1 */
        readonly temperature?: number;
        /** A larger dataset counts as one of this size. Default: no maximum. */
        readonly maximum?: number;
      };
      /** When a dataset without `repeat` ends: the mixture ends with it, or continues with the others until all have ended.. Default: "stop" */
      readonly atEnd?: "stop" | "continue";
    };
    /** held-out loss, perplexity and bits per byte of an objective */
    "evaluator:loss": {
      /** Where the held-out sequences or batches come from. */
      readonly dataset: ComponentInput<'dataset'>;
      /** What to measure. Default: the run's own objective. */
      readonly objective?: ComponentInput<'objective'>;
      /** Batches to measure. A dataset that ends earlier is measured whole.. Default: 16 */
      readonly batches?: number;
      /** Sequences in a batch; of no effect on ready batches, nor on the result.. Default: 8 */
      readonly batchSize?: number;
    };
    /** held-out loss, perplexity and bits per byte of an objective */
    "evaluator:@graft/objectives/loss": {
      /** Where the held-out sequences or batches come from. */
      readonly dataset: ComponentInput<'dataset'>;
      /** What to measure. Default: the run's own objective. */
      readonly objective?: ComponentInput<'objective'>;
      /** Batches to measure. A dataset that ends earlier is measured whole.. Default: 16 */
      readonly batches?: number;
      /** Sequences in a batch; of no effect on ready batches, nor on the result.. Default: 8 */
      readonly batchSize?: number;
    };
    /** fine-tunes on SuperGLUE tasks and scores them, in the protocol of the paper or of the leaderboard */
    "evaluator:superglue": {
      /** `paper`: a classification head, and accuracy; `leaderboard`: text to text, with the benchmark's own metrics and a submission; `prompted`: without fine-tuning, as the tasks of `benchmarks`.. Default: "paper" */
      readonly mode?: "paper" | "leaderboard" | "prompted";
      /** The benchmark's folder: one folder per task, each with train.jsonl and val.jsonl. */
      readonly folder: string;
      /** The tasks to evaluate.. Default: ["copa","wic","wsc","rte","multirc","cb","boolq","record"] */
      readonly tasks?: readonly ("copa" | "wic" | "wsc" | "rte" | "multirc" | "cb" | "boolq" | "record")[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side, of which in mode `paper` the encoder counts. */
      readonly tokenizer: ComponentInput<'tokenizer'>;
      /** Longest sequence in tokens, special tokens included; in mode `leaderboard` without the answer.. Default: 512 */
      readonly maxTokens?: number;
      /** `shorten`: the passage of a longer sequence loses its end; `error`: a longer one is an error.. Default: "shorten" */
      readonly longInputs?: "shorten" | "error";
      /** Mode `paper`: whether the start token is put before the text. Default: the model's policy for special tokens. */
      readonly prependBos?: boolean;
      /** Mode `paper`: whether the end token, whose state the head then reads, is put behind the text. Default: the model's policy for special tokens; `auto` means true here. */
      readonly appendEos?: boolean;
      /** Rows of train.jsonl to fine-tune on, drawn for each task and seed: all points of the grid have the same, other seeds others. Default: all. */
      readonly trainRows?: number;
      /** Learning rates of the grid, which is searched for each task separately (paper, section 4, which does not state its values).. Default: [0.00001,0.00003,0.0001] */
      readonly learningRates?: readonly (number)[];
      /** Batch sizes of the grid, in sequences.. Default: [32] */
      readonly batchSizes?: readonly (number)[];
      /** Mode `paper`: dropout rates of the grid, on the state that the head reads.. Default: [0.1] */
      readonly dropouts?: readonly (number)[];
      /** Dropout rates of the grid in every place that the model has. Default: the model's own rates, which are not searched. */
      readonly modelDropouts?: readonly (number)[];
      /** Epochs over a task's training examples.. Default: 10 */
      readonly epochs?: number;
      /** Maximum number of optimizer steps, whatever the epochs. Default: no limit. */
      readonly maxSteps?: number;
      /** The epoch whose score counts: a trial's best, or its last.. Default: "best" */
      readonly select?: "best" | "last";
      /** Fine-tunings of the chosen point of the grid, each with another head, order, dropout and, with `trainRows`, other rows: the numbers are their means, with an interval.. Default: 1 */
      readonly seeds?: number;
      /** The optimizer. Its own learning rate has no effect: those of the grid are used.. Default: {"use":"adamw","learningRate":0.0001,"clipNorm":1} */
      readonly optimizer?: ComponentInput<'optimizer'>;
      /** The schedule of the learning rate.. Default: {"use":"constant"} */
      readonly schedule?: ComponentInput<'schedule'>;
      /** Mode `leaderboard`: what trains on `source` and `target`. Default: `seq2seq`; for a decoder-only model `causal-lm` with `input: pairs`. */
      readonly objective?: ComponentInput<'objective'>;
      /** Mode `leaderboard`: `written`: greedily, and a text that names none of the labels is wrong, as in T5; `chosen`: the most probable label or entity. WSC is always written.. Default: "written" */
      readonly answers?: "written" | "chosen";
      /** Mode `leaderboard`: the set of the submission. `test`: of each task that has a test.jsonl; `val`: of val.jsonl; `none`: there is no submission.. Default: "test" */
      readonly predict?: "test" | "val" | "none";
    };
    /** fine-tunes on SuperGLUE tasks and scores them, in the protocol of the paper or of the leaderboard */
    "evaluator:@graft/superglue/superglue": {
      /** `paper`: a classification head, and accuracy; `leaderboard`: text to text, with the benchmark's own metrics and a submission; `prompted`: without fine-tuning, as the tasks of `benchmarks`.. Default: "paper" */
      readonly mode?: "paper" | "leaderboard" | "prompted";
      /** The benchmark's folder: one folder per task, each with train.jsonl and val.jsonl. */
      readonly folder: string;
      /** The tasks to evaluate.. Default: ["copa","wic","wsc","rte","multirc","cb","boolq","record"] */
      readonly tasks?: readonly ("copa" | "wic" | "wsc" | "rte" | "multirc" | "cb" | "boolq" | "record")[];
      /** The tokenizer, by name or with its options; `{ encoder, decoder }` names one for each side, of which in mode `paper` the encoder counts. */
      readonly tokenizer: ComponentInput<'tokenizer'>;
      /** Longest sequence in tokens, special tokens included; in mode `leaderboard` without the answer.. Default: 512 */
      readonly maxTokens?: number;
      /** `shorten`: the passage of a longer sequence loses its end; `error`: a longer one is an error.. Default: "shorten" */
      readonly longInputs?: "shorten" | "error";
      /** Mode `paper`: whether the start token is put before the text. Default: the model's policy for special tokens. */
      readonly prependBos?: boolean;
      /** Mode `paper`: whether the end token, whose state the head then reads, is put behind the text. Default: the model's policy for special tokens; `auto` means true here. */
      readonly appendEos?: boolean;
      /** Rows of train.jsonl to fine-tune on, drawn for each task and seed: all points of the grid have the same, other seeds others. Default: all. */
      readonly trainRows?: number;
      /** Learning rates of the grid, which is searched for each task separately (paper, section 4, which does not state its values).. Default: [0.00001,0.00003,0.0001] */
      readonly learningRates?: readonly (number)[];
      /** Batch sizes of the grid, in sequences.. Default: [32] */
      readonly batchSizes?: readonly (number)[];
      /** Mode `paper`: dropout rates of the grid, on the state that the head reads.. Default: [0.1] */
      readonly dropouts?: readonly (number)[];
      /** Dropout rates of the grid in every place that the model has. Default: the model's own rates, which are not searched. */
      readonly modelDropouts?: readonly (number)[];
      /** Epochs over a task's training examples.. Default: 10 */
      readonly epochs?: number;
      /** Maximum number of optimizer steps, whatever the epochs. Default: no limit. */
      readonly maxSteps?: number;
      /** The epoch whose score counts: a trial's best, or its last.. Default: "best" */
      readonly select?: "best" | "last";
      /** Fine-tunings of the chosen point of the grid, each with another head, order, dropout and, with `trainRows`, other rows: the numbers are their means, with an interval.. Default: 1 */
      readonly seeds?: number;
      /** The optimizer. Its own learning rate has no effect: those of the grid are used.. Default: {"use":"adamw","learningRate":0.0001,"clipNorm":1} */
      readonly optimizer?: ComponentInput<'optimizer'>;
      /** The schedule of the learning rate.. Default: {"use":"constant"} */
      readonly schedule?: ComponentInput<'schedule'>;
      /** Mode `leaderboard`: what trains on `source` and `target`. Default: `seq2seq`; for a decoder-only model `causal-lm` with `input: pairs`. */
      readonly objective?: ComponentInput<'objective'>;
      /** Mode `leaderboard`: `written`: greedily, and a text that names none of the labels is wrong, as in T5; `chosen`: the most probable label or entity. WSC is always written.. Default: "written" */
      readonly answers?: "written" | "chosen";
      /** Mode `leaderboard`: the set of the submission. `test`: of each task that has a test.jsonl; `val`: of val.jsonl; `none`: there is no submission.. Default: "test" */
      readonly predict?: "test" | "val" | "none";
    };
    /** asks the rows of benchmarks and scores the likelihood of choices, or generated text */
    "evaluator:benchmarks": {
      /** The folder with the benchmarks' own files, one folder for each: docs/evaluation.md lists them. */
      readonly data: string;
      /** Tasks by name, such as `arc-easy`, or a suite: `pretraining`, `instruction`. `graft plugins` lists them. */
      readonly tasks: readonly (string)[];
      /** Examples in front of each question. Default: each task's own. */
      readonly shots?: number;
      /** Rows of each task, or of each of its sets, at most. Default: all. */
      readonly limit?: number;
      /** The tokenizer, by name or with its options, or one for each side. Default: the checkpoint's.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Sequences that the model reads together, at most.. Default: 16 */
      readonly batchSize?: number;
      /** Tokens that the model reads together, padding included, at most; a longer sequence is read by itself.. Default: 8192 */
      readonly batchTokens?: number;
      /** Whether each prompt, with its examples, is a turn of the user in the checkpoint's chat template: for instruction-tuned models.. Default: false */
      readonly chat?: boolean;
      /** Whether programs that the model writes may run (`humaneval`, `mbpp`): without network, within limits.. Default: false */
      readonly allowCode?: boolean;
      /** The folder that keeps answers, by the model's content, so that no request is asked twice. Default: in Graft's cache. */
      readonly answers?: string;
    };
    /** asks the rows of benchmarks and scores the likelihood of choices, or generated text */
    "evaluator:@graft/benchmarks/benchmarks": {
      /** The folder with the benchmarks' own files, one folder for each: docs/evaluation.md lists them. */
      readonly data: string;
      /** Tasks by name, such as `arc-easy`, or a suite: `pretraining`, `instruction`. `graft plugins` lists them. */
      readonly tasks: readonly (string)[];
      /** Examples in front of each question. Default: each task's own. */
      readonly shots?: number;
      /** Rows of each task, or of each of its sets, at most. Default: all. */
      readonly limit?: number;
      /** The tokenizer, by name or with its options, or one for each side. Default: the checkpoint's.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Sequences that the model reads together, at most.. Default: 16 */
      readonly batchSize?: number;
      /** Tokens that the model reads together, padding included, at most; a longer sequence is read by itself.. Default: 8192 */
      readonly batchTokens?: number;
      /** Whether each prompt, with its examples, is a turn of the user in the checkpoint's chat template: for instruction-tuned models.. Default: false */
      readonly chat?: boolean;
      /** Whether programs that the model writes may run (`humaneval`, `mbpp`): without network, within limits.. Default: false */
      readonly allowCode?: boolean;
      /** The folder that keeps answers, by the model's content, so that no request is asked twice. Default: in Graft's cache. */
      readonly answers?: string;
    };
    /** outputs for held-out texts, with BLEU, chrF, ROUGE, exact match and F1 against references */
    "evaluator:generate": {
      /** JSONL file with a source in each row, and optionally references. Either this or `dataset`. */
      readonly file?: string;
      /** Data with the fields `source` and optionally `target`, which is the reference. Either this or `file`. */
      readonly dataset?: ComponentInput<'dataset'>;
      /** Key of the text in a row of the file.. Default: "source" */
      readonly source?: string;
      /** Key of the reference in a row of the file, a text or a list of texts; rows without it aren't scored.. Default: "target" */
      readonly references?: string;
      /** The tokenizer of the texts, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Rows to generate from. Data that end earlier are used whole.. Default: 100 */
      readonly rows?: number;
      /** Rows generated together.. Default: 8 */
      readonly batchSize?: number;
      /** Most tokens of an output, whatever the checkpoint's own settings say.. Default: 128 */
      readonly maxNewTokens?: number;
      /** Texts before which an output ends.. Default: [] */
      readonly stop?: readonly (string)[];
      /** Beams of beam search; 1: none.. Default: 1 */
      readonly beams?: number;
      /** Power of the length by which beam search divides scores. Default: the checkpoint's, otherwise 1. */
      readonly lengthPenalty?: number;
      /** Tokens are drawn from logits divided by it. Default: the most probable token is taken. */
      readonly temperature?: number;
      /** Tokens are drawn from the k most probable; 0: from all. */
      readonly topK?: number;
      /** Tokens are drawn from the most probable that together have this probability. */
      readonly topP?: number;
      /** Logits of tokens that the output already contains are divided by it. Default: the checkpoint's. */
      readonly repetitionPenalty?: number;
      /** Tokenization of BLEU, by its name in sacrebleu: `zh` for Chinese, `char` for Japanese.. Default: "13a" */
      readonly bleuTokenizer?: "13a" | "intl" | "zh" | "char" | "none";
    };
    /** outputs for held-out texts, with BLEU, chrF, ROUGE, exact match and F1 against references */
    "evaluator:@graft/benchmarks/generate": {
      /** JSONL file with a source in each row, and optionally references. Either this or `dataset`. */
      readonly file?: string;
      /** Data with the fields `source` and optionally `target`, which is the reference. Either this or `file`. */
      readonly dataset?: ComponentInput<'dataset'>;
      /** Key of the text in a row of the file.. Default: "source" */
      readonly source?: string;
      /** Key of the reference in a row of the file, a text or a list of texts; rows without it aren't scored.. Default: "target" */
      readonly references?: string;
      /** The tokenizer of the texts, by name or with its options; `{ encoder, decoder }` names one for each side. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Rows to generate from. Data that end earlier are used whole.. Default: 100 */
      readonly rows?: number;
      /** Rows generated together.. Default: 8 */
      readonly batchSize?: number;
      /** Most tokens of an output, whatever the checkpoint's own settings say.. Default: 128 */
      readonly maxNewTokens?: number;
      /** Texts before which an output ends.. Default: [] */
      readonly stop?: readonly (string)[];
      /** Beams of beam search; 1: none.. Default: 1 */
      readonly beams?: number;
      /** Power of the length by which beam search divides scores. Default: the checkpoint's, otherwise 1. */
      readonly lengthPenalty?: number;
      /** Tokens are drawn from logits divided by it. Default: the most probable token is taken. */
      readonly temperature?: number;
      /** Tokens are drawn from the k most probable; 0: from all. */
      readonly topK?: number;
      /** Tokens are drawn from the most probable that together have this probability. */
      readonly topP?: number;
      /** Logits of tokens that the output already contains are divided by it. Default: the checkpoint's. */
      readonly repetitionPenalty?: number;
      /** Tokenization of BLEU, by its name in sacrebleu: `zh` for Chinese, `char` for Japanese.. Default: "13a" */
      readonly bleuTokenizer?: "13a" | "intl" | "zh" | "char" | "none";
    };
    /** time of encoding, of the first token and of each further one, and peak memory */
    "evaluator:latency": {
      /** Numbers of rows generated together.. Default: [1] */
      readonly batchSizes?: readonly (number)[];
      /** JSONL file with prompts, of which each batch has the first ones, again from the start if there are fewer. Default: random tokens. */
      readonly file?: string;
      /** Key of the text in a row of the file.. Default: "source" */
      readonly source?: string;
      /** The tokenizer of the file's texts. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Random tokens of a row: the source of an encoder, or the prompt of a decoder-only model. Default: 512. */
      readonly inputTokens?: number;
      /** Tokens generated for each row; end tokens do not end it.. Default: 32 */
      readonly newTokens?: number;
      /** Generations that are not measured; the first of them compiles.. Default: 1 */
      readonly warmup?: number;
      /** Generations that are measured.. Default: 10 */
      readonly repeats?: number;
    };
    /** time of encoding, of the first token and of each further one, and peak memory */
    "evaluator:@graft/benchmarks/latency": {
      /** Numbers of rows generated together.. Default: [1] */
      readonly batchSizes?: readonly (number)[];
      /** JSONL file with prompts, of which each batch has the first ones, again from the start if there are fewer. Default: random tokens. */
      readonly file?: string;
      /** Key of the text in a row of the file.. Default: "source" */
      readonly source?: string;
      /** The tokenizer of the file's texts. Default: the checkpoint's own.. Default: {"use":"checkpoint"} */
      readonly tokenizer?: ComponentInput<'tokenizer'>;
      /** Random tokens of a row: the source of an encoder, or the prompt of a decoder-only model. Default: 512. */
      readonly inputTokens?: number;
      /** Tokens generated for each row; end tokens do not end it.. Default: 32 */
      readonly newTokens?: number;
      /** Generations that are not measured; the first of them compiles.. Default: 1 */
      readonly warmup?: number;
      /** Generations that are measured.. Default: 10 */
      readonly repeats?: number;
    };
    /** operations and bytes of encoding, of the first token and of each further one, from shapes */
    "evaluator:cost": {
      /** Rows that are generated together.. Default: 1 */
      readonly batchSize?: number;
      /** Tokens of each row's text: the source of an encoder, or the prompt of a decoder-only model.. Default: 512 */
      readonly inputTokens?: number;
      /** Tokens generated for each row.. Default: 128 */
      readonly newTokens?: number;
      /** Dtype of the parameters, for counting bytes.. Default: "float32" */
      readonly parameterDtype?: "float32" | "bfloat16";
    };
    /** operations and bytes of encoding, of the first token and of each further one, from shapes */
    "evaluator:@graft/benchmarks/cost": {
      /** Rows that are generated together.. Default: 1 */
      readonly batchSize?: number;
      /** Tokens of each row's text: the source of an encoder, or the prompt of a decoder-only model.. Default: 512 */
      readonly inputTokens?: number;
      /** Tokens generated for each row.. Default: 128 */
      readonly newTokens?: number;
      /** Dtype of the parameters, for counting bytes.. Default: "float32" */
      readonly parameterDtype?: "float32" | "bfloat16";
    };
    /** how often a model gives the better of two answers the larger probability */
    "evaluator:preferences": {
      /** Where the held-out pairs of answers come from. */
      readonly dataset: ComponentInput<'dataset'>;
      /** Batches to measure. A dataset that ends earlier is measured whole.. Default: 16 */
      readonly batches?: number;
      /** Pairs in a batch; of no effect on the result.. Default: 8 */
      readonly batchSize?: number;
      /** Compares the mean log-probability of the tokens of an answer in place of the sum.. Default: false */
      readonly perToken?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
    };
    /** how often a model gives the better of two answers the larger probability */
    "evaluator:@graft/tuning/preferences": {
      /** Where the held-out pairs of answers come from. */
      readonly dataset: ComponentInput<'dataset'>;
      /** Batches to measure. A dataset that ends earlier is measured whole.. Default: 16 */
      readonly batches?: number;
      /** Pairs in a batch; of no effect on the result.. Default: 8 */
      readonly batchSize?: number;
      /** Compares the mean log-probability of the tokens of an answer in place of the sum.. Default: false */
      readonly perToken?: boolean;
      /** Lengths are padded to multiples of this many tokens: every new length is compiled again.. Default: 32 */
      readonly padToMultipleOf?: number;
    };
    /** UTF-8 bytes; needs no file */
    "tokenizer:bytes": {
      /** Size of the vocabulary; more than 259 leaves ids unused, `<unused0>` and so on: to round a table up, or for sentinels.. Default: 259 */
      readonly vocabularySize?: number;
    };
    /** UTF-8 bytes; needs no file */
    "tokenizer:@graft/text/bytes": {
      /** Size of the vocabulary; more than 259 leaves ids unused, `<unused0>` and so on: to round a table up, or for sentinels.. Default: 259 */
      readonly vocabularySize?: number;
    };
    /** a tokenizer.json as published with checkpoints */
    "tokenizer:huggingface": {
      /** A folder with tokenizer.json (and tokenizer_config.json, if there is one), that file, a GGUF file, or `model:NAME`. */
      readonly path: string;
      /** Text of the padding token. Default: tokenizer_config.json's, otherwise `<pad>`. */
      readonly padToken?: string;
      /** Text of the end-of-sequence token. Default: tokenizer_config.json's, otherwise `<eos>` or `</s>`. */
      readonly eosToken?: string;
      /** Text of the token that starts a sequence. Default: tokenizer_config.json's, otherwise `<bos>` or `<s>`. */
      readonly bosToken?: string;
    };
    /** a tokenizer.json as published with checkpoints */
    "tokenizer:@graft/text/huggingface": {
      /** A folder with tokenizer.json (and tokenizer_config.json, if there is one), that file, a GGUF file, or `model:NAME`. */
      readonly path: string;
      /** Text of the padding token. Default: tokenizer_config.json's, otherwise `<pad>`. */
      readonly padToken?: string;
      /** Text of the end-of-sequence token. Default: tokenizer_config.json's, otherwise `<eos>` or `</s>`. */
      readonly eosToken?: string;
      /** Text of the token that starts a sequence. Default: tokenizer_config.json's, otherwise `<bos>` or `<s>`. */
      readonly bosToken?: string;
    };
    /** a tokenizer for each side: the encoder reads text by one, the decoder writes it by another */
    "tokenizer:sides": {
      /** The tokenizer of what the encoder reads. */
      readonly encoder: ComponentInput<'tokenizer'>;
      /** The tokenizer of what the decoder reads and writes. */
      readonly decoder: ComponentInput<'tokenizer'>;
    };
    /** a tokenizer for each side: the encoder reads text by one, the decoder writes it by another */
    "tokenizer:@graft/text/sides": {
      /** The tokenizer of what the encoder reads. */
      readonly encoder: ComponentInput<'tokenizer'>;
      /** The tokenizer of what the decoder reads and writes. */
      readonly decoder: ComponentInput<'tokenizer'>;
    };
    /** that of the run's checkpoint, or those of its two sides: tokenizer.json in its folder */
    "tokenizer:checkpoint": Readonly<Record<string, never>>;
    /** that of the run's checkpoint, or those of its two sides: tokenizer.json in its folder */
    "tokenizer:@graft/text/checkpoint": Readonly<Record<string, never>>;
    /** config, metrics and end of a run, to an MLflow server's REST API */
    "tracker:mlflow": {
      /** Address of the server, as http://HOST:5000. */
      readonly trackingUri: string;
      /** Name of the experiment. Default: the run's name. */
      readonly experiment?: string;
      /** Bearer token. Default: the environment variable MLFLOW_TRACKING_TOKEN. */
      readonly token?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** With `password`, for Basic authentication. Default: the environment variable MLFLOW_TRACKING_USERNAME. */
      readonly username?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** Password of `username`. Default: the environment variable MLFLOW_TRACKING_PASSWORD. */
      readonly password?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** Pause between deliveries, in seconds.. Default: 2 */
      readonly flushSeconds?: number;
      /** Longest wait for one answer, in seconds.. Default: 5 */
      readonly timeoutSeconds?: number;
      /** Longest wait at the end of a run for what is not sent yet, in seconds.. Default: 15 */
      readonly finishSeconds?: number;
    };
    /** config, metrics and end of a run, to an MLflow server's REST API */
    "tracker:mlflow/mlflow": {
      /** Address of the server, as http://HOST:5000. */
      readonly trackingUri: string;
      /** Name of the experiment. Default: the run's name. */
      readonly experiment?: string;
      /** Bearer token. Default: the environment variable MLFLOW_TRACKING_TOKEN. */
      readonly token?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** With `password`, for Basic authentication. Default: the environment variable MLFLOW_TRACKING_USERNAME. */
      readonly username?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** Password of `username`. Default: the environment variable MLFLOW_TRACKING_PASSWORD. */
      readonly password?: {
        /** the environment variable that holds it */
        readonly env: string;
      } | {
        /** the file that holds it */
        readonly file: string;
      } | string;
      /** Pause between deliveries, in seconds.. Default: 2 */
      readonly flushSeconds?: number;
      /** Longest wait for one answer, in seconds.. Default: 5 */
      readonly timeoutSeconds?: number;
      /** Longest wait at the end of a run for what is not sent yet, in seconds.. Default: 15 */
      readonly finishSeconds?: number;
    };
    /** numbers, config and circumstances of a run, as TensorBoard event files */
    "tracker:tensorboard": {
      /** the files go to FOLDER/NAME/ID of the run; default: the run's folder itself */
      readonly folder?: string;
    };
    /** numbers, config and circumstances of a run, as TensorBoard event files */
    "tracker:tensorboard/tensorboard": {
      /** the files go to FOLDER/NAME/ID of the run; default: the run's folder itself */
      readonly folder?: string;
    };
  }
}
