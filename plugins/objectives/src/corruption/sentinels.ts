import { DataError, matchesName, type Model, type NamedToken, type TokenizerFacts } from '@graft/core';
import { z } from 'zod';

const id = z.int().nonnegative();
/** An id, the name of a token, or a pattern of names in which `*` matches any text. */
const tokenOption = z.union([id, z.string().min(1)], {
  error: 'expected a token id, or a name of tokens as "<unused0>" or "<unused*>"',
});

export const AUTO = 'auto';

/** The option `sentinels` of `ul2`. */
export const sentinelOptions = z.union([
  z.string().min(1),
  z.array(tokenOption).min(1),
  z
    .strictObject({
      tokens: z
        .union([z.string().min(1), z.array(tokenOption).min(1)])
        .optional()
        .describe(
          "`auto`: the tokenizer's unused tokens; or ids, names and patterns. Default: `auto`, unless `first`, `step` or `count` are given.",
        ),
      first: id
        .optional()
        .describe("Id of the first sentinel, where no `tokens` are named. Default: the vocabulary's last token."),
      step: z
        .union([z.literal(-1), z.literal(1)])
        .optional()
        .describe('From one sentinel to the next. Default: -1.'),
      count: z
        .int()
        .positive()
        .optional()
        .describe(
          'How many there are: 100 by default. With `tokens`: how many of them are taken at most, all by default.',
        ),
      reuse: z
        .boolean()
        .optional()
        .describe(
          'Begins again with the first one where a sequence has more spans than there are sentinels. Default: false.',
        ),
    })
    .refine(({ tokens, first, step }) => tokens === undefined || (first === undefined && step === undefined), {
      error: 'either `tokens`, or ids from `first` on in steps of `step`',
      path: ['tokens'],
    }),
]);

/** The tokens that stand for masked spans. */
export type SentinelOptions = z.output<typeof sentinelOptions>;

/** The option `modeTokens` of `ul2`. */
export const modeTokenOptions = z.union([z.literal(AUTO), z.record(z.string(), tokenOption)]);

/** The token in front of each denoiser's texts: chosen from the vocabulary, or named by denoiser. */
export type ModeTokenOptions = z.output<typeof modeTokenOptions>;

/** The tokens that denoising inserts into texts. A model must keep using those that it was trained with. */
export interface DenoisingTokens {
  /** Ids in the order of the spans. */
  readonly sentinels: readonly number[];
  /** The same in the encoder's ids, one for each, if the encoder has a tokenizer of its own. Default: `sentinels`. */
  readonly encoderSentinels?: readonly number[];
  readonly reuse: boolean;
  /** Ids by denoiser prefix, of what the encoder reads. */
  readonly modeTokens: Readonly<Record<string, number>>;
}

/** Facts from which the tokens are chosen. */
export interface TokenSupply {
  readonly model: Pick<Model, 'vocabularySize' | 'specialTokens'>;
  /** Undefined: the dataset does not provide it. */
  readonly tokenizer?: TokenizerFacts;
}

const wrong = (option: 'sentinels' | 'modeTokens', message: string, hint?: string): DataError =>
  new DataError(`objective.${option}${message}`, {
    code: option === 'sentinels' ? 'objective.sentinels' : 'objective.mode-token',
    exitCode: 2,
    hint,
  });

/**
 * Tokens without a meaning yet, sorted by id: the tokenizer's unused tokens or, if it has none, ids of the model's
 * vocabulary after the tokenizer's last one. Throws DataError if there are none, or if the tokenizer is unknown.
 */
export function freeTokens({ model, tokenizer }: TokenSupply, option: 'sentinels' | 'modeTokens'): number[] {
  const ids = option === 'sentinels' ? '{ first: 7, step: 1, count: 90 }' : '{ R: 7, X: 8, S: 9 }';
  if (!tokenizer) {
    throw wrong(
      option,
      ': `auto` takes unused tokens of the tokenizer, but the dataset does not tell which it has.',
      `Give ids that the texts do not use, as in objective.${option}: ${ids}.`,
    );
  }
  const { vocabularySize, namedTokens = [] } = tokenizer;
  const { pad, start, eos } = model.specialTokens;
  const special = new Set([pad, start, ...eos]);
  const isFree = (token: number): boolean => token < model.vocabularySize && !special.has(token);
  const unused = namedTokens.filter(({ kind, id: token }) => kind === 'unused' && isFree(token));
  if (unused.length > 0) return unused.map(({ id: token }) => token).sort((a, b) => a - b);
  const end = Math.max(vocabularySize, ...namedTokens.map(({ id: token }) => token + 1));
  const behind = Array.from({ length: Math.max(0, model.vocabularySize - end) }, (_, i) => end + i).filter(isFree);
  if (behind.length > 0) return behind;
  throw wrong(
    option,
    `: \`auto\` found no free token: the tokenizer has no unused ones, and its ${end} tokens leave none of the model's vocabulary of ${model.vocabularySize}.`,
    `Raise model.vocabularySize (no text gives ids from ${end} on), or give ids that the texts do not use, as in objective.${option}: ${ids}.`,
  );
}

