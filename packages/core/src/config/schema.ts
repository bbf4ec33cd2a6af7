import type { EngineError, EngineMode, EngineTarget } from '@graft/engine';
import { chooseTarget, ENGINE_DEVICES, ENGINE_MODES, ENGINE_TARGETS } from '@graft/engine/internal';
import { z } from 'zod';
import type { ComponentInput, ComponentSpec } from '../interfaces';
import { LoraSection } from './lora-section';
import { pathOption } from './options';

const count = (): z.ZodNumber => z.number().int().nonnegative();

/** Core's own keys; component sections are checked with the schemas of their components. */
export const EngineSection = z
  .strictObject({
    target: z
      .enum(ENGINE_TARGETS)
      .default('auto')
      .describe('where programs run; auto: an installed accelerator, otherwise TensorFlow, otherwise portable'),
    device: z
      .enum(ENGINE_DEVICES)
      .optional()
      .describe('kind of device; any but cpu implies the target pjrt. Default: the one that the target has'),
    mode: z
      .enum(ENGINE_MODES)
      .default('auto')
      .describe("TensorFlow's executor, by default the one for the precision; it can also name a target"),
    require: z
      .boolean()
      .optional()
      .describe('auto fails where it would use something slower than what should be there. Default: false'),
    plugin: pathOption()
      .optional()
      .describe('shared library of a PJRT plugin. Default: GRAFT_PJRT_PLUGIN, then what is installed'),
    memoryFraction: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .describe("share of a GPU's memory that Graft may take. Default: 0.94 on cuda"),
    preallocate: z.boolean().optional().describe('whether that share is taken at once. Default: true'),
    libraryPath: pathOption().optional().describe('folder of the native libraries'),
    threads: z.number().int().positive().optional().describe('threads for one operation. Default: the number of cores'),
    compileCache: z
      .boolean()
      .optional()
      .describe('keep what XLA compiles for later runs. Default: false on CPUs, true on accelerators'),
  })
  .superRefine((section, context) => {
    try {
      chooseTarget(section);
    } catch (error) {
      const { message, hint } = error as EngineError;
      context.addIssue({ code: 'custom', message: [message, hint].filter(Boolean).join(' ') });
    }
  });

const factor = (): z.ZodNumber => z.number().nonnegative();

export const ParameterGroupSection = z
  .strictObject({
    names: z.array(z.string().min(1)).min(1).optional().describe('parameters by name; `*` stands for any text'),
    parts: z
      .array(z.enum(['encoder', 'decoder', 'cross-attention', 'embedding', 'head']))
      .min(1)
      .optional()
      .describe('parameters by part of the model'),
    learningRateFactor: factor().optional().describe('what their learning rate is multiplied by. Default: 1'),
    weightDecayFactor: factor().optional().describe('what their weight decay is multiplied by. Default: 1'),
    fromStep: count().optional().describe('steps at the start in which they stay as they are'),
    untilStep: count().optional().describe('step from which on they stay as they are; 0: never trained'),
  })
  .refine(({ names, parts }) => names !== undefined || parts !== undefined, 'expected names, parts, or both')
  .refine(
    ({ fromStep = 0, untilStep = Infinity }) => untilStep === 0 || fromStep < untilStep,
    'expected fromStep below untilStep; untilStep: 0 freezes for good',
  );

const rule = (): z.ZodLiteral<'auto' | boolean> => z.literal(['auto', true, false]);

const SideSection = z.strictObject({
  bos: rule().optional().describe('the start token in front of what this side reads'),
  eos: rule().optional().describe('the end token behind it; auto: as the data set says (`appendEos`)'),
});

/**
 * The config's section `specialTokens`. Omitted keys are inherited from the checkpoint, and are `auto` if it does not
 * set them.
 */
export const SpecialTokensSection = z.strictObject({
  ...SideSection.shape,
  encoder: SideSection.optional().describe('of the encoder: sources'),
  decoder: SideSection.optional().describe('of the decoder, or of a decoder-only model: targets, texts, prompts'),
  teacher: z
    .strictObject({ bos: rule().optional().describe('the start token in front of what the teacher reads') })
    .optional()
    .describe("of a teacher's input. auto: the teacher's own policy"),
});

