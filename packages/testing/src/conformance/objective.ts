import {
  checkFields,
  createRandom,
  FIELDS,
  IGNORED_LABEL,
  uploadBatch,
  type HostFields,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type TokenizerFacts,
} from '@graft/core';
import { describeLost } from '@graft/core/internal';
import { tf, valueAndGradients } from '@graft/engine';
import { check, type Broken, type Check, type Make } from '../check';
import { openStrictEngine } from '../engine/strict-engine';
import { toyExamples } from '../toys/dataset';
import { randomParameters, toyModel } from '../toys/model';
import { ToyTokenizer } from '../toys/tokenizer';
import { copyFields, fieldsDifference, tensorCount } from '../values';

/** What an objective is tested with. */
export interface ObjectiveOptions {
  /** A model of the kind that it trains. Default: the toy model of `modelKind`, or an encoder-decoder. */
  readonly model?: Make<Model>;
  /** Its parameters. Default: random ones. */
  readonly parameters?: (model: Model) => Parameters;
  /** What it is given. Default: four toy examples with the fields that it asks for. */
  readonly source?: Make<ObjectiveSource>;
  /** Facts about the ids. Default: those of `ToyTokenizer`. */
  readonly tokenizer?: TokenizerFacts;
  /** Steps for which batches are made, for objectives that alternate between variants. Default: 0 and 1. */
  readonly steps?: readonly number[];
  /** Whether labels are the decoder's inputs one position later. Default true; not checked of packed rows. */
  readonly predictsNext?: boolean;
}

interface Prepared {
  readonly objective: Objective;
  readonly model: Model;
  readonly source: ObjectiveSource;
  readonly context: ObjectiveContext;
  readonly batch: HostFields;
}

/**
 * Checks of an Objective: batches as declared, made from the random stream alone and shifted once, and a loss that is finite,
 * differentiable, and compiled.
 */
