import {
  inject,
  injectable,
  NormalPool,
  OPTIONS,
  pathOption,
  type Initializer,
  type Model,
  type ParameterSpec,
  type RandomStream,
} from '@graft/core';
import { tf } from '@graft/engine';
import { z } from 'zod';
import { DEFAULT_STD } from './adapt-checkpoint';
import {
  AdaptSources,
  checkPlan,
  checkSharedTable,
  CROSS_ATTENTION_CHOICES,
  normalChunks,
  planAdaptation,
  RANDOM_PARTS,
  type Draws,
} from './adapt-plan';
import { toCheckpointConfig, type EncoderDecoderConfig } from './config';
import { asGemma } from './model';
import { DECODER_ONLY_EMBEDDING } from './parameters';

export const adaptOptions = z.strictObject({
  encoder: pathOption().describe('folder of the decoder-only Gemma 2 checkpoint that becomes the encoder'),
  decoder: pathOption().optional().describe("folder of the one that becomes the decoder. Default: the encoder's"),
  crossAttention: z
    .enum(CROSS_ATTENTION_CHOICES)
    .default('auto')
    .describe("copy: the decoder's self-attention; random: normal numbers; auto: copy where widths and heads agree"),
  std: z.number().positive().default(DEFAULT_STD).describe('standard deviation of what is random'),
  random: z
    .array(z.enum(RANDOM_PARTS))
    .default([])
    .describe('parts that are not taken from the checkpoints, for ablations: encoder, decoder, embedding'),
});

/** An encoder-decoder's parameters out of one or two decoder-only checkpoints, tensor by tensor, without a folder between. */
@injectable()
export class AdaptInitializer implements Initializer {
  constructor(@inject(OPTIONS) private readonly options: z.output<typeof adaptOptions>) {}

  async checkpointConfig(): Promise<Record<string, unknown>> {
    const sources = await this.open();
    try {
      // How the new model is to be read is no property of the sources: the config's `model:` section says it.
      const { encoder_window: _window, ...config } = toCheckpointConfig(sources.config);
      return config;
    } finally {
      await sources.close();
    }
  }

  /** Throws CheckpointError or ConfigError when the sources do not make this model. */
  async *parameters(model: Model, random: RandomStream): AsyncGenerator<readonly [string, tf.Tensor]> {
    const config = asGemma(model, 'The initializer "adapt"', 'encoder-decoder').config as EncoderDecoderConfig;
    const sources = await this.open();
    const pool = new NormalPool();
    try {
      const plan = planAdaptation(config, this.options.crossAttention, model.parameters, this.options.random);
      checkPlan(plan, sources);
      if (config.tieEncoderEmbedding && sources.encoder !== sources.decoder) {
        const name = DECODER_ONLY_EMBEDDING;
        await checkSharedTable({ reader: sources.encoder, name }, { reader: sources.decoder, name });
      }
      const draws = { pool, random, std: this.options.std };
      for (const { spec, from } of plan) {
        const values = from ? await sources[from.side].readFloat32(from.name) : await drawn(draws, spec);
        yield [spec.name, tf.tensor(values, [...spec.shape], 'float32')];
      }
    } finally {
      await pool.dispose();
      await sources.close();
    }
  }

  private open(): Promise<AdaptSources> {
    return AdaptSources.open(this.options.encoder, this.options.decoder);
  }
}

async function drawn(draws: Draws, spec: ParameterSpec): Promise<Float32Array> {
  const values = new Float32Array(spec.shape.reduce((product, size) => product * size, 1));
  let at = 0;
  for await (const chunk of normalChunks(draws, spec)) {
    values.set(chunk, at);
    at += chunk.length;
  }
  return values;
}
