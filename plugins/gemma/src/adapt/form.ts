/** The form of a new pair: how its decoder reads the source, whether it has one table, and whose layout it is. */
import { ConfigError } from '@graft/core';
import { CROSS_ATTENTION_FORMS, type CrossAttentionForm } from '../model/block';
import type { DecoderOnlyConfig, FunctionPreserving } from '../model/config-types';
import type { CrossAttention, CrossAttentionNorms } from './cross-attention';
import type { RandomPart } from './parts';

/** `auto`: merged for two sides of one Gemma 3, as in T5Gemma 2, otherwise separate. */
export type CrossAttentionFormChoice = 'auto' | CrossAttentionForm;

/** All choices of the form of cross-attention. */
export const CROSS_ATTENTION_FORM_CHOICES: readonly CrossAttentionFormChoice[] = ['auto', ...CROSS_ATTENTION_FORMS];

/** Choices that decide the form of a pair; all have defaults. */
export interface FormChoices {
  /** Default auto. */
  readonly crossAttentionForm?: CrossAttentionFormChoice;
  /** One embedding table for both sides. Default: what the layout has, true for T5Gemma 2, otherwise false. */
  readonly tieEncoderEmbedding?: boolean;
  /** Initial values of separate cross-attention, which merged attention does not have. */
  readonly crossAttention?: CrossAttention;
  readonly crossAttentionNorms?: CrossAttentionNorms;
  readonly random?: readonly RandomPart[];
  /**
   * Whether the pair begins in the form that computes what its one source does; with `steps`, the number of training
   * steps in which it turns into its own form. Default false.
   */
  readonly preserveFunction?: PreserveFunction;
}

/** See `FormChoices.preserveFunction`. */
export type PreserveFunction = boolean | { readonly steps: number };

/** What follows from them. */
export interface PairForm {
  /** The family whose layout the pair has. */
  readonly family: string;
  readonly crossAttention: CrossAttentionForm;
  /** Why, as a clause. */
  readonly reason: string;
  readonly tieEncoderEmbedding: boolean;
  readonly functionPreserving?: FunctionPreserving;
}

/** Choices that only separate cross-attention has, by their values in a config. */
function separateChoices({ crossAttention, crossAttentionNorms, random }: FormChoices): string[] {
  return [
    ...(crossAttention === 'copy' || crossAttention === 'random' ? [`crossAttention: ${crossAttention}`] : []),
    ...(crossAttentionNorms ? [`crossAttentionNorms: ${crossAttentionNorms}`] : []),
    ...(random?.includes('cross-attention') ? ['random: [cross-attention]'] : []),
  ];
}

/** Throws ConfigError for choices with which the pair could not compute what its source does. */
function checkPreserved({ crossAttentionForm, random = [] }: FormChoices, isOneSource: boolean): void {
  const problem = !isOneSource
    ? 'keeps the function of one checkpoint, but encoder and decoder come from two'
    : crossAttentionForm === 'separate'
      ? 'needs merged attention, but crossAttentionForm is separate'
      : random.length > 0
        ? `keeps the function of the checkpoint, but random: [${random.join(', ')}] does not take all of it`
        : undefined;
  if (problem === undefined) return;
  throw new ConfigError(`preserveFunction ${problem}.`, {
    code: 'gemma.preserve-function',
    hint: 'Leave one of the two out; pairs of two checkpoints learn to read their source in training.',
  });
}

/**
 * The form of a pair of these models; `isOneSource`: they are one checkpoint. Throws ConfigError for choices that
 * contradict each other.
 */
export function formOf(
  encoder: DecoderOnlyConfig,
  decoder: DecoderOnlyConfig,
  choices: FormChoices,
  isOneSource: boolean,
): PairForm {
  const { tieEncoderEmbedding: tied, preserveFunction = false } = choices;
  const separate = separateChoices(choices);
  if (preserveFunction !== false) checkPreserved(choices, isOneSource);
  const asked = preserveFunction === false ? (choices.crossAttentionForm ?? 'auto') : 'merged';
  if (asked === 'merged' && separate.length > 0) {
    const form = preserveFunction === false ? 'crossAttentionForm: merged' : 'which preserveFunction needs';
    throw new ConfigError(
      `Merged attention (${form}) has no parameters of cross-attention, but ${separate.join(' and ')} would set their initial values.`,
      { code: 'gemma.merged-choices', hint: 'Leave one of the two out.' },
    );
  }
  const both = (family: string): boolean => encoder.family === family && decoder.family === family;
  // T5Gemma 2's layout has one table, and no output of its own.
  const isGemma3 = both('gemma3') && isOneSource && tied !== false && !decoder.untiedOutput;
  const isMerged = asked === 'merged' || (asked === 'auto' && isGemma3 && separate.length === 0);
  if (isMerged) {
    const reason =
      preserveFunction !== false
        ? 'as the function-preserving form needs it'
        : asked === 'merged'
          ? 'as asked for'
          : 'both sides are one Gemma 3, as in T5Gemma 2';
    const isT5Gemma2 = both('gemma3') && !decoder.untiedOutput && (tied ?? isOneSource);
    return {
      family: isT5Gemma2 ? 't5gemma2' : 'graft',
      crossAttention: 'merged',
      reason,
      tieEncoderEmbedding: isT5Gemma2 || tied === true,
      ...(preserveFunction !== false && {
        functionPreserving: { done: 0, ...(preserveFunction === true ? {} : { steps: preserveFunction.steps }) },
      }),
    };
  }
  const isT5Gemma =
    both('gemma2') && (tied === true || encoder.decoder.vocabularySize === decoder.decoder.vocabularySize);
  return {
    family: isT5Gemma ? 't5gemma' : 'graft',
    crossAttention: 'separate',
    reason:
      asked === 'separate'
        ? 'as asked for'
        : separate.length > 0
          ? `it has ${separate.join(' and ')}`
          : 'the usual form for these sources',
    tieEncoderEmbedding: tied === true,
  };
}