/**
 * Chooses the sentinels according to the config. `auto` uses all free tokens except the last ones, which it reserves
 * for mode tokens of the denoisers' `prefixes` even if there are none, so that a later run with mode tokens gets the
 * same sentinels. Throws DataError if sentinels are outside the vocabulary or already have another meaning.
 */
export function chooseSentinels(
  options: SentinelOptions,
  modeTokens: Readonly<Record<string, number>>,
  prefixes: readonly string[],
  supply: TokenSupply,
): Pick<DenoisingTokens, 'sentinels' | 'reuse'> {
  const { tokens, first, step, count, reuse = false } = asObject(options);
  if (tokens === undefined) {
    const range = { first: first ?? supply.model.vocabularySize - 1, step: step ?? -1, count: count ?? 100 };
    return { sentinels: checkedRange(range, modeTokens, supply.model), reuse };
  }
  if (tokens === AUTO) {
    const taken = new Set(Object.values(modeTokens));
    const all = freeTokens(supply, 'sentinels');
    const left = all.length > prefixes.length ? all.slice(0, all.length - prefixes.length) : all;
    const free = left.filter((token) => !taken.has(token));
    if (free.length === 0)
      throw wrong('sentinels', ': `auto` found no free token but those that are mode tokens.', 'Give ids instead.');
    return { sentinels: free.slice(0, count), reuse };
  }
  const named = idsOf(typeof tokens === 'string' ? [tokens] : tokens, 'sentinels', '', supply).slice(0, count);
  const meaning = meanings(modeTokens, supply.model);
  const clash = named.find((token) => meaning.has(token));
  if (clash !== undefined) throw wrong('sentinels', `: token ${clash} is ${meaning.get(clash)}.`);
  const twin = named.find((token, i) => named.indexOf(token) !== i);
  if (twin !== undefined)
    throw wrong('sentinels', `: token ${twin} is there twice.`, 'For sentinels that come again: reuse: true.');
  return { sentinels: named, reuse };
}

/**
 * Mode tokens by the denoisers' `prefixes`; `auto` uses the last free tokens. Throws DataError if one of them is not in
 * the vocabulary.
 */
export function chooseModeTokens(
  options: ModeTokenOptions,
  prefixes: readonly string[],
  supply: TokenSupply,
  isSentinel: (token: number) => boolean = () => false,
): Record<string, number> {
  if (options === AUTO) {
    if (prefixes.length === 0) return {};
    const free = freeTokens(supply, 'modeTokens').filter((token) => !isSentinel(token));
    if (free.length < prefixes.length)
      throw wrong(
        'modeTokens',
        `: \`auto\` needs ${prefixes.length} free tokens, but found ${free.length}.`,
        'Give ids instead.',
      );
    const last = free.slice(-prefixes.length);
    return Object.fromEntries(prefixes.map((prefix, i) => [prefix, last[i]]));
  }
  return Object.fromEntries(
    Object.entries(options).map(([prefix, token]) => [
      prefix,
      idsOf([token], 'modeTokens', `.${prefix}`, supply, true)[0],
    ]),
  );
}

/** Whether the config leaves the choice to the objective. */
export const isAuto = (options: SentinelOptions): boolean => asObject(options).tokens === AUTO;

function asObject(options: SentinelOptions): Exclude<SentinelOptions, string | readonly unknown[]> {
  if (typeof options === 'string' || Array.isArray(options)) return { tokens: options };
  const { tokens, first, step, count } = options;
  const isRange = tokens === undefined && (first !== undefined || step !== undefined || count !== undefined);
  return isRange ? options : { ...options, tokens: tokens ?? AUTO };
}

/** Ids of tokens given by id, name or pattern. `single`: each is one token, not a pattern. */
function idsOf(
  tokens: readonly (string | number)[],
  option: 'sentinels' | 'modeTokens',
  key: string,
  { model: { vocabularySize }, tokenizer }: TokenSupply,
  single = false,
): number[] {
  return tokens.flatMap((token) => {
    const found = typeof token === 'number' ? [token] : named(token, `${option}${key}`, option, tokenizer, single);
    const outside = found.find((one) => one >= vocabularySize);
    if (outside === undefined) return found;
    throw wrong(
      option,
      `${key} ${single ? 'is' : 'name'} token ${outside}, but the vocabulary has ${vocabularySize} tokens (0 to ${vocabularySize - 1}).`,
      'Name tokens that the texts do not use.',
    );
  });
}