export type SpecialTokensSection = z.output<typeof SpecialTokensSection>;

export const LoaderSection = z.strictObject({
  threads: count().default(1).describe('threads that read and tokenise; 0: the one that trains, while a step computes'),
  batchesAhead: z.number().int().positive().default(2).describe('batches that the threads make before they are wanted'),
  warnAfterSeconds: z
    .number()
    .nonnegative()
    .default(60)
    .describe('seconds without an item after which a dataset is named in the log; 0: never'),
});

const axisSize = (): z.ZodOptional<z.ZodNumber> => z.number().int().positive().optional();

const MeshSection = z
  .strictObject({
    data: axisSize().describe('devices that each compute a part of every batch'),
    fsdp: axisSize().describe('the same, and over which train.sharding: fully-sharded splits parameters'),
    model: axisSize().describe('devices over which the matrices of a layer are split'),
  })
  .refine((axes) => Object.values(axes).some((size) => size !== undefined), 'expected at least one axis');

const ShardingSection = z.union([
  z.enum(['replicated', 'fully-sharded', 'tensor']),
  z.strictObject({
    rules: z
      .array(
        z.strictObject({
          names: z.array(z.string().min(1)).min(1).describe('parameters by name; `*` stands for any text'),
          split: z
            .array(z.union([z.string(), z.array(z.string()).min(1), z.null()]))
            .describe('for each dimension: an axis, a list of axes, or null'),
        }),
      )
      .describe('the first that matches a parameter counts; the others are whole on each device'),
  }),
]);

const watched = {
  metric: z
    .string()
    .regex(/^[^/]+\/.+$/, 'expected EVALUATOR/METRIC, such as loss/loss')
    .describe('evaluator and metric, as the log and reports name them: `loss/bitsPerByte`'),
  better: z.enum(['less', 'more']).describe('which of two values is better: the smaller or the larger one'),
};

const KeepBestSection = z.strictObject(watched);

const StopWhenSection = z
  .strictObject({
    ...watched,
    patience: z
      .number()
      .int()
      .positive()
      .optional()
      .describe('evaluations in a row without improvement, after which training ends. Default: any number'),
    minDelta: z
      .number()
      .nonnegative()
      .optional()
      .describe('by how much a value must be better than the best one to be an improvement. Default: 0'),
    reaches: z.number().optional().describe('value at which the metric is good enough to end. Default: none'),
  })
  .refine(
    ({ patience, reaches }) => patience !== undefined || reaches !== undefined,
    'expected patience, reaches, or both',
  )
  .refine(({ patience, minDelta }) => patience !== undefined || minDelta === undefined, {
    path: ['minDelta'],
    error: 'belongs to patience',
  });

/** The keys of `train` that each say how long to train. */
const LENGTHS = ['steps', 'tokens', 'epochs'] as const;

/** What a run's config.json keeps of `tokens` or `epochs`, which have become `steps`. */
const StepsFromSection = z.strictObject({
  tokens: z.number().positive().optional().describe('train.tokens, as the config gave it'),
  epochs: z.number().positive().optional().describe('train.epochs, as the config gave it'),
  steps: z.number().int().positive().describe('the steps that it was; with other train.steps this section is dropped'),
});

const lengthsIn = (train: Readonly<Partial<Record<(typeof LENGTHS)[number], unknown>>>): readonly string[] =>
  LENGTHS.filter((key) => train[key] !== undefined && train[key] !== null);

