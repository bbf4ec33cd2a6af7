import { DataError, type JsonValue, type Settled } from '@graft/core';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  AUTO,
  chooseModeTokens,
  chooseSentinels,
  idsOfStretches,
  isAuto,
  ordinaryTokens,
  stretchesOfIds,
  type DenoisingTokens,
  type ModeTokenOptions,
  type SentinelOptions,
  type TokenSupply,
} from './sentinels';

/** The section of a checkpoint's graft.json. */
export const RECORD_SECTION = 'ul2';

const id = z.int().nonnegative();
const recordSchema = z.object({
  sentinels: z.array(z.tuple([id, id])),
  reuse: z.boolean(),
  modeTokens: z.record(z.string(), id),
  encoderSentinels: z.array(z.tuple([id, id])).optional(),
});

/**
 * The tokens that a checkpoint was trained with, from its graft.json; undefined if the section is missing or invalid.
 */
export function recordedTokens(section: JsonValue | undefined): DenoisingTokens | undefined {
  const parsed = recordSchema.safeParse(section);
  if (!parsed.success) return undefined;
  const { sentinels, encoderSentinels, ...rest } = parsed.data;
  return {
    ...rest,
    sentinels: idsOfStretches(sentinels),
    ...(encoderSentinels && { encoderSentinels: idsOfStretches(encoderSentinels) }),
  };
}

export interface TokenRequest {
  readonly sentinels: SentinelOptions;
  readonly modeTokens: ModeTokenOptions;
  /** Prefixes of the denoisers, without duplicates. */
  readonly prefixes: readonly string[];
  /** Whether any denoiser corrupts spans; otherwise there are no sentinels. */
  readonly needsSentinels: boolean;
  /** The tokens of the checkpoint from which the run starts. */
  readonly recorded?: DenoisingTokens;
  /** Whether tokens that text can produce are an error, unless the checkpoint was trained with them. Default: a warning. */
  readonly rejectsTextTokens?: boolean;
}

export interface ChosenTokens extends Settled {
  readonly tokens: DenoisingTokens;
}

/**
 * Chooses sentinels and mode tokens according to the config. For `auto` it uses the checkpoint's tokens if they fit,
 * otherwise free tokens. Sentinels and mode tokens never overlap. Throws DataError if that is impossible, or for tokens
 * that the request rejects.
 */
export function chooseTokens(request: TokenRequest, supply: TokenSupply): ChosenTokens {
  const { recorded, prefixes, needsSentinels } = request;
  const { vocabularySize } = supply.model;
  const fits = (tokens: readonly number[]): boolean => tokens.every((token) => token < vocabularySize);
  const wantsModes = request.modeTokens === AUTO;
  const wantsSentinels = isAuto(request.sentinels);
  const oldModes = recorded && prefixes.length > 0 && prefixes.every((one) => Object.hasOwn(recorded.modeTokens, one));
  const keepsModes = wantsModes && oldModes && fits(Object.values(recorded.modeTokens));
  const keepsSentinels =
    needsSentinels && wantsSentinels && recorded && recorded.sentinels.length > 0 && fits(recorded.sentinels);
  const none = { sentinels: [], reuse: false };
  // If the config leaves the mode tokens to `auto`, they are chosen first, from the end of the free tokens; they avoid
  // only explicit sentinels and those of the checkpoint.
  const explicit =
    needsSentinels && !wantsSentinels && wantsModes ? chooseSentinels(request.sentinels, {}, prefixes, supply) : none;
  const reserved = new Set([...explicit.sentinels, ...(keepsSentinels ? recorded.sentinels : [])]);
  const modeTokens = keepsModes
    ? Object.fromEntries(prefixes.map((prefix) => [prefix, recorded.modeTokens[prefix]]))
    : chooseModeTokens(request.modeTokens, prefixes, supply, (token) => reserved.has(token));
  const modes = new Set(Object.values(modeTokens));
  const kept = keepsSentinels && !recorded.sentinels.some((token) => modes.has(token));
  const chosen = !needsSentinels
    ? none
    : kept
      ? {
          sentinels: recorded.sentinels.slice(0, countOf(request.sentinels)),
          reuse: recorded.reuse || wantsReuse(request.sentinels),
        }
      : chooseSentinels(request.sentinels, modeTokens, prefixes, supply);
  const tokens: DenoisingTokens = { ...chosen, modeTokens };
  return { tokens, ...reportOn(tokens, { request, supply, kept: Boolean(kept), keepsModes: Boolean(keepsModes) }) };
}

const wantsReuse = (options: SentinelOptions): boolean =>
  typeof options === 'object' && !Array.isArray(options) && options.reuse === true;