function named(
  name: string,
  where: string,
  option: 'sentinels' | 'modeTokens',
  tokenizer: TokenizerFacts | undefined,
  single: boolean,
): number[] {
  const known = tokenizer?.namedTokens;
  if (!known)
    throw wrong(
      option,
      where.slice(option.length) +
        `: "${name}" is a name, but the dataset's tokenizer does not tell its tokens' names.`,
      'Give ids instead.',
    );
  const exact = known.filter(({ token }) => token === name);
  const found =
    exact.length > 0 || single
      ? exact
      : known.filter(({ token, kind }) => kind === 'unused' && matchesName(token, name));
  if (found.length > 0) return found.map((token) => token.id);
  const unused = known.filter(({ kind }) => kind === 'unused');
  const there =
    unused.length > 0
      ? `${unused.length} unused ones, from ${unused[0].token} to ${unused.at(-1)!.token}`
      : 'no unused ones';
  throw wrong(
    option,
    `${where.slice(option.length)}: no special, added or unused token of the tokenizer is called "${name}"; it has ${there}.`,
  );
}

/** Ids that already have a meaning, with that meaning. */
function meanings(
  modeTokens: Readonly<Record<string, number>>,
  { specialTokens }: Pick<Model, 'specialTokens'>,
): Map<number, string> {
  const { pad, start, eos } = specialTokens;
  return new Map([
    ...Object.entries(modeTokens).map(([name, token]): [number, string] => [token, `the mode token ${name}`]),
    ...eos.map((token): [number, string] => [token, 'an end of sequence']),
    [start, 'the start token'],
    [pad, 'the padding'],
  ]);
}

/**
 * The ids of a range. Throws DataError unless all of them are in the model's vocabulary and without another meaning.
 */
function checkedRange(
  { first, step, count }: { readonly first: number; readonly step: number; readonly count: number },
  modeTokens: Readonly<Record<string, number>>,
  model: TokenSupply['model'],
): number[] {
  const { vocabularySize } = model;
  const last = first + (count - 1) * step;
  const taken = meanings(modeTokens, model);
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  const clashes = [...taken].filter(([token]) => token >= low && token <= high).sort(([a], [b]) => a - b);
  const outside = low < 0 || high >= vocabularySize;
  if (!outside && clashes.length === 0) return Array.from({ length: count }, (_, i) => first + i * step);
  const range = `: the ${count} sentinels go ${step < 0 ? 'down' : 'up'} from token ${first} to ${last}`;
  const problem = outside
    ? `but the vocabulary has ${vocabularySize} tokens (0 to ${vocabularySize - 1})`
    : `but ${clashes.map(([token, meaning]) => `${token} is ${meaning}`).join(', ')}`;
  let free = 0;
  for (let token = first; token >= 0 && token < vocabularySize && !taken.has(token); token += step) free++;
  const fewer = free > 0 ? `Set objective.sentinels.count to ${free} or less, or ` : 'Set ';
  throw wrong(
    'sentinels',
    `${range}, ${problem}.`,
    `${fewer}objective.sentinels.first${free > 0 ? '' : ' and .count'} to other tokens that the texts do not use.`,
  );
}

/** Those of `tokens` that the tokenizer also produces for ordinary text; none if its named tokens are unknown. */
export function ordinaryTokens(tokens: readonly number[], tokenizer: TokenizerFacts | undefined): readonly number[] {
  if (!tokenizer?.namedTokens) return [];
  const kinds = new Map(tokenizer.namedTokens.map(({ id: token, kind }) => [token, kind]));
  const isReserved = (kind: NamedToken['kind'] | undefined): boolean => kind === 'unused' || kind === 'special';
  return tokens.filter((token) => token < tokenizer.vocabularySize && !isReserved(kinds.get(token)));
}

/** Compresses ids into ranges: `[7..9, 20]` becomes `[[7, 9], [20, 20]]`, `[9, 8]` becomes `[[9, 8]]`. */
export function stretchesOfIds(ids: readonly number[]): [first: number, last: number][] {
  const stretches: [number, number][] = [];
  for (const [i, token] of ids.entries()) {
    const current = stretches.at(-1);
    const step = current && Math.sign(current[1] - current[0]);
    const by = i > 0 ? token - ids[i - 1] : 0;
    if (current && (step === 0 ? Math.abs(by) === 1 : by === step)) current[1] = token;
    else stretches.push([token, token]);
  }
  return stretches;
}

/** The reverse of `stretchesOfIds`. */
export function idsOfStretches(stretches: readonly (readonly [number, number])[]): number[] {
  return stretches.flatMap(([first, last]) => {
    const step = last < first ? -1 : 1;
    return Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => first + i * step);
  });
}
