/** Sentinels and mode tokens for an encoder and a decoder with a tokenizer each. */
import { DataError, tokensOfSide, type Model, type SideTokenizers } from '@graft/core';
import { chooseTokens, RECORD_SECTION, type ChosenTokens, type TokenRequest } from './denoising-tokens';
import { AUTO, stretchesOfIds, type SentinelOptions, type TokenSupply } from './sentinels';

/**
 * Chooses tokens on both sides: sentinel i of the encoder and sentinel i of the decoder stand for the same span, so that
 * there are as many as the side with fewer has. Mode tokens, which only the encoder reads, are the encoder's. Throws
 * DataError that names the side which has no such tokens.
 */
export function chooseSideTokens(
  { recorded, ...request }: TokenRequest,
  { encoder, decoder }: SideTokenizers,
  model: Model,
): ChosenTokens {
  if (request.needsSentinels) checkNames(request.sentinels);
  const { sentinels = [], encoderSentinels, reuse = false, modeTokens = {} } = recorded ?? {};
  const written = ofSide('decoder', () =>
    chooseTokens(
      { ...request, modeTokens: {}, recorded: recorded && { sentinels, reuse, modeTokens: {} } },
      { model, tokenizer: decoder },
    ),
  );
  const supply: TokenSupply = { model: tokensOfSide(model, 'encoder'), tokenizer: encoder };
  const read = ofSide('encoder', () =>
    chooseTokens(
      { ...request, recorded: encoderSentinels && { sentinels: encoderSentinels, reuse, modeTokens } },
      supply,
    ),
  );
  const count = Math.min(read.tokens.sentinels.length, written.tokens.sentinels.length);
  const tokens = {
    ...written.tokens,
    sentinels: written.tokens.sentinels.slice(0, count),
    encoderSentinels: read.tokens.sentinels.slice(0, count),
    modeTokens: read.tokens.modeTokens,
  };
  const section = {
    sentinels: stretchesOfIds(tokens.sentinels),
    encoderSentinels: stretchesOfIds(tokens.encoderSentinels),
    reuse: tokens.reuse,
    modeTokens: tokens.modeTokens,
  };
  const said = (sides: readonly (readonly [string, readonly string[]])[]): string[] =>
    sides.flatMap(([side, sentences]) => sentences.map((sentence) => `The ${side}'s tokenizer: ${sentence}`));
  const uses = count > 0 ? [`${count} sentinels are used, which both sides have.`] : [];
  return {
    tokens,
    notes: [...said([['encoder', read.notes] as const, ['decoder', written.notes] as const]), ...uses],
    warnings: said([['encoder', read.warnings] as const, ['decoder', written.warnings] as const]),
    record: { [RECORD_SECTION]: section },
  };
}

/** An id is another token on the other side. */
function checkNames(options: SentinelOptions): void {
  const { tokens, first, step } =
    typeof options === 'string' || Array.isArray(options)
      ? { tokens: options }
      : (options as Exclude<SentinelOptions, string | unknown[]>);
  const id = [tokens ?? AUTO].flat().find((token) => typeof token === 'number');
  if (id === undefined && first === undefined && step === undefined) return;
  throw new DataError(
    `objective.sentinels gives ids${id === undefined ? '' : ` (${id})`}, but the data have a tokenizer for each side, in which an id is another token.`,
    { code: 'objective.sentinels', exitCode: 2, hint: 'Give names that both have, as ["<unused*>"], or auto.' },
  );
}

function ofSide<T>(side: 'encoder' | 'decoder', choose: () => T): T {
  try {
    return choose();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const { code, exitCode } = error;
    // The usual advice, to give ids, is for one tokenizer.
    const hint =
      code === 'objective.sentinels'
        ? 'Name free tokens that both tokenizers have, or take the objective "prefix-lm", which needs none.'
        : error.hint;
    throw new DataError(`The ${side}'s tokenizer: ${error.message}`, {
      code,
      exitCode,
      hint,
      cause: error,
    });
  }
}
