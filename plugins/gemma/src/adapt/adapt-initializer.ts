import {
  inject,
  injectable,
  LOGGER,
  OPTIONS,
  parseOptions,
  pathOption,
  silentLogger,
  type Initializer,
  type JsonValue,
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
import { EXPAND_HEADS_CHOICES } from './expanded-heads';
import { CROSS_ATTENTION_FORM_CHOICES } from './form';
import { RANDOM_PARTS } from './parts';
import {
  checkPlan,
  decideAdaptation,
  normalChunks,
  planAdaptation,
  type AdaptDecisions,
  type AdaptStep,
  type Draws,
} from './plan';
import { ADAPTED_SECTION, adaptedSection } from './record';
import { AdaptSources } from './sources';
import { scaledRow } from './stream-checkpoint';
import { toCheckpointConfig } from '../model/config';
import type { EncoderDecoderConfig } from '../model/config-types';
import { describePreserving } from '../model/preserving-form';
import { asGemma } from '../model/model';

/** The options of the initializer `adapt`. */
export const adaptOptions = z.strictObject({
  encoder: pathOption().describe('Folder of the decoder-only checkpoint that becomes the encoder.'),
  decoder: pathOption()
    .optional()
    .describe("Folder of the checkpoint that becomes the decoder. Default: the encoder's."),
  crossAttentionForm: z
    .enum(CROSS_ATTENTION_FORM_CHOICES)
    .default('auto')
    .describe(
      'How the decoder reads the source: `separate`, by projections of its own; `merged`, in one softmax with its own tokens, without new parameters; `auto`: `merged` for two sides of one Gemma 3 (T5Gemma 2), otherwise `separate`.',
    ),
  tieEncoderEmbedding: z
    .boolean()
    .optional()
    .describe('One embedding table for both sides and the output. Default: true for T5Gemma 2, otherwise false.'),
  preserveFunction: z
    .union([
      z.boolean(),
      z.strictObject({
        steps: z.int().min(1).describe('Steps of training in which the pair turns into its own form.'),
      }),
    ])
    .default(false)
    .describe(
      'The pair begins in the form that computes what the checkpoint does: merged attention layer by layer, and an encoder that looks back alone. true: it stays in it. For two sides of one checkpoint.',
    ),
  crossAttention: z
    .enum(CROSS_ATTENTION_CHOICES)
    .default('auto')
    .describe(
      "Initial values of separate cross-attention. `copy`: the decoder's self-attention; `random`: normal numbers; `auto`: copy where widths and heads agree.",
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
      const { names, expanded } = sources;
      const plan = planAdaptation(model.parameters, decided, this.options.random, { config, names, expanded });
      checkPlan(plan, sources);
      if (config.tieEncoderEmbedding) await sources.checkSharedTable();
      this.logger.info(announced(decided, sources));
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

  /** How the parameters were made, for the graft.json of the run's checkpoints. */
  async record(model: Model): Promise<Record<string, JsonValue>> {
    const sources = await this.open();
    try {
      const { config } = asGemma(model, 'The initializer "adapt"', 'encoder-decoder');
      const decided = decideAdaptation(config as EncoderDecoderConfig, this.options, sources);
      const { std } = this.options;
      return { [ADAPTED_SECTION]: adaptedSection(this.options, decided, sources, { std }) };
    } finally {
      await sources.close();
    }
  }

  private open(): Promise<AdaptSources> {
    return AdaptSources.open(this.options.encoder, this.options.decoder, this.options);
  }
}

/** What became of the choices, for the log. */
function announced({ crossAttention, reason, norms }: AdaptDecisions, { config, expanded }: AdaptSources): string {
  const how = { copied: "copied from the decoder's self-attention", random: 'random', merged: 'merged' }[
    crossAttention
  ];
  const { functionPreserving: form } = config;
  return [
    `Cross-attention is ${how}: ${reason}.`,
    ...(norms ? [`Its norms ${norms === 'copy' ? "begin as self-attention's" : 'begin at gain 1'}.`] : []),
    ...(expanded ? [`The encoder's ${expanded.from} key/value heads become ${expanded.to}.`] : []),
    ...(form ? [describePreserving(form)] : []),
  ].join(' ');
}

async function taken(
  sources: AdaptSources,
  { heads, row }: AdaptStep,
  { side, name: ofParameter }: NonNullable<AdaptStep['from']>,
): Promise<Float32Array> {
  const name = sources.stored(side, ofParameter);
  if (row) return scaledRow(sources[side], name, row);
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
