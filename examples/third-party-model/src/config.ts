import { CheckpointError, type SpecialTokens } from '@graft/core';
import { z } from 'zod';

/** The value of `model_type` in the config.json of this family's checkpoints. */
export const MODEL_TYPE = 'prenorm';

const size = (what: string, otherwise: number): z.ZodDefault<z.ZodInt> =>
  z.int().positive().default(otherwise).describe(what);

/** config.json. Missing keys have these defaults; keys of others are kept by nobody. */
const storedConfig = z.looseObject({
  model_type: z.literal(MODEL_TYPE).default(MODEL_TYPE),
  vocab_size: size('tokens', 259),
  d_model: size('width of the residual stream', 32),
  d_ff: size('width inside a feed-forward layer', 64),
  n_heads: size('attention heads', 2),
  n_layers: size('blocks of each side', 2),
  pad_id: z.int().nonnegative().default(0),
  bos_id: z.int().nonnegative().default(2),
  eos_id: z.int().nonnegative().default(1),
});

export interface PrenormConfig {
  readonly vocabularySize: number;
  readonly width: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly layers: number;
  readonly tokens: Omit<SpecialTokens, 'policy'>;
}

/** Options of `model: { use: prenorm }`; what they leave out comes from the checkpoint. */
export const prenormOptions = z.strictObject({
  vocabularySize: z.int().positive().optional().describe('tokens'),
  width: z.int().positive().optional().describe('width of the residual stream, divisible by 2 and by the heads'),
  feedForward: z.int().positive().optional().describe('width inside a feed-forward layer'),
  heads: z.int().positive().optional().describe('attention heads'),
  layers: z.int().positive().optional().describe('blocks of each side'),
});

export type PrenormOptions = z.output<typeof prenormOptions>;

/** Throws CheckpointError naming the file, the key, and what was expected. */
export function readConfig(
  json: Record<string, unknown> | undefined,
  options: PrenormOptions,
  where = 'config.json',
): PrenormConfig {
  const parsed = storedConfig.safeParse(json ?? {});
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new CheckpointError(`${where}: "${path.join('.')}": ${message}.`, { code: 'prenorm.config' });
  }
  const { data } = parsed;
  const config = {
    vocabularySize: options.vocabularySize ?? data.vocab_size,
    width: options.width ?? data.d_model,
    feedForward: options.feedForward ?? data.d_ff,
    heads: options.heads ?? data.n_heads,
    layers: options.layers ?? data.n_layers,
    tokens: { pad: data.pad_id, start: data.bos_id, eos: [data.eos_id] },
  };
  if (config.width % config.heads !== 0 || config.width % 2 !== 0) {
    throw new CheckpointError(
      `${where}: the width (${config.width}) should be divisible by 2 and by the number of heads (${config.heads}).`,
      { code: 'prenorm.config', exitCode: 2 },
    );
  }
  return config;
}

export function toStoredConfig(config: PrenormConfig): Record<string, unknown> {
  const { vocabularySize, width, feedForward, heads, layers, tokens } = config;
  return {
    model_type: MODEL_TYPE,
    vocab_size: vocabularySize,
    d_model: width,
    d_ff: feedForward,
    n_heads: heads,
    n_layers: layers,
    pad_id: tokens.pad,
    bos_id: tokens.start,
    eos_id: tokens.eos[0],
  };
}