export function objective(make: Make<Objective>, options: ObjectiveOptions = {}): readonly Check[] {
  const { parameters: makeParameters = randomParameters, tokenizer = new ToyTokenizer(), steps = [0, 1] } = options;

  const open = async (step: number): Promise<Omit<Prepared, 'batch'>> => {
    const made = await make();
    const model = await (options.model?.() ?? toyModel({ kind: made.modelKind }));
    made.settle?.({ model, tokenizer });
    const random = createRandom(3).fork(step);
    const variant = made.variantAt?.(step, random.fork('variant'));
    const source = await (options.source?.() ?? toySource(made, variant));
    return { objective: made, model, source, context: { step, variant, random, model, tokenizer } };
  };
  const prepare = async (step: number): Promise<Prepared> => {
    const opened = await open(step);
    return { ...opened, batch: opened.objective.prepare(opened.source, fresh(opened.context)) };
  };
  const eachStep = async (use: (prepared: Prepared, step: number) => Promise<void> | void): Promise<void> => {
    for (const step of steps) {
      const prepared = await prepare(step);
      try {
        await use(prepared, step);
      } finally {
        prepared.objective.dispose?.();
      }
    }
  };

  return [
    check(
      'objective',
      'batchFields',
      'a batch has the declared fields and no others, with dtype and rank',
      async (broken) => {
        await eachStep(({ objective: made, batch }) => {
          checkFields(batch, made.batchFields, 'The batch');
          const extra = Object.keys(batch).find(
            (name) => batch[name] && !made.batchFields.some((field) => field.name === name),
          );
          if (extra !== undefined) broken(`the batch has the field "${extra}", which is not declared.`);
        });
      },
    ),
    check('objective', 'inputFields', 'its source has the fields that it asks for', async (broken) => {
      for (const step of steps) {
        const { objective: made, source, context } = await open(step);
        const fields = made.inputFields(source.kind, context.variant);
        if (!fields) return broken(`it does not support a source of kind "${source.kind}".`);
        const items = source.kind === 'examples' ? source.examples : [source.batch];
        items.forEach((item, i) => checkFields(item, fields, `Example ${i} of the test`));
        made.dispose?.();
      }
    }),
    check('objective', 'prepare', 'a batch depends only on the examples and the random stream', async (broken) => {
      const own = Math.random;
      for (const step of steps) {
        const [first, second] = [await open(step), await open(step)];
        try {
          Math.random = () => broken('prepare called Math.random; draws come from context.random.');
          const batch = first.objective.prepare(first.source, fresh(first.context));
          const pairs = { 'the second time': first, 'from a new objective': second };
          for (const [when, { objective: made, source, context }] of Object.entries(pairs)) {
            const difference = fieldsDifference(batch, made.prepare(source, fresh(context)));
            if (difference !== undefined) broken(`the batch of step ${step} differs ${when}: ${difference}.`);
          }
        } finally {
          Math.random = own;
          for (const { objective: made } of [first, second]) made.dispose?.();
        }
      }
    }),
    check('objective', 'prepare', 'preparing a batch leaves the examples unchanged', async (broken) => {
      const { objective: made, source, context } = await open(steps[0]);
      const items = source.kind === 'examples' ? source.examples : [source.batch];
      const before = items.map(copyFields);
      made.prepare(source, fresh(context));
      items.forEach((item, i) => {
        const difference = fieldsDifference(before[i], item);
        if (difference !== undefined) broken(`example ${i} was changed: ${difference}.`);
      });
      made.dispose?.();
    }),
    check('objective', 'prepare', 'an example has the same labels in a slice of the batch', async (broken) => {
      const { objective: made, source, context } = await open(steps[0]);
      if (source.kind !== 'examples' || source.examples.length < 2) return;
      const whole = labelsOf(made.prepare(source, fresh(context)));
      const at = Math.floor(source.examples.length / 2);
      const slice = { kind: 'examples', examples: source.examples.slice(at) } as const;
      const part = labelsOf(made.prepare(slice, { ...fresh(context), firstExample: at, partOfBatch: true }));
      made.dispose?.();
      // Of rows that are not examples, nothing can be compared.
      if (whole?.length !== source.examples.length || part?.length !== slice.examples.length) return;
      part.forEach((labels, i) => {
        if (labels.join() !== whole[at + i].join())
          broken(`example ${at + i} has the labels ${labels.join(' ')} in a slice, but ${whole[at + i].join(' ')}.`);
      });
    }),
    check('objective', 'prepare', 'labels are the inputs of the decoder one position later', async (broken) => {
      if (options.predictsNext === false) return;
      await eachStep(({ model, batch }) => checkShift(model, batch, broken));
    }),
    check('objective', 'prepare', 'a ready batch in which every label is ignored is an error', async (broken) => {
      await eachStep(({ objective: made, batch, context }) => {
        const fields = made.inputFields('batch', context.variant);
        const { labels } = batch;
        if (!labels || !fields?.some(({ name }) => name === FIELDS.labels)) return;
        const ignored = { ...labels, values: Int32Array.from(labels.values, () => IGNORED_LABEL) };
        const ready = { kind: 'batch', batch: { ...copyFields(batch), labels: ignored } } as const;
        try {
          made.prepare(ready, fresh(context));
        } catch {
          return;
        }
        broken('prepare returned a batch without a label that counts.');
      });
    }),
    check(
      'objective',
      'loss',
      'the loss is a finite float32 scalar with gradients, also when compiled',
      async (broken) => {
        const engine = await openStrictEngine();
        await eachStep(async ({ objective: made, model, batch, context: { variant } }) => {
          const parameters = makeParameters(model);
          const tensors = uploadBatch(batch);
          const loss = engine.jit(
            (given: Parameters, fields: typeof tensors, key: tf.Tensor) => {
              const result = valueAndGradients((own) => {
                const {
                  loss: value,
                  weight,
                  metrics = {},
                  sums = {},
                } = made.loss(model, own, fields, {
                  training: true,
                  randomKey: key,
                  variant,
                });
                return { loss: value, auxiliary: { ...metrics, ...sums, ...(weight && { weight }) } };
              }, given);
              return { ...result, norm: tf.addN(Object.values(result.gradients).map((g) => tf.sum(tf.abs(g)))) };
            },
            { name: 'loss' },
          );
          const key = tf.tensor1d([1, 2], 'int32');
          const before = tensorCount();
          const result = loss(parameters, tensors, key);
          try {
            const scalars: Record<string, tf.Tensor> = { loss: result.loss, ...result.auxiliary };
            for (const [name, tensor] of Object.entries(scalars)) {
              if (tensor.rank !== 0) broken(`"${name}" has shape [${tensor.shape.join(', ')}], but is to be a scalar.`);
              if (!Number.isFinite(tensor.dataSync()[0])) broken(`"${name}" is ${tensor.dataSync()[0]}.`);
            }
            if (result.loss.dtype !== 'float32') broken(`the loss is ${result.loss.dtype}.`);
            const [norm] = result.norm.dataSync();
            if (!Number.isFinite(norm) || norm === 0) broken(`the sum of all gradients is ${norm}.`);
            const weight = scalars.weight?.dataSync()[0] ?? 1;
            if (weight <= 0) broken(`the weight of the loss is ${weight}.`);
          } finally {
            tf.dispose(result as unknown as tf.TensorContainer);
          }
          const left = tensorCount() - before;
          tf.dispose([parameters, tensors, key] as tf.TensorContainer);
          loss.dispose();
          if (left !== 0) broken(`a call left ${left} tensors.`);
        });
      },
    ),
    check(
      'objective',
      'loss',
      'the loss can be evaluated without training and without a random key',
      async (broken) => {
        await eachStep(({ objective: made, model, batch, context: { variant } }) => {
          const value = tf.tidy(() => {
            const fields = uploadBatch(batch);
            return made.loss(model, makeParameters(model), fields, { training: false, variant }).loss.dataSync()[0];
          });
          if (!Number.isFinite(value)) broken(`it is ${value}.`);
        });
      },
    ),
    check(
      'objective',
      'countTokens',
      'a batch has a positive number of tokens, and at most all positions',
      async (broken) => {
        await eachStep(({ objective: made, batch, context }) => {
          const count = made.countTokens?.(batch, context.variant);
          if (count === undefined) return;
          const positions = Object.values(batch).reduce((sum, { values }) => sum + values.length, 0);
          if (!Number.isInteger(count) || count <= 0 || count > positions)
            broken(`countTokens returned ${count} of a batch with ${positions} numbers.`);
        });
      },
    ),
    check('objective', 'variantAt', 'the variant of a step depends only on the step and the stream', async (broken) => {
      const [first, second] = [await make(), await make()];
      if (!first.variantAt) return;
      const { variants } = first;
      const at = (made: Objective, step: number): string | undefined =>
        made.variantAt!(step, createRandom(3).fork(step));
      const forward = Array.from({ length: 20 }, (_, step) => at(first, step));
      for (let step = 19; step >= 0; step--) {
        const variant = at(second, step);
        if (variant !== forward[step]) broken(`step ${step} has "${forward[step]}", and later "${variant}".`);
        const known = variants?.some((name) => name === variant || variant?.startsWith(`${name}/`)) ?? true;
        if (variant !== undefined && !known) broken(`step ${step} has "${variant}", which variants does not list.`);
      }
    }),
    check('objective', 'settle', 'its choices are sentences and a record of plain JSON', async (broken) => {
      const made = await make();
      const model = await (options.model?.() ?? toyModel({ kind: made.modelKind }));
      const settled = made.settle?.({ model, tokenizer });
      if (!settled) return;
      for (const text of [...settled.notes, ...settled.warnings])
        if (typeof text !== 'string') broken(`a note is ${typeof text}.`);
      const problem = describeLost(settled.record);
      if (problem !== undefined) broken(`record ${problem}.`);
      made.dispose?.();
    }),
  ];
}

