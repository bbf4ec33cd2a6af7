/**
 * The smallest experiment there is, for tests of the training loop: y = x·w + b is fitted to noisy points. `unused` is a
 * parameter on which the loss does not depend.
 */
import { tf } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import { z } from 'zod';
import {
  createRandom,
  defineComponent,
  definePlugin,
  type Dataset,
  type Evaluator,
  type FieldSpec,
  type HostFields,
  type Initializer,
  type JsonValue,
  type Model,
  type Objective,
  type Optimizer,
  type OptimizerState,
  type OptimizerUpdate,
  type Parameters,
  type RandomStream,
  type SpecialTokenPolicy,
  type Tracker,
} from '../src';
import { brokenTracker, FAIL_OPTIONS, failAt, isNaNItem, NAN_OPTIONS, PARAMETER_FAULTS, withFault } from './faults';

export function toyModel(width: number, policy?: SpecialTokenPolicy, outputs = 1): Model {
  return {
    kind: 'decoder-only',
    vocabularySize: 10,
    specialTokens: { pad: 0, start: 1, eos: [2], policy },
    parameters: [
      { name: 'w', shape: [width, outputs], part: 'decoder', initial: 'normal' },
      { name: 'b', shape: [outputs], part: 'decoder', initial: 'zeros' },
      { name: 'unused', shape: [2], part: 'head', initial: 'zeros' },
    ],
    checkpointConfig: { model_type: 'toy', width, ...(outputs > 1 ? { outputs } : {}) },
    forward: (parameters, { x }) => ({
      logits: tf
        .matMul(x as tf.Tensor2D, parameters.w as tf.Tensor2D)
        .add(parameters.b)
        .expandDims(0),
    }),
  };
}

/** What every run of the toy is warned of, because of `unused`. */
export const isOfUnused = (warning: string): boolean => warning.includes('parameters that train (unused)');

const ROW_FIELDS: readonly FieldSpec[] = [
  { name: 'x', dtype: 'float32', rank: 1 },
  { name: 'y', dtype: 'float32', rank: 1 },
];
const BATCH_FIELDS: readonly FieldSpec[] = ROW_FIELDS.map((field) => ({ ...field, rank: 2 }));

const DataOptions = z.strictObject({
  kind: z.enum(['examples', 'batch']).default('examples'),
  width: z.number().default(3),
  /** Rows (or batches) in one pass. */
  count: z.number().default(1000),
  repeat: z.boolean().default(true),
  ...NAN_OPTIONS,
  fields: z.array(z.string()).default(['x', 'y']),
});

/** Every item is a function of its index, so the position is the index. */
export class ToyDataset implements Dataset {
  readonly kind: 'examples' | 'batch';
  readonly fields: readonly FieldSpec[];
  private next = 0;

  constructor(private readonly options: z.output<typeof DataOptions>) {
    this.kind = options.kind;
    this.fields = (this.kind === 'batch' ? BATCH_FIELDS : ROW_FIELDS).filter(({ name }) =>
      options.fields.includes(name),
    );
  }

  position(): JsonValue {
    return { next: this.next };
  }

  async restore(position: JsonValue): Promise<void> {
    this.next = (position as { next: number }).next;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
    const { count, repeat } = this.options;
    if (repeat && this.next % count === 0) yield this.item(this.next++);
    while (this.next % count !== 0 || (!repeat && this.next < count)) yield this.item(this.next++);
  }

  private item(index: number): HostFields {
    const { width } = this.options;
    const rows = this.kind === 'batch' ? 4 : 1;
    const random = createRandom(7).fork(index);
    const x = Float32Array.from({ length: rows * width }, () => random.normal());
    const y = Float32Array.from({ length: rows }, (_, row) =>
      isNaNItem(index, this.options) ? NaN : x[row * width] - 2 * x[row * width + 1] + 0.1 * random.normal(),
    );
    const leading = this.kind === 'batch' ? [rows] : [];
    return {
      x: { dtype: 'float32', shape: [...leading, width], values: x },
      y: { dtype: 'float32', shape: [...leading, 1], values: y },
    };
  }
}

const toyObjective = (withJitter: boolean): Objective => ({
  inputFields: (kind) => (kind === 'batch' ? BATCH_FIELDS : ROW_FIELDS),
  batchFields: BATCH_FIELDS,
  prepare(source, { random }) {
    if (source.kind === 'batch') return source.batch;
    const { examples } = source;
    // Noise on the inputs: a resumed run must draw the same.
    const join = (name: 'x' | 'y', noise: number) => ({
      dtype: 'float32' as const,
      shape: [examples.length, examples[0][name].shape[0]],
      values: Float32Array.from(
        examples.flatMap((row) => [...row[name].values].map((value) => value + noise * random.normal())),
      ),
    });
    return { x: join('x', 0.01), y: join('y', 0) };
  },
  loss(model, parameters, batch, { randomKey }) {
    const { logits } = model.forward(parameters, batch);
    const error = tf.sub(logits.squeeze([0]), batch.y);
    // Stands for dropout: the loss depends on the step's key.
    const jitter = randomKey && withJitter ? tf.sum(randomKey.toFloat()).mod(7).mul(0.001) : tf.scalar(0);
    const loss: tf.Scalar = tf.mean(tf.square(error)).add(jitter);
    return {
      loss,
      weight: tf.scalar(error.size),
      metrics: { meanError: tf.mean(error) },
      sums: { rows: tf.scalar(error.shape[0]!) },
    };
  },
  countTokens: (batch) => batch.x.values.length,
});

/** Gradient descent with momentum, and a count of its updates, so that the state matters. */
class Momentum implements Optimizer {
  constructor(readonly learningRate: number) {}

