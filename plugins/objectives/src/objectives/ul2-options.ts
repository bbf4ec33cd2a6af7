import { DataError, didYouMean } from '@graft/core';
import { z } from 'zod';
import { denoiserOption, UL2_PRESETS, type Denoiser } from '../corruption/denoisers';
import { lossOptions } from '../loss/language-model-loss';
import { AUTO, modeTokenOptions, sentinelOptions } from '../corruption/sentinels';

export const ul2Options = z
  .strictObject({
    preset: z.enum(['ul2', 't5gemma2']).default('ul2'),
    /** In the place of the preset's. */
    denoisers: z.array(denoiserOption).min(1).optional(),
    /** Which tokens stand for spans: `auto` takes unused ones of the tokenizer. */
    sentinels: sentinelOptions.default(AUTO),
    /** Tokens put before the source, by the denoisers' `prefix`; `auto` takes unused ones, none by default. */
    modeTokens: modeTokenOptions.default({}),
    /** Whether the target of a `span` denoiser ends with the model's end token. */
    appendEos: z.boolean().default(true),
    /** The same of a `suffix` denoiser, whose target is a piece of text that may go on. */
    suffixEos: z.boolean().optional(),
    /** Tokens that the encoder reads: every denoiser gets as much text as fills them. Default: as much as the dataset gives. */
    inputTokens: z.int().min(8).optional(),
    /** With `inputTokens`: tokens that the decoder writes at most; what would write more gets less text. Default: as `inputTokens`. */
    targetTokens: z.int().min(8).optional(),
    /** Longest source and target; what needs more is an error, never cut. */
    maxSourceTokens: z.int().positive().optional(),
    maxTargetTokens: z.int().positive().optional(),
    /** Lengths are padded to multiples of this many tokens: every new length is compiled again. Default 32; 8 with `inputTokens`. */
    padToMultipleOf: z.int().positive().optional(),
    ...lossOptions,
  })
  .superRefine(({ inputTokens, targetTokens, maxSourceTokens, maxTargetTokens }, context) => {
    const addIssue = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (inputTokens === undefined && targetTokens !== undefined)
      addIssue('targetTokens', 'only with `inputTokens`; for a limit without it there is maxTargetTokens');
    if (inputTokens === undefined) return;
    if (maxSourceTokens !== undefined) addIssue('maxSourceTokens', '`inputTokens` is the limit already');
    if (maxTargetTokens !== undefined) addIssue('maxTargetTokens', '`targetTokens` is the limit with `inputTokens`');
  });

export type Ul2Options = z.output<typeof ul2Options>;

/** The config's own, or else the preset's. */
export function denoisersOf({ preset, denoisers }: Ul2Options): readonly Denoiser[] {
  return denoisers ?? UL2_PRESETS[preset];
}

/** Throws DataError unless the denoisers' prefixes and the names of the mode tokens go together. */
export function checkPrefixes(options: Ul2Options): void {
  const { denoisers, modeTokens } = options;
  if (modeTokens === AUTO) return;
  const without = denoisers?.find(({ prefix }) => prefix !== undefined && !Object.hasOwn(modeTokens, prefix));
  if (without) {
    throw new DataError(`objective.denoisers: the prefix "${without.prefix}" has no id in objective.modeTokens.`, {
      code: 'objective.mode-token',
      exitCode: 2,
    });
  }
  const known = [...new Set(denoisersOf(options).flatMap(({ prefix }) => prefix ?? []))];
  const unknown = Object.keys(modeTokens).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = known.map((name) => `"${name}"`).join(', ');
  throw new DataError(
    `objective.modeTokens: no denoiser has the prefix "${unknown}"${didYouMean(unknown, known) || '.'}`,
    {
      code: 'objective.mode-token',
      exitCode: 2,
      hint: known.length > 0 ? `The denoisers' prefixes are ${names}.` : 'None of the denoisers has a `prefix`.',
    },
  );
}
