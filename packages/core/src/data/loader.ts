import { DataError, tf } from '@graft/engine';
import { failedComponent } from '../components/calls';
import {
  CONTRACT_HINT,
  checkContract,
  checkFields,
  checkLabels,
  vocabularyName,
  vocabularyOfField,
} from './batch-checks';
import {
  FIELDS,
  IGNORED_LABEL,
  type BatchTensors,
  type Dataset,
  type HostArray,
  type HostFields,
  type JsonValue,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
} from '../interfaces';
import type { RandomStream } from '../random/streams';
import type { DataDigests } from './digest';
import { failedAt } from '../util/training-error';
import { ItemReader, sliceSize, type ItemSource, type BatchSlice, type TokensOf, type VariantOf } from './items';
import { ThreadedDataset } from './threads/dataset';
import { unlessAborted } from '../util/pending';

/** A batch ready for the step, and the position in the data after it. */
export interface LoadedBatch {
  readonly fields: HostFields;
  /** Tokens that count for tokens/s. */
  readonly tokens: number;
  /** Positions in the data before and after it. */
  readonly start: JsonValue;
  readonly position: JsonValue;
  /** With several workers: this worker's digests of the data, to be compared before the batch is used. */
  readonly digests?: DataDigests;
}

export interface LoaderOptions {
  readonly dataset: Dataset;
  readonly objective: Objective;
  readonly model: Model;
  readonly batchSize: number;
  /** Each batch draws from a fork of it. */
  readonly random: RandomStream;
  /** Steps done already. */
  readonly step: number;
  /** Which of the objective's variants a step takes. Default: none. */
  readonly variantAt?: (step: number) => string | undefined;
  /** The part of every batch that is wanted. Default: the whole. */
  readonly batchSlice?: BatchSlice;
}

/** Turns a dataset and an objective into batches, checked (see batch-checks.ts), one ahead of the step that computes. */
export class BatchLoader {
  private readonly source: ItemSource;
  private readonly batchSlice: BatchSlice;
  private ahead: Promise<LoadedBatch> | undefined;
  private nextStep: number;
  /** Nobody has waited for the last batch. */
  private left = false;

  /** Throws DataError when the dataset cannot give what the objective takes, or a batch cannot be shared out. */
  constructor(private readonly options: LoaderOptions) {
    const { dataset, objective, model, batchSize, random, step } = options;
    checkSource(dataset, objective);
    this.batchSlice = options.batchSlice ?? { rank: 0, count: 1 };
    const settings = { batchSize, batchSlice: this.batchSlice };
    if (dataset.kind === 'examples') sliceSize(batchSize, this.batchSlice);
    const variantOf: VariantOf = (batch) => options.variantAt?.(step + batch);
    const tokensOf: TokensOf | undefined =
      objective.exampleTokens &&
      ((batch, index) =>
        objective.exampleTokens!({ model, random: random.fork(step + batch + 1), variant: variantOf(batch) }, index));
    this.source =
      dataset instanceof ThreadedDataset
        ? dataset.batches(settings, variantOf, tokensOf)
        : new ItemReader(dataset, settings, variantOf, tokensOf);
    this.nextStep = step;
  }

  /** The next batch. Throws DataError if the data have ended. */
  async next(): Promise<LoadedBatch> {
    const batch = this.ahead ?? this.load();
    this.ahead = undefined;
    return batch;
  }

  /**
   * `next`, or undefined if the signal is aborted first: then nothing more can be requested, and `close` does not wait.
   */
  async nextUnless(signal: AbortSignal | undefined): Promise<LoadedBatch | undefined> {
    this.left = true;
    const batch = await unlessAborted(this.next(), signal);
    this.left = batch === undefined;
    return batch;
  }

  /**
   * Starts loading the batch after the last one, and calls `onLoaded` with it; an error is thrown by the `next` that
   * requests it.
   */
  prefetch(onLoaded: (batch: LoadedBatch) => void = () => undefined): void {
    this.ahead ??= this.load();
    this.ahead.then(onLoaded).catch(() => undefined);
  }