const countOf = (options: SentinelOptions): number | undefined =>
  typeof options === 'object' && !Array.isArray(options) ? options.count : undefined;

interface Choice {
  readonly request: TokenRequest;
  readonly supply: TokenSupply;
  readonly kept: boolean;
  readonly keepsModes: boolean;
}

function reportOn(tokens: DenoisingTokens, { request, supply, kept, keepsModes }: Choice): Settled {
  const { sentinels, modeTokens, reuse } = tokens;
  const { recorded } = request;
  const names = new Map(supply.tokenizer?.namedTokens?.map(({ id: token, token: name }) => [token, name]));
  const shown = (token: number): string => (names.has(token) ? `${names.get(token)} (${token})` : String(token));
  const from = (isKept: boolean): string => (isKept ? ', as the checkpoint was trained with (graft.json)' : '');
  const notes: string[] = [];
  const warnings: string[] = [];
  if (sentinels.length > 0) {
    const stretches = stretchesOfIds(sentinels).map(([first, last]) =>
      first === last ? shown(first) : `${shown(first)} to ${shown(last)}`,
    );
    const list =
      stretches.length > 4 ? [...stretches.slice(0, 3), `${stretches.length - 3} more stretches`] : stretches;
    notes.push(
      `Sentinels: ${sentinels.length}, ${list.join(', ')}${reuse ? ', used again where spans are more' : ''}${from(kept)}.`,
    );
  }
  const modes = Object.entries(modeTokens);
  if (modes.length > 0)
    notes.push(
      `Mode tokens: ${modes.map(([name, token]) => `${name} ${shown(token)}`).join(', ')}${from(keepsModes)}.`,
    );
  const inText = (problem: string, better: string, isTrained: boolean): void => {
    if (request.rejectsTextTokens && !isTrained)
      throw new DataError(`${problem}.`, {
        code: 'objective.text-tokens',
        exitCode: 2,
        hint: `${better[0].toUpperCase()}${better.slice(1)}; \`objective.allowTextTokens: true\` trains with these all the same.`,
      });
    warnings.push(`${problem}; ${better}.`);
  };
  const ordinary = ordinaryTokens(sentinels, supply.tokenizer);
  if (ordinary.length > 0)
    inText(
      `objective.sentinels: ${ordinary.length} of the ${sentinels.length} sentinels (${ordinary.slice(0, 3).join(', ')}${ordinary.length > 3 ? ', …' : ''}) are tokens that text can produce, so that the model cannot distinguish them from text`,
      '`sentinels: auto` takes unused ones',
      ordinary.every((token) => recorded?.sentinels.includes(token)),
    );
  for (const [name, token] of modes)
    if (ordinaryTokens([token], supply.tokenizer).length > 0)
      inText(
        `objective.modeTokens.${name}: ${shown(token)} is a token that text can produce`,
        '`modeTokens: auto` takes an unused one',
        recorded?.modeTokens[name] === token,
      );
  if (
    recorded &&
    sentinels.length > 0 &&
    recorded.sentinels.length > 0 &&
    !isDeepStrictEqual([...sentinels], [...recorded.sentinels])
  )
    warnings.push(
      `objective.sentinels: the checkpoint was trained with others (graft.json: ${inWords(recorded.sentinels)}), which \`sentinels: auto\` would take.`,
    );
  for (const [name, token] of modes)
    if (recorded && Object.hasOwn(recorded.modeTokens, name) && recorded.modeTokens[name] !== token)
      warnings.push(
        `objective.modeTokens.${name}: the checkpoint was trained with ${shown(recorded.modeTokens[name])} (graft.json), not ${shown(token)}; \`modeTokens: auto\` would take that.`,
      );
  const lost = Object.keys(recorded?.modeTokens ?? {}).filter(
    (name) => request.prefixes.includes(name) && !Object.hasOwn(modeTokens, name),
  );
  if (lost.length > 0)
    warnings.push(
      `objective.modeTokens: the checkpoint was trained with mode tokens for ${lost.join(', ')} (graft.json), and this config has none for them; \`modeTokens: auto\` would take those.`,
    );
  const record = { sentinels: stretchesOfIds(sentinels), reuse, modeTokens };
  return { notes, warnings, record: { [RECORD_SECTION]: record } };
}

function inWords(ids: readonly number[]): string {
  const stretches = stretchesOfIds(ids).map(([first, last]) =>
    first === last ? String(first) : `${first} to ${last}`,
  );
  return stretches.length > 3 ? `${stretches.slice(0, 3).join(', ')}, …` : stretches.join(', ');
}