export const TrainSection = z
  .strictObject({
    steps: z.number().int().positive().optional().describe('optimizer steps in all; or give tokens or epochs'),
    tokens: z
      .number()
      .positive()
      .optional()
      .describe(
        'in place of steps: tokens in all, as tokensPerSecond counts them; the first batches say how many a step has',
      ),
    epochs: z
      .number()
      .positive()
      .optional()
      .describe('in place of steps: passes over the training data, whose number of examples must be known'),
    stepsFrom: StepsFromSection.optional().describe(
      'written by Graft into config.json of a run: the tokens or epochs from which steps was computed',
    ),
    batchSize: z.number().int().positive().default(8).describe('examples a step; ready batches bring their own size'),
    microBatches: z
      .number()
      .int()
      .positive()
      .default(1)
      .describe('parts in which a batch is computed, one after the other: less memory, the same result'),
    precision: z.enum(['float32', 'bfloat16']).default('float32').describe('operands of matrix multiplications'),
    parameterDtype: z
      .enum(['float32', 'bfloat16'])
      .optional()
      .describe(
        'dtype of the matrices that a step reads, in memory and in checkpoints; bfloat16 halves their bytes. Default: float32',
      ),
    masterWeights: z
      .enum(['float32', 'none'])
      .optional()
      .describe(
        'with bfloat16 parameters: the copy that the optimizer updates; none: it updates the parameters themselves, rounded stochastically. Default: float32',
      ),
    checkpointEvery: count().default(0).describe('steps between checkpoints; 0: only at the end'),
    keepCheckpoints: z.number().int().positive().default(2).describe('newest checkpoints kept'),
    keepBest: KeepBestSection.optional().describe(
      'the checkpoint with the best value of a metric is kept beside the newest ones, and linked as `best`',
    ),
    stopWhen: StopWhenSection.optional().describe('ends training before its last step, by a metric'),
    crossAttentionWarmupSteps: count()
      .default(0)
      .describe(
        'steps at the start in which only cross-attention trains (paper, section 3.1: 1000 for unbalanced pairs)',
      ),
    lora: LoraSection.optional().describe(
      'trains low-rank pairs of the matrices of linear layers, and leaves everything else frozen. Default: all parameters train',
    ),
    groups: z
      .array(ParameterGroupSection)
      .default([])
      .describe('rates and freezing by parameter; the first that fits counts'),
    averageDecay: z
      .number()
      .gt(0)
      .lt(1)
      .optional()
      .describe('decay of an exponential moving average of the parameters, which is evaluated and saved beside them'),
    shardOptimizer: z
      .boolean()
      .default(false)
      .describe('with several workers: each keeps the optimizer state of a share of the parameters, and updates those'),
    mesh: MeshSection.optional().describe(
      'devices of the engine pjrt that train together, as a grid: the product of its axes. Default: one device',
    ),
    sharding: ShardingSection.optional().describe(
      'how parameters, their gradients and optimizer state are split over the mesh. Default: fully-sharded if it has an axis fsdp, tensor if it has model, otherwise replicated',
    ),
    nonFinite: z
      .enum(['stop', 'skip'])
      .default('stop')
      .describe('what happens at a loss or gradient that is not a number'),
    explodingLossFactor: factor()
      .default(10)
      .describe('a loss of so many times that of guessing (or the first one, if higher) stops the run; 0: never'),
    loader: LoaderSection.prefault({}).describe('how batches are read'),
    logEvery: z.number().int().positive().default(10).describe('steps between log lines where there is no terminal'),
  })
  .refine((train) => lengthsIn(train).length === 1, {
    error: ({ input }) => {
      const [first, ...more] = lengthsIn(input as object);
      const got =
        more.length > 0 ? `${[first, ...more].join(' and ')}; ${first}: null removes an inherited one` : 'none';
      return `expected exactly one of ${LENGTHS.join(', ')}, got ${got}`;
    },
  })
  .refine(({ parameterDtype, masterWeights }) => masterWeights === undefined || parameterDtype === 'bfloat16', {
    path: ['masterWeights'],
    error: 'expected parameterDtype: bfloat16 beside it',
  });

/** The sections that each name one component. */
export const COMPONENT_SECTIONS = ['model', 'initializer', 'objective', 'dataset', 'optimizer', 'schedule'] as const;
export type ComponentSection = (typeof COMPONENT_SECTIONS)[number];

export const PlainSections = {
  name: z.string().regex(/^[\w][\w.-]*$/, 'expected letters, digits, ".", "_" and "-"'),
  seed: z.number().int().default(0),
  specialTokens: SpecialTokensSection.optional(),
  train: TrainSection,
  runs: pathOption().default('runs'),
};

