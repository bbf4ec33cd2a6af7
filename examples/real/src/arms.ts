/** The arms of the comparison, as data: what each is called, what it needs, and where its config names it. */
import { resolve } from 'node:path';

/** The folder of the arms' configs. */
export const CONFIGS = resolve(__dirname, '..');

/** Models by the names under which `graft model get` keeps them. */
export const MODELS = ['gemma-3-270m', 'smollm2-135m-instruct'] as const;
export type ModelName = (typeof MODELS)[number];

/** One way to a model, compared with the others at equal bytes of text and equal steps. */
export interface Arm {
  /** Also of its config, `NAME.yaml`, and of its run. */
  readonly name: string;
  /** In tables. */
  readonly title: string;
  /** The models that it needs, and the key of the config that names each. */
  readonly models: Readonly<Partial<Record<ModelName, string>>>;
  /** The models whose tokenizers the encoder and the decoder have; a decoder-only model has the decoder's. */
  readonly tokenizers: { readonly encoder?: ModelName; readonly decoder: ModelName };
  /** Keys of the config that are numbers of steps, as shares of all steps. */
  readonly steps?: Readonly<Record<string, number>>;
}

function armsOf(family: string, title: string, model: ModelName): Arm[] {
  const adapted = { models: { [model]: 'initializer.encoder' }, tokenizers: { encoder: model, decoder: model } };
  return [
    {
      name: `${family}-continued`,
      title: `${title}, decoder-only, continued`,
      models: { [model]: 'initializer.path' },
      tokenizers: { decoder: model },
    },
    { name: `${family}-scratch`, title: `${title}, from scratch`, ...adapted },
    { name: `${family}-adapted`, title: `${title}, adapted`, ...adapted },
    {
      name: `${family}-preserving`,
      title: `${title}, adapted, function preserved at first`,
      ...adapted,
      steps: { 'initializer.preserveFunction.steps': 0.5 },
    },
  ];
}

const GEMMA_ARMS = armsOf('gemma', 'Gemma 3 270M', 'gemma-3-270m');
const SMOLLM2_ARMS = armsOf('smollm2', 'SmolLM2-135M', 'smollm2-135m-instruct');
const UNBALANCED: Arm = {
  name: 'unbalanced',
  title: 'Gemma 3 270M encoder, SmolLM2-135M decoder, adapted',
  models: {
    'gemma-3-270m': 'initializer.encoder',
    'smollm2-135m-instruct': 'initializer.decoder',
  },
  tokenizers: { encoder: 'gemma-3-270m', decoder: 'smollm2-135m-instruct' },
  // The paper warms cross-attention up for 1,000 steps of a much longer training (section 3.1).
  steps: { 'train.crossAttentionWarmupSteps': 0.1 },
};

/** Every arm, in order of importance. */
export const ARMS: readonly Arm[] = [...GEMMA_ARMS, UNBALANCED, ...SMOLLM2_ARMS];

/** The arms that run if the user names none: those of Gemma where it is there, otherwise those of SmolLM2. */
export function usualArms(available: ReadonlySet<ModelName>): readonly Arm[] {
  const arms = available.has('gemma-3-270m') ? [...GEMMA_ARMS, UNBALANCED] : SMOLLM2_ARMS;
  return arms.filter((arm) => lacking(arm, available).length === 0);
}

/** Models that an arm needs and that are not there. */
export function lacking({ models }: Arm, available: ReadonlySet<ModelName>): ModelName[] {
  return (Object.keys(models) as ModelName[]).filter((name) => !available.has(name));
}

/**
 * The arms that are fine-tuned on SuperGLUE: the adapted model, of which the encoder is read, and the decoder-only one.
 */
export const isFineTuned = ({ name }: Arm): boolean => /-(adapted|continued)$/.test(name);