/** The same context with a stream from which nothing has been drawn. */
const fresh = (context: ObjectiveContext): ObjectiveContext => ({ ...context, random: context.random.restarted() });

async function toySource(made: Objective, variant: string | undefined): Promise<ObjectiveSource> {
  const fields = made.inputFields('examples', variant);
  if (!fields) throw new Error('it takes ready batches alone, so the test has to pass `source`');
  const names = fields.filter(({ optional }) => !optional).map(({ name }) => name);
  return { kind: 'examples', examples: await toyExamples(4, { fields: names, lengthTokens: 16 }) };
}

/** Labels that count, by row. */
function labelsOf({ labels }: HostFields): number[][] | undefined {
  if (!labels || labels.shape.length !== 2) return undefined;
  const [rows, length] = labels.shape;
  return Array.from({ length: rows }, (_, row) =>
    Array.from(labels.values.subarray(row * length, (row + 1) * length)).filter((label) => label !== IGNORED_LABEL),
  );
}

function checkShift({ kind, specialTokens }: Model, batch: HostFields, broken: Broken): void {
  const decodes = kind === 'encoder-decoder';
  const ids = batch[decodes ? FIELDS.decoderInputIds : FIELDS.inputIds];
  const mask = batch[decodes ? FIELDS.decoderAttentionMask : FIELDS.attentionMask];
  const { labels } = batch;
  const packed = Object.keys(batch).some((name) => name.endsWith('segment_ids'));
  if (!ids || !labels || packed || ids.shape.join() !== labels.shape.join()) return;
  const [rows, length] = ids.shape;
  for (let row = 0; row < rows; row++) {
    const at = row * length;
    if (decodes && ids.values[at] !== specialTokens.start)
      broken(`row ${row} of the decoder's input begins with ${ids.values[at]}, not with ${specialTokens.start}.`);
    for (let i = at; i < at + length - 1; i++) {
      const label = labels.values[i];
      // Behind the last token the decoder reads padding.
      if (label === IGNORED_LABEL || mask?.values[i + 1] === 0) continue;
      if (ids.values[i + 1] !== label)
        broken(`row ${row}: the label at ${i - at} is ${label}, but the input after it is ${ids.values[i + 1]}.`);
    }
  }
}
