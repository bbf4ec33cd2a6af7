import { DataError, didYouMean } from '@graft/core';
import { z } from 'zod';
import { denoiserOption, UL2_PRESETS, type Denoiser } from '../corruption/denoisers';
import { distillationOptions } from '../distillation/distillation';
import { lossOptions } from '../loss/language-model-loss';
import { AUTO, modeTokenOptions, sentinelOptions } from '../corruption/sentinels';

/** The options of the objective `ul2`. */
export const ul2Options = z
  .strictObject({
    preset: z
      .enum(['ul2', 't5gemma2'])
      .default('ul2')
      .describe('A published mixture of denoisers: `ul2` (Tay et al., 2022) or `t5gemma2`.'),
    denoisers: z.array(denoiserOption).min(1).optional().describe("Denoisers instead of the preset's."),
    sentinels: sentinelOptions
      .default(AUTO)
      .describe('Which tokens stand for spans: `auto` takes unused ones of the tokenizer.'),
    modeTokens: modeTokenOptions
      .default({})
      .describe("Tokens put before the source, by the denoisers' `prefix`; `auto` takes unused ones, none by default."),
    allowTextTokens: z
      .boolean()
      .default(false)
      .describe(
        'Whether a new run may train with sentinels and mode tokens that text can produce: a warning instead of an error.',
      ),
    appendEos: z
      .boolean()
      .default(true)
      .describe("Whether the target of a `span` denoiser ends with the model's end token."),
    suffixEos: z
      .boolean()
      .optional()
      .describe('The same of a `suffix` denoiser, whose target is a piece of text that may continue. Default: false.'),
    inputTokens: z
      .int()
      .min(8)
      .optional()
      .describe(
        'Tokens that the encoder reads: every denoiser gets as much text as fills them. Default: as much as the dataset gives.',
      ),
    targetTokens: z
      .int()
      .min(8)
      .optional()
      .describe(
        'With `inputTokens`: tokens that the decoder writes at most; what would write more gets less text. Default: as `inputTokens`.',
      ),
    maxSourceTokens: z
      .int()
      .positive()
      .optional()
      .describe('Longest source, in tokens; what needs more is an error, never cut. Default: no limit.'),
    maxTargetTokens: z
      .int()
      .positive()
      .optional()
      .describe('Longest target, in tokens; what needs more is an error, never cut. Default: no limit.'),
    padToMultipleOf: z
      .int()
      .positive()
      .optional()
      .describe(
        'Lengths are padded to multiples of this many tokens: every new length is compiled again. Default 32; 8 with `inputTokens`.',
      ),
    distillation: distillationOptions
      .optional()
      .describe(
        'A teacher that reads the uncorrupted text, whose distributions the student learns for the tokens of spans (T5Gemma 2).',
      ),
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

/** What a config or code may write. */
export type Ul2Options = z.input<typeof ul2Options>;
/** The same with every default filled in. */
export type ResolvedUl2Options = z.output<typeof ul2Options>;

/** The denoisers of the config, otherwise those of its preset. */
export function denoisersOf({ preset, denoisers }: ResolvedUl2Options): readonly Denoiser[] {
  return denoisers ?? UL2_PRESETS[preset];
}

/** Throws DataError unless the denoisers' prefixes match the names of the mode tokens. */
export function checkPrefixes(options: ResolvedUl2Options): void {
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
