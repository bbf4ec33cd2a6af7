import {
  inject,
  injectable,
  LOGGER,
  OPTIONS,
  parseOptions,
  pathOption,
  silentLogger,
  type Initializer,
  type Logger,
  type Model,
  type ParameterSpec,
  type RandomStream,
} from '@graft/core';
import { NormalPool } from '@graft/core/internal';
import { tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { z } from 'zod';
import { DEFAULT_STD } from './adapt-checkpoint';
import { CROSS_ATTENTION_CHOICES, CROSS_ATTENTION_NORMS } from './cross-attention';
import {
  AdaptSources,
  checkPlan,
  decideAdaptation,
  normalChunks,
  planAdaptation,
  RANDOM_PARTS,
  type AdaptStep,
  type Draws,
} from './plan';
import { checkSharedTable } from '../load/shared-table';
import { EXPAND_HEADS_CHOICES } from './expanded-heads';
import { toCheckpointConfig } from '../model/config';
import type { EncoderDecoderConfig } from '../model/config-types';
import { asGemma } from '../model/model';
import { DECODER_ONLY_EMBEDDING } from '../model/names';

/** The options of the initializer `adapt`. */
export const adaptOptions = z.strictObject({
  encoder: pathOption().describe('Folder of the decoder-only Gemma 2 checkpoint that becomes the encoder.'),
  decoder: pathOption()
    .optional()
    .describe("Folder of the checkpoint that becomes the decoder. Default: the encoder's."),
  crossAttention: z
    .enum(CROSS_ATTENTION_CHOICES)
    .default('auto')
    .describe(
      "`copy`: the decoder's self-attention; `random`: normal numbers; `auto`: copy where widths and heads agree.",
    ),
  crossAttentionNorms: z
    .enum(CROSS_ATTENTION_NORMS)
    .optional()
    .describe(
      '`copy`: the norms around cross-attention take those around self-attention; `identity`: gain 1. Default: `copy`, but `identity` where cross-attention is among the random parts.',
    ),
  expandHeads: z
    .enum(EXPAND_HEADS_CHOICES)
    .optional()
    .describe(
      '`encoder`: its key/value heads are repeated, so that every query head has its own; for ablations. Default: none.',
    ),
  std: z.number().positive().default(DEFAULT_STD).describe('Standard deviation of what is random.'),
  random: z
    .array(z.enum(RANDOM_PARTS))
    .default([])
    .describe('Parts that are not taken from the checkpoints, for ablations.'),
});

/** What a config or code may write. */
export type AdaptOptions = z.input<typeof adaptOptions>;
/** The same with every default filled in. */
export type ResolvedAdaptOptions = z.output<typeof adaptOptions>;

/**
 * An encoder-decoder's parameters from one or two decoder-only checkpoints, tensor by tensor, without writing a folder.
 */
@injectable()
export class AdaptInitializer implements Initializer {
  private readonly options: ResolvedAdaptOptions;

  constructor(
    @inject(OPTIONS) options: AdaptOptions,
    @inject(LOGGER) private readonly logger: Logger = silentLogger(),
  ) {
    this.options = parseOptions(adaptOptions, options, 'AdaptInitializer');
  }

  async checkpointConfig(): Promise<Record<string, unknown>> {
    const sources = await this.open();
    try {
      // How the new model reads text is not a property of the sources: the config's `model:` section sets it.
      const { encoder_window: _window, ...config } = toCheckpointConfig(sources.config);
      return config;
    } finally {
      await sources.close();
    }
  }

  /** The decoder's generation_config.json, adapted to an encoder-decoder. */
  async generationConfig(): Promise<Record<string, unknown> | undefined> {
    const sources = await this.open();
    try {
      return await sources.generationConfig();
    } finally {
      await sources.close();
    }
  }

  /** Throws CheckpointError or ConfigError if the sources do not fit this model. */
  async *parameters(model: Model, random: RandomStream): AsyncGenerator<readonly [string, tf.Tensor]> {
    const config = asGemma(model, 'The initializer "adapt"', 'encoder-decoder').config as EncoderDecoderConfig;
    const sources = await this.open();
    const pool = new NormalPool();
    try {
      const decided = decideAdaptation(config, this.options, sources);
      const plan = planAdaptation(model.parameters, decided, this.options.random, sources);
      checkPlan(plan, sources);
      if (config.tieEncoderEmbedding && sources.encoder !== sources.decoder) {
        const name = DECODER_ONLY_EMBEDDING;
        await checkSharedTable({ reader: sources.encoder, name }, { reader: sources.decoder, name });
      }
      const { copiesProjections, reason, norms } = decided;
      const { expanded } = sources;
      this.logger.info(
        `Cross-attention is ${copiesProjections ? "copied from the decoder's self-attention" : 'random'}: ${reason}. ` +
          `Its norms ${norms === 'copy' ? "begin as self-attention's" : 'begin at gain 1'}.` +
          (expanded ? ` The encoder's ${expanded.from} key/value heads become ${expanded.to}.` : ''),
      );
      const draws = { pool, random, std: this.options.std };
      for (const step of plan) {
        const { spec } = step;
        const values = step.from ? await taken(sources, step, step.from) : await drawn(draws, spec);
        yield [spec.name, tf.tensor(values, [...spec.shape], 'float32')];
      }
    } finally {
      await pool.dispose();
      await sources.close();
    }
  }

  private open(): Promise<AdaptSources> {
    const { encoder, decoder, expandHeads } = this.options;
    return AdaptSources.open(encoder, decoder, { expandHeads });
  }
}

async function taken(
  sources: AdaptSources,
  { heads }: AdaptStep,
  { side, name }: NonNullable<AdaptStep['from']>,
): Promise<Float32Array> {
  const stored = await sources[side].readFloat32(name);
  if (!heads) return stored;
  const [times, head] = [heads.to / heads.from, stored.length / heads.from];
  const values = new Float32Array(times * stored.length);
  for (let i = 0; i < heads.to; i++) {
    const from = Math.floor(i / times) * head;
    values.set(stored.subarray(from, from + head), i * head);
  }
  return values;
}

async function drawn(draws: Draws, spec: ParameterSpec): Promise<Float32Array> {
  const values = new Float32Array(elementCount(spec.shape));
  let at = 0;
  for await (const chunk of normalChunks(draws, spec)) {
    values.set(chunk, at);
    at += chunk.length;
  }
  return values;
}
