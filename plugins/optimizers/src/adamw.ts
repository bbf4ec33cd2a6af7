import {
  defineComponent,
  type Optimizer,
  type OptimizerState,
  type OptimizerUpdate,
  type Parameters,
} from '@graft/core';
import { z } from 'zod';
import { initAdamW, updateAdamW, type AdamWSettings } from './adamw-update';
import { matchesName } from './match-name';

const decayRate = z.number().min(0).lt(1);

export const adamwOptions = z.strictObject({
  /** Base learning rate; a schedule scales it by step. */
  learningRate: z.number().positive(),
  /** Decay rates of the first and second moment. */
  betas: z.tuple([decayRate, decayRate]).default([0.9, 0.999]),
  /** Added to the root of the corrected second moment. */
  epsilon: z.number().positive().default(1e-8),
  /** Decoupled weight decay: each step takes learningRate * weightDecay of a parameter away. */
  weightDecay: z.number().min(0).default(0),
  /** Norms and other vectors (tensors of rank 1) do not decay unless this is true. */
  decayVectors: z.boolean().default(false),
  /** Names of more parameters that do not decay; `*` stands for any text, as in `*embed_tokens*`. */
  noDecay: z.array(z.string().min(1)).default([]),
  /** Global norm that gradients are scaled down to. Default: no clipping. */
  clipNorm: z.number().positive().optional(),
});

export type AdamWOptions = z.output<typeof adamwOptions>;

/** AdamW, exactly as torch.optim.AdamW computes it. Its state is `adamw.m/<parameter>` and `adamw.v/<parameter>`. */
export class AdamW implements Optimizer {
  readonly learningRate: number;
  private readonly settings: AdamWSettings;

  constructor(options: AdamWOptions) {
    const { learningRate, decayVectors, noDecay, ...settings } = options;
    this.learningRate = learningRate;
    this.settings = {
      ...settings,
      decays: (name, shape) =>
        (decayVectors || shape.length !== 1) && !noDecay.some((pattern) => matchesName(name, pattern)),
    };
  }

  init(parameters: Parameters): OptimizerState {
    return initAdamW(parameters);
  }

  update(update: OptimizerUpdate): { parameters: Parameters; state: OptimizerState } {
    return updateAdamW(update, this.settings);
  }
}

export const adamw = defineComponent({
  interface: 'optimizer',
  id: 'adamw',
  description: 'Adam with decoupled weight decay and clipping by global norm',
  options: adamwOptions,
  useFactory: ({ options }) => new AdamW(options),
});