/** Core's own keys in a section of `evaluators`. */
export const EvaluatorKeys = z.object({
  name: z.string().min(1).optional().describe("prefix of its numbers; default: the component's id"),
  every: count().default(0).describe('steps between evaluations; 0: only at the end'),
});

/** An evaluator as a config names it. */
export interface EvaluatorSection {
  /** Prefix of its metrics. Default: the component's id. */
  readonly name: string;
  /** Steps between evaluations; 0: only at the end. */
  readonly every: number;
  readonly component: ComponentSpec;
}

/** A config with every default filled and every path absolute. JSON-able, and loadable as a config again. */
export interface ExperimentConfig {
  readonly name: string;
  readonly seed: number;
  readonly plugins: readonly string[];
  readonly engine: z.output<typeof EngineSection>;
  readonly model: ComponentSpec;
  /** Undefined: the checkpoint's policy. */
  readonly specialTokens?: SpecialTokensSection;
  readonly initializer: ComponentSpec;
  readonly objective: ComponentSpec;
  readonly dataset: ComponentSpec;
  readonly optimizer: ComponentSpec;
  readonly schedule: ComponentSpec;
  readonly evaluators: readonly ComponentSpec[];
  readonly trackers: readonly ComponentSpec[];
  readonly callbacks: readonly ComponentSpec[];
  readonly train: z.output<typeof TrainSection>;
  readonly runs: string;
}

/** An experiment whose number of steps is known: `tokens` and `epochs` have become `steps`. */
export type TrainingConfig = Omit<ExperimentConfig, 'train'> & {
  readonly train: Omit<ExperimentConfig['train'], 'steps' | 'tokens' | 'epochs'> & { readonly steps: number };
};

/** Sections that only training needs; an evaluation checks and keeps those that it finds. */
export const TRAINING_SECTIONS = ['objective', 'dataset', 'optimizer', 'schedule', 'train'] as const;

/** A config of which only the model, its parameters and the evaluators are used. */
export type EvaluationConfig = Omit<ExperimentConfig, (typeof TRAINING_SECTIONS)[number]> &
  Partial<Pick<ExperimentConfig, (typeof TRAINING_SECTIONS)[number]>>;

export const TOP_LEVEL_KEYS = [
  'name',
  'seed',
  'plugins',
  'engine',
  ...COMPONENT_SECTIONS,
  'specialTokens',
  'evaluators',
  'trackers',
  'callbacks',
  'train',
  'runs',
  'versions',
] as const;

/**
 * The type of a written config; every section is checked when it is loaded. For `export default defineExperiment({ …
 * })`.
 */
export interface ExperimentInput {
  extends?: string | readonly string[];
  name?: string;
  seed?: number;
  plugins?: readonly unknown[];
  engine?: z.input<typeof EngineSection> | EngineMode | EngineTarget;
  model?: ModelInput;
  specialTokens?: SpecialTokensSection;
  initializer?: ComponentInput<'initializer'>;
  objective?: ComponentInput<'objective'>;
  dataset?: ComponentInput<'dataset'>;
  optimizer?: ComponentInput<'optimizer'>;
  schedule?: ComponentInput<'schedule'>;
  evaluators?: readonly ComponentInput<'evaluator', z.input<typeof EvaluatorKeys>>[];
  trackers?: readonly ComponentInput<'tracker'>[];
  callbacks?: readonly ComponentInput<'callback'>[];
  train?: z.input<typeof TrainSection> | Partial<z.input<typeof TrainSection>>;
  runs?: string;
}

/** `use` is optional while there is only one family, so options alone are a section. */
type ModelInput =
  ComponentInput<'model'> extends infer Input
    ? ComponentSpec extends Input
      ? Readonly<Record<string, unknown>> | string
      : Input
    : never;

/**
 * Gives a TypeScript config its types: those of core's sections, and those of the components and their options that
 * `graft plugins --types` has written.
 */
export function defineExperiment(experiment: ExperimentInput): ExperimentInput {
  return experiment;
}