  async close(): Promise<void> {
    // It may hang.
    if (this.left) return void this.source.close().catch(() => undefined);
    await this.ahead?.catch(() => undefined);
    await this.source.close();
  }

  private async load(): Promise<LoadedBatch> {
    const { options } = this;
    const { dataset, objective, model } = options;
    const step = ++this.nextStep;
    const where = `The batch for step ${step}`;
    try {
      const read = await this.source.next();
      if ('ended' in read) throw ended(step, read.ended, dataset.kind === 'examples' ? options.batchSize : 1);
      const { items, first, start, position, digests } = read;
      const source: ObjectiveSource =
        dataset.kind === 'batch' ? { kind: 'batch', batch: items[0] } : { kind: 'examples', examples: items };
      const context: ObjectiveContext = {
        random: options.random.fork(step),
        firstExample: first,
        partOfBatch: dataset.kind === 'examples' && this.batchSlice.count > 1,
        model,
        tokenizer: dataset.tokenizer,
        tokenizers: dataset.tokenizers,
        step: step - 1,
        variant: options.variantAt?.(step - 1),
      };
      const prepared = this.prepare(source, context, where);
      checkFields(prepared, objective.batchFields, where);
      checkLabels(prepared, where, context);
      checkIds(prepared, model, where);
      const fields = dataset.kind === 'batch' ? partOf(prepared, this.batchSlice) : prepared;
      const declared = objective.batchFields.filter(({ name }) => fields[name]);
      return {
        // Only declared fields, in that order: a compiled step belongs to one set of fields.
        fields: Object.fromEntries(declared.map(({ name }) => [name, fields[name]])),
        tokens: objective.countTokens?.(fields, context.variant) ?? countIds(fields),
        start,
        position,
        digests,
      };
    } catch (error) {
      throw failedAt(`Making the batch for step ${step}`, error);
    }
  }

  private prepare(source: ObjectiveSource, context: ObjectiveContext, where: string): HostFields {
    const { objective } = this.options;
    try {
      return objective.prepare(source, context);
    } catch (error) {
      // The objective does not know which batch it is.
      if (!(error instanceof DataError)) {
        const what = `prepare of the batch for step ${context.step! + 1}`;
        throw failedComponent(objective, 'The objective', what, error);
      }
      const { code, exitCode, hint } = error;
      throw new DataError(`${where}: ${error.message}`, { code, exitCode, hint, cause: error });
    }
  }
}

function ended(step: number, items: number, batchSize: number): DataError {
  const rest = items % batchSize;
  const dropped = rest === 0 ? '' : ` The last ${rest} of them do not fill a batch of ${batchSize}.`;
  return new DataError(`The data ended at step ${step}: the dataset gave ${items} items and has no more.${dropped}`, {
    code: 'data.ended',
    hint: 'Lower train.steps, give more data, or let the dataset repeat.',
  });
}

/**
 * Whether items for `name` are for that variant of an objective: the name of a part, `a`, matches all of its variants,
 * `a/low`.
 */
export function meansVariant(name: string, variant: string): boolean {
  return variant === name || variant.startsWith(`${name}/`);
}

/** Throws DataError if the declarations of dataset and objective do not match. */
export function checkSource(
  dataset: Dataset,
  objective: Objective,
  names = { dataset: 'the dataset', objective: 'the objective' },
): void {
  const { variants } = objective;
  const unknown = dataset.variants?.find((name) => !variants?.some((variant) => meansVariant(name, variant)));
  if (unknown !== undefined) {
    throw new DataError(
      `${names.dataset} has items for "${unknown}", but ${names.objective} has ${variants ? variants.map((variant) => `"${variant}"`).join(', ') : 'no parts'}.`,
      { code: 'data.variant', exitCode: 2, hint: 'Name a part of the objective as the objective names it.' },
    );
  }
  for (const variant of variants ?? [undefined])
    checkPart(dataset, objective, variant, {
      ...names,
      objective: variant === undefined ? names.objective : `${names.objective} (${variant})`,
    });
}

