/** Denoisers, and how much text each needs to fill a given input. */
import { DataError, type RandomStream } from '@graft/core';
import { z } from 'zod';
import { roundUp } from '../batch/padding';
import { planNoise } from './spans';

/** One denoiser among the options of `ul2`. */
export const denoiserOption = z.strictObject({
  kind: z
    .enum(['span', 'suffix'])
    .default('span')
    .describe(
      '`span`: spans anywhere, a sentinel for each. `suffix`: the end of the sequence, without sentinel (prefix LM).',
    ),
  meanSpan: z
    .number()
    .positive()
    .default(3)
    .describe('Tokens of a span on average; for `suffix` the rate alone decides.'),
  rate: z.number().gt(0).lt(1).describe('Share of the tokens to be predicted.'),
  weight: z.number().nonnegative().default(1).describe('Relative chance; 0 leaves the denoiser out.'),
  prefix: z.string().optional().describe('Name of its mode token in `modeTokens`. Default: none.'),
});

/** A denoiser as a config or code may write it. */
export type DenoiserOptions = z.input<typeof denoiserOption>;

/** How one denoiser of UL2 corrupts its texts. */
export type Denoiser = z.output<typeof denoiserOption>;

const span = (meanSpan: number, rate: number, prefix: string): Denoiser => ({
  kind: 'span',
  meanSpan,
  rate,
  weight: 1,
  prefix,
});

/** The published mixtures. */
export const UL2_PRESETS: Readonly<Record<'ul2' | 't5gemma2', readonly Denoiser[]>> = {
  // Tay et al. (2022), table 1: seven denoisers, mixed uniformly; S predicts the last quarter.
  ul2: [
    span(3, 0.15, 'R'),
    span(8, 0.15, 'R'),
    span(3, 0.5, 'X'),
    span(8, 0.5, 'X'),
    span(64, 0.15, 'X'),
    span(64, 0.5, 'X'),
    { kind: 'suffix', meanSpan: 3, rate: 0.25, weight: 1, prefix: 'S' },
  ],
  // T5Gemma 2 (2512.14856): five denoisers at 1:1:1:1:4; the last one predicts the last three quarters.
  t5gemma2: [
    span(3, 0.15, 'R'),
    span(12, 0.5, 'X'),
    span(32, 0.15, 'X'),
    span(32, 0.5, 'X'),
    { kind: 'suffix', meanSpan: 3, rate: 0.75, weight: 4, prefix: 'S' },
  ],
};

/** Number of tokens that a denoiser adds to source and target besides the text and its sentinels. */
export interface Additions {
  readonly source: number;
  readonly target: number;
}

export interface Lengths {
  readonly source: number;
  readonly target: number;
}

/** The longest source and the longest target among them. */
export function longestOf(all: readonly Lengths[]): Lengths {
  return {
    source: Math.max(...all.map(({ source }) => source)),
    target: Math.max(...all.map(({ target }) => target)),
  };
}

/** Lengths of the source and the target that a denoiser makes from `length` tokens. `more`: tokens that it adds. */
export function lengthsOf({ kind, rate, meanSpan }: Denoiser, length: number, more: Additions): Lengths {
  if (kind === 'suffix') {
    const suffix = suffixLength(length, rate);
    return { source: length - suffix + more.source, target: suffix + more.target };
  }
  const { noiseTokens, spans } = planNoise(length, rate, meanSpan);
  return { source: length - noiseTokens + spans + more.source, target: noiseTokens + spans + more.target };
}

/** Tokens of the suffix. At least one token remains on each side. */
export function suffixLength(length: number, rate: number): number {
  return Math.min(Math.max(Math.round(length * rate), 1), length - 1);
}

/**
 * The largest number of text tokens whose source and target fit into `limit`. Throws DataError if not even two tokens
 * fit.
 *
 *     meanSpan 3, rate 0.15, limit 512 and 512, an end for each   ->   568: 512 to read, 114 to write
 */
export function fittingLength(denoiser: Denoiser, limit: Lengths, more: Additions): number {
  const { rate } = denoiser;
  // Rounding may lower the number of noise tokens by up to half a token.
  const longest = Math.min((limit.source + 0.5) / (1 - rate), (limit.target + 0.5) / rate);
  for (let length = Math.ceil(longest); length >= 2; length--) {
    const { source, target } = lengthsOf(denoiser, length, more);
    if (source <= limit.source && target <= limit.target) return length;
  }
  throw new DataError(
    `objective.inputTokens ${limit.source} and targetTokens ${limit.target} are too short: the denoiser with rate ${rate} cannot do with them.`,
    { code: 'objective.too-long', exitCode: 2, hint: 'Raise them.' },
  );
}

