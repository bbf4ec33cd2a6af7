import { DataError, type Model } from '@graft/core';
import { z } from 'zod';

export const sentinelOptions = z.strictObject({
  /** Id of the first sentinel; default: the vocabulary's last token. */
  first: z.int().nonnegative().optional(),
  /** From one sentinel to the next. */
  step: z.union([z.literal(-1), z.literal(1)]).default(-1),
  count: z.int().positive().default(100),
});

export type SentinelOptions = z.output<typeof sentinelOptions>;

/** Id of a sentinel, counted from 0. */
export function sentinelId(index: number, { first, step }: SentinelOptions, { vocabularySize }: Model): number {
  return (first ?? vocabularySize - 1) + index * step;
}

/** `modeTokens`: ids by name. Throws DataError unless the model's vocabulary has each of them. */
export function checkModeTokens(modeTokens: Readonly<Record<string, number>>, { vocabularySize }: Model): void {
  for (const [name, id] of Object.entries(modeTokens)) {
    if (id < vocabularySize) continue;
    throw new DataError(
      `objective.modeTokens.${name} is token ${id}, but the vocabulary has ${vocabularySize} tokens (0 to ${vocabularySize - 1}).`,
      { code: 'objective.mode-token', exitCode: 2, hint: 'Name tokens that the texts do not use.' },
    );
  }
}

/**
 * Throws DataError unless every sentinel is a token of the model's vocabulary with no other meaning: no mode token (`modeTokens`,
 * ids by name), nor one that pads, starts or ends. Whether texts use it only the tokenizer knows.
 */
export function checkSentinels(
  options: SentinelOptions,
  modeTokens: Readonly<Record<string, number>>,
  model: Model,
): void {
  const { count, step } = options;
  const { vocabularySize } = model;
  const [first, last] = [sentinelId(0, options, model), sentinelId(count - 1, options, model)];
  const taken = meanings(modeTokens, model);
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  const clashes = [...taken].filter(([id]) => id >= low && id <= high).sort(([a], [b]) => a - b);
  const outside = low < 0 || high >= vocabularySize;
  if (!outside && clashes.length === 0) return;
  const range = `objective.sentinels: the ${count} sentinels go ${step < 0 ? 'down' : 'up'} from token ${first} to ${last}`;
  const problem = outside
    ? `but the vocabulary has ${vocabularySize} tokens (0 to ${vocabularySize - 1})`
    : `but ${clashes.map(([id, meaning]) => `${id} is ${meaning}`).join(', ')}`;
  let free = 0;
  for (let id = first; id >= 0 && id < vocabularySize && !taken.has(id); id += step) free++;
  const fewer = free > 0 ? `Set objective.sentinels.count to ${free} or less, or ` : 'Set ';
  throw new DataError(`${range}, ${problem}.`, {
    code: 'objective.sentinels',
    exitCode: 2,
    hint: `${fewer}objective.sentinels.first${free > 0 ? '' : ' and .count'} to other tokens that the texts do not use.`,
  });
}

/** Ids that mean something already. */
function meanings(modeTokens: Readonly<Record<string, number>>, { specialTokens }: Model): Map<number, string> {
  const { pad, start, eos } = specialTokens;
  return new Map([
    ...Object.entries(modeTokens).map(([name, id]): [number, string] => [id, `the mode token ${name}`]),
    ...eos.map((id): [number, string] => [id, 'an end of sequence']),
    [start, 'the start token'],
    [pad, 'the padding'],
  ]);
}