function checkPart(
  dataset: Dataset,
  objective: Objective,
  variant: string | undefined,
  names: { dataset: string; objective: string },
): void {
  const given = dataset.select?.(variant) ?? dataset.fields;
  const wanted = objective.inputFields(dataset.kind, variant);
  if (wanted) return checkContract(given, wanted, names.dataset, names.objective);
  throw new DataError(
    dataset.kind === 'batch'
      ? `${names.objective} makes its batches from single sequences, but ${names.dataset} gives ready batches.`
      : `${names.objective} takes ready batches only, but ${names.dataset} gives single sequences.`,
    { code: 'data.contract', exitCode: 2, hint: CONTRACT_HINT },
  );
}

/** Ids beyond the embedding: compiled code would silently read another row. */
function checkIds(fields: HostFields, model: Model, where: string): void {
  for (const name of [FIELDS.inputIds, FIELDS.decoderInputIds, FIELDS.labels]) {
    const array = fields[name];
    if (array?.dtype !== 'int32') continue;
    const { values } = array;
    const vocabularySize = vocabularyOfField(model, name);
    for (let i = 0; i < values.length; i++) {
      if (values[i] < vocabularySize && values[i] >= 0) continue;
      if (name === FIELDS.labels && values[i] === IGNORED_LABEL) continue;
      throw new DataError(
        `${where}: field "${name}" holds the id ${values[i]}, but ${vocabularyName(model, name)} has ${vocabularySize} tokens.`,
        {
          code: 'data.vocabulary',
          hint: 'Take the tokenizer that belongs to the checkpoint, or give the model a larger vocabulary.',
        },
      );
    }
  }
}

function countIds(fields: HostFields): number {
  return (fields[FIELDS.inputIds]?.values.length ?? 0) + (fields[FIELDS.decoderInputIds]?.values.length ?? 0);
}

/** The present fields as tensors; the caller disposes them. */
export function uploadBatch(fields: Readonly<Record<string, HostArray | undefined>>): BatchTensors {
  const there = Object.entries(fields).filter((entry): entry is [string, HostArray] => entry[1] !== undefined);
  return Object.fromEntries(
    there.map(([name, { values, shape, dtype }]) => [name, tf.tensor(values, [...shape], dtype)]),
  );
}

/** A worker's rows of a batch. */
function partOf(fields: HostFields, { rank, count }: BatchSlice): HostFields {
  return splitBatch(fields, count, 'the workers times train.microBatches')[rank];
}

/**
 * A batch in equal parts of its rows. Throws DataError if the rows cannot be split evenly.
 * `what` names the setting that splits it: "train.microBatches".
 */
export function splitBatch(fields: HostFields, parts: number, what: string): HostFields[] {
  if (parts === 1) return [fields];
  const arrays = Object.entries(fields);
  const rows = arrays[0]?.[1].shape[0];
  const odd = arrays.find(([, { shape }]) => shape[0] !== rows);
  if (rows === undefined || odd || rows % parts !== 0) {
    const problem = odd ? `its field "${odd[0]}" has other rows than the rest` : `it has ${rows ?? 'no'} rows`;
    throw new DataError(`A batch cannot be shared out into ${parts} equal parts: ${problem}.`, {
      code: 'data.parts',
      exitCode: 2,
      hint: `Make the rows of a batch (train.batchSize, or those of ready batches) a multiple of ${what}.`,
    });
  }
  return Array.from({ length: parts }, (_, part) =>
    Object.fromEntries(
      arrays.map(([name, { dtype, shape, values }]) => {
        const size = values.length / parts;
        return [
          name,
          { dtype, shape: [rows / parts, ...shape.slice(1)], values: values.slice(part * size, (part + 1) * size) },
        ];
      }),
    ),
  );
}