/** A denoiser, the number of text tokens that it receives, and the lengths of its source and target. */
export interface FittedDenoiser {
  readonly denoiser: Denoiser;
  readonly tokens: number;
  readonly lengths: Lengths;
}

/**
 * Denoisers whose batches have the same shape. Each step draws one group, and each of its examples draws a denoiser of
 * it.
 */
export interface DenoiserGroup {
  readonly name: string;
  readonly members: readonly FittedDenoiser[];
  readonly shape: Lengths;
}

/** Largest share of a batch's positions that may be padding for any denoiser of a group. */
const MOST_PADDING = 0.05;

export interface FitOptions {
  readonly limit: Lengths;
  readonly additions: (denoiser: Denoiser) => Additions;
  readonly padToMultipleOf: number;
}

/** A denoiser with the longest text that fits into the limit. */
function fitted(denoiser: Denoiser, { limit, additions }: FitOptions): FittedDenoiser {
  const more = additions(denoiser);
  const tokens = fittingLength(denoiser, limit, more);
  return { denoiser, tokens, lengths: lengthsOf(denoiser, tokens, more) };
}

/** The smallest shape that fits all of them, rounded up to multiples of `padToMultipleOf`. */
function shapeOf(members: readonly FittedDenoiser[], padToMultipleOf: number): Lengths {
  const { source, target } = longestOf(members.map(({ lengths }) => lengths));
  return { source: roundUp(source, padToMultipleOf), target: roundUp(target, padToMultipleOf) };
}

/** The same groups with the same names, fitted to new options: `additions` may have changed since they were created. */
export function refitGroups(groups: readonly DenoiserGroup[], options: FitOptions): DenoiserGroup[] {
  return groups.map(({ name, members: before }) => {
    const members = before.map(({ denoiser }) => fitted(denoiser, options));
    return { name, members, shape: shapeOf(members, options.padToMultipleOf) };
  });
}

/**
 * Fits the denoisers to the limit and combines them into few groups with little padding, in the order of the denoisers.
 */
export function groupDenoisers(denoisers: readonly Denoiser[], options: FitOptions): DenoiserGroup[] {
  const all = denoisers.map((denoiser) => fitted(denoiser, options));
  const isTight = (members: readonly FittedDenoiser[]): boolean => {
    const { source, target } = shapeOf(members, options.padToMultipleOf);
    const used = members.map(({ lengths }) => (lengths.source + lengths.target) / (source + target));
    return 1 - Math.min(...used) <= MOST_PADDING;
  };
  const groups: FittedDenoiser[][] = [];
  // The longest target first: shorter ones are padded to it.
  for (const one of [...all].sort((a, b) => b.lengths.target - a.lengths.target)) {
    const fitting = groups.find((group) => isTight([...group, one]));
    if (fitting) fitting.push(one);
    else groups.push([one]);
  }
  const inOrder = groups
    .map((members) => all.filter((one) => members.includes(one)))
    .sort(([a], [b]) => all.indexOf(a) - all.indexOf(b));
  const names = inOrder.map((members) =>
    [...new Set(members.map(({ denoiser: { prefix, kind } }) => prefix ?? kind))].join('-').replace(/[^\w.-]/g, '_'),
  );
  return inOrder.map((members, i) => {
    const twins = names.flatMap((name, at) => (name === names[i] ? [at] : []));
    const name = twins.length === 1 ? names[i] : `${names[i]}-${twins.indexOf(i) + 1}`;
    return { name, members, shape: shapeOf(members, options.padToMultipleOf) };
  });
}

/** Draws one of the choices according to their weights. */
export function drawn<T>(choices: readonly T[], weight: (one: T) => number, random: RandomStream): T {
  return chosenAt(random.uniform(), choices, weight);
}

/** The choice at `point`, in [0, 1), if all choices are laid end to end with their weights as lengths. */
export function chosenAt<T>(point: number, choices: readonly T[], weight: (one: T) => number): T {
  let left = point * choices.reduce((sum, one) => sum + weight(one), 0);
  return choices.find((one) => (left -= weight(one)) < 0) ?? choices[choices.length - 1];
}

/** Weight of a denoiser, or the total weight of a group. */
export function weightOf(one: DenoiserGroup | FittedDenoiser): number {
  return 'members' in one ? one.members.reduce((sum, member) => sum + weightOf(member), 0) : one.denoiser.weight;
}
