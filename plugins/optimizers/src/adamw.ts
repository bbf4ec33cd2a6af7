import {
  defineComponent,
  parseOptions,
  type Optimizer,
  type OptimizerState,
  type OptimizerUpdate,
  type Parameters,
} from '@graft/core';
import type { TensorSpec } from '@graft/engine';
import { z } from 'zod';
import { initAdamW, momentsOf, updateAdamW, type AdamWSettings } from './adamw-update';
import { commonOptions, decayRate, decaysBy } from './common';
import { momentsOption } from './moments';

/** The options of the optimizer `adamw`. */
export const adamwOptions = z.strictObject({
  ...commonOptions,
  betas: z.tuple([decayRate, decayRate]).default([0.9, 0.999]).describe('Decay rates of the first and second moment.'),
  epsilon: z.number().positive().default(1e-8).describe('Added to the root of the corrected second moment.'),
  moments: momentsOption,
});

/** What a config or code may write. */
export type AdamWOptions = z.input<typeof adamwOptions>;
/** The same with every default filled in. */
export type ResolvedAdamWOptions = z.output<typeof adamwOptions>;

/**
 * AdamW, exactly as torch.optim.AdamW computes it. Its state is `adamw.m/<parameter>` and `adamw.v/<parameter>`; with 8-bit
 * moments also the scales of their blocks, `adamw.m.scale/<parameter>` and `adamw.v.scale/<parameter>`.
 */
export class AdamW implements Optimizer {
  readonly learningRate: number;
  readonly drawsRandom: boolean;
  private readonly settings: AdamWSettings;

  constructor(options: AdamWOptions) {
    const { learningRate, decayVectors, noDecay, ...settings } = parseOptions(adamwOptions, options, 'AdamW');
    this.learningRate = learningRate;
    this.drawsRandom = (settings.moments ?? 'float32') !== 'float32';
    this.settings = { ...settings, decays: decaysBy({ decayVectors, noDecay }) };
  }

  init(parameters: Parameters): OptimizerState {
    return initAdamW(parameters, this.settings);
  }

  stateOf(name: string, shape: readonly number[]): TensorSpec[] {
    return momentsOf(this.settings).flatMap((moment) => Object.values(moment.specs(name, shape)));
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