  init(parameters: Parameters): OptimizerState {
    const state: OptimizerState = { 'momentum.updates': tf.scalar(0, 'int32') };
    for (const [name, parameter] of Object.entries(parameters)) state[`momentum/${name}`] = tf.zerosLike(parameter);
    return state;
  }

  update({ gradients, parameters, state, learningRate }: OptimizerUpdate): {
    parameters: Parameters;
    state: OptimizerState;
  } {
    const after: Record<string, tf.Tensor> = {};
    const kept: OptimizerState = {};
    for (const name of Object.keys(parameters).reverse()) {
      kept[`momentum/${name}`] = tf.add(tf.mul(state[`momentum/${name}`], 0.9), gradients[name]);
      after[name] = tf.sub(parameters[name], tf.mul(kept[`momentum/${name}`], learningRate));
    }
    kept['momentum.updates'] = tf.add(state['momentum.updates'], tf.scalar(1, 'int32'));
    return { parameters: after, state: kept };
  }
}

async function* randomParameters(model: Model, random: RandomStream): AsyncGenerator<[string, tf.Tensor]> {
  for (const { name, shape, initial } of [...model.parameters].reverse()) {
    const values = Float32Array.from({ length: elementCount(shape) }, () =>
      initial === 'zeros' ? 0 : random.fork(name).normal(),
    );
    yield [name, tf.tensor(values, [...shape], 'float32')];
  }
}

/** What the components of a test did, in order. */
export const events: string[] = [];

const empty = z.strictObject({});

export const toyPlugin = definePlugin({
  name: 'toy',
  components: [
    defineComponent({
      interface: 'model',
      id: 'linear',
      description: 'y = x·w + b',
      options: z.strictObject({ width: z.number().optional(), outputs: z.number().optional() }),
      useFactory: ({ options }) => ({
        build: (checkpoint, settings) =>
          toyModel(
            options.width ?? (checkpoint?.width as number | undefined) ?? 3,
            settings?.specialTokens,
            options.outputs ?? (checkpoint?.outputs as number | undefined),
          ),
      }),
    }),
    defineComponent({
      interface: 'initializer',
      id: 'random',
      description: 'small random weights',
      options: z.strictObject({ spoil: PARAMETER_FAULTS.optional() }),
      useFactory: ({ options: { spoil } }): Initializer => ({
        checkpointConfig: async () => undefined,
        parameters: (model, random) => withFault(spoil, randomParameters(model, random)),
      }),
    }),
    defineComponent({
      interface: 'objective',
      id: 'squares',
      description: 'mean squared error',
      options: z.strictObject({ jitter: z.boolean().default(true) }),
      useFactory: ({ options }) => toyObjective(options?.jitter ?? true),
    }),
    defineComponent({
      interface: 'dataset',
      id: 'points',
      description: 'noisy points',
      options: DataOptions,
      useFactory: ({ options }) => new ToyDataset(options),
    }),
    defineComponent({
      interface: 'optimizer',
      id: 'momentum',
      description: 'gradient descent with momentum',
      options: z.strictObject({ learningRate: z.number().default(0.05) }),
      useFactory: ({ options }) => new Momentum(options.learningRate),
    }),
    defineComponent({
      interface: 'schedule',
      id: 'constant',
      description: 'no schedule',
      options: empty,
      useFactory: () => ({ factor: () => 1 }),
    }),
    defineComponent({
      interface: 'schedule',
      id: 'halving',
      description: 'half the rate after each step',
      options: empty,
      useFactory: () => ({ factor: (step) => 0.5 ** step }),
    }),
    defineComponent({
      interface: 'evaluator',
      id: 'norm',
      description: 'length of w',
      options: z.strictObject(FAIL_OPTIONS),
      useFactory: ({ options }): Evaluator => ({
        async evaluate({ parameters, step }) {
          events.push(`norm ${step}`);
          failAt(step, options, 'no norm today');
          const norm = tf.tidy(() => tf.norm(parameters.w));
          const [value] = await norm.data();
          norm.dispose();
          return { norm: value };
        },
      }),
    }),
    defineComponent({
      interface: 'tracker',
      id: 'list',
      description: 'notes what it is told',
      options: empty,
      useFactory: (): Tracker => ({
        start: async ({ name }) => void events.push(`start ${name}`),
        log: (step, metrics) => void events.push(`log ${step} ${Object.keys(metrics).join(' ')}`),
        finish: async (status) => void events.push(`finish ${status}`),
      }),
    }),
    brokenTracker,
    defineComponent({
      interface: 'callback',
      id: 'watch',
      description: 'notes when it is called',
      options: z.strictObject(FAIL_OPTIONS),
      useFactory: ({ options }) => ({
        onStart: () => void events.push('onStart'),
        onStep: ({ step, parameters }) => {
          events.push(`onStep ${step} ${Object.keys(parameters).join(' ')}`);
          failAt(step, options, 'enough');
        },
        onEnd: ({ status }) => void events.push(`onEnd ${status}`),
      }),
    }),
  ],
});

/** A config for `loadConfig({ value })`. */
export function toyConfig(runs: string, sections: Record<string, unknown> = {}): Record<string, unknown> {
  const { train, ...others } = sections;
  return {
    name: 'toy',
    engine: 'portable',
    model: { use: 'linear', width: 3 },
    initializer: { use: 'random' },
    objective: { use: 'squares' },
    dataset: { use: 'points' },
    optimizer: { use: 'momentum' },
    train: { steps: 10, batchSize: 4, ...(train as object | undefined) },
    runs,
    ...others,
  };
}
