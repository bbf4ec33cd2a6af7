import { resolve } from 'node:path';

export const CONFIGS = resolve(__dirname, '..');

export interface Stage {
  readonly config: string;
  /** Description for the log. */
  readonly story: string;
  /** Options of the config that name another stage's last checkpoint. */
  readonly takes?: Readonly<Record<string, StageName>>;
  /** The model's name in tables. */
  readonly title: string;
  /** Left out of the comparison of held-out losses, because it has another task. */
  readonly prepares?: true;
}

export type StageName = keyof typeof STAGES;

/** The training stages by the name that their configs give them, in order. */
export const STAGES = {
  pretrain: {
    config: 'pretrain.yaml',
    story: 'a decoder-only Gemma learns to continue a text',
    title: 'decoder-only',
    prepares: true,
  },
  'pretrain-small': {
    config: 'pretrain-small.yaml',
    story: 'so does a smaller one',
    title: 'small decoder-only',
    prepares: true,
  },
  adapted: {
    config: 'prefix-lm.yaml',
    story: 'the first becomes encoder and decoder, and learns to continue what the encoder read (PrefixLM)',
    takes: { 'initializer.encoder': 'pretrain' },
    title: 'adapted',
  },
  unbalanced: {
    config: 'unbalanced.yaml',
    story: 'the large one becomes the encoder of the small one; at first their cross-attention trains alone',
    takes: { 'initializer.encoder': 'pretrain', 'initializer.decoder': 'pretrain-small' },
    title: 'unbalanced',
  },
  ul2: {
    config: 'ul2.yaml',
    story: 'the balanced pair once more, with UL2 for its objective',
    takes: { 'initializer.encoder': 'pretrain' },
    title: 'UL2',
  },
  scratch: {
    config: 'scratch.yaml',
    story: 'an encoder-decoder of the balanced size learns the same from random numbers',
    title: 'from scratch',
  },
} as const satisfies Record<string, Omit<Stage, 'takes'> & { takes?: Readonly<Record<string, string>> }>;

export const STAGE_NAMES = Object.keys(STAGES) as StageName[];

export const SUPERGLUE_CONFIG = 'superglue.yaml';
/**
 * The stages whose models are fine-tuned on the synthetic tasks. These are too easy to separate good encoders from
 * better ones, so one is enough.
 */
export const SUPERGLUE_STAGES = ['adapted'] as const satisfies StageName[];
export const MADE_ROWS = { seed: 0, trainRows: 240, valRows: 80 };

/**
 * Without native code a step takes a hundred times as long: smaller models and fewer steps, or the quickstart would
 * take too long.
 */
export function portableOverrides(stage: StageName): string[] {
  const data = ['dataset.lengthTokens=64', 'evaluators.0.dataset.lengthTokens=64', 'train.batchSize=4'];
  const pace = ['evaluators.0.every=25', 'evaluators.0.batches=4', 'schedule.warmupSteps=5', 'train.logEvery=25'];
  const size = ['layers=2', 'hidden=64', 'feedForward=128', 'heads=2', 'keyValueHeads=1'];
  const isNew = !('takes' in STAGES[stage]);
  const steps = { pretrain: 100, 'pretrain-small': 50 }[stage as string] ?? 25;
  return [
    ...data,
    ...pace,
    ...(isNew ? size.map((option) => `model.decoder.${option}`) : []),
    ...(stage === 'pretrain-small' ? ['model.decoder.layers=1'] : []),
    ...(stage === 'unbalanced' ? ['train.crossAttentionWarmupSteps=5'] : []),
    `train.steps=${steps}`,
  ];
}

export const PORTABLE_SUPERGLUE = ['evaluators.0.tasks=["rte"]', 'evaluators.0.maxSteps=20'];
