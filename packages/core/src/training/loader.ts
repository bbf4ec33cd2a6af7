import { DataError, tf } from '@graft/engine';
import { checkContract, checkFields, checkLabels } from '../batch';
import type { BatchTensors, Dataset, HostFields, JsonValue, Model, Objective } from '../interfaces';
import type { RandomStream } from '../random';

/** A batch ready for the step, and where the data stand behind it. */
export interface LoadedBatch {
  readonly fields: HostFields;
  readonly position: JsonValue;
}

/** Turns a dataset and an objective into batches, one ahead of the step that computes. */
export class BatchLoader {
  private readonly iterator: AsyncIterator<HostFields>;
  private ahead: Promise<LoadedBatch | undefined> | undefined;
  private nextStep: number;

  constructor(
    private readonly dataset: Dataset,
    private readonly objective: Objective,
    private readonly model: Model,
    private readonly batchSize: number,
    private readonly random: RandomStream,
    /** Steps done already. */
    step: number,
  ) {
    const wanted = objective.takes(dataset.kind);
    if (!wanted) {
      throw new DataError(
        dataset.kind === 'batch'
          ? 'The objective makes its batches from single sequences, but the dataset gives ready batches.'
          : 'The objective takes ready batches only, but the dataset gives single sequences.',
        { code: 'data.contract' },
      );
    }
    checkContract(dataset.fields, wanted, 'the dataset', 'the objective');
    this.iterator = dataset[Symbol.asyncIterator]();
    this.nextStep = step;
  }

  /** The next batch; undefined at the end of the data. */
  async next(): Promise<LoadedBatch | undefined> {
    const batch = await (this.ahead ?? this.load());
    this.ahead = undefined;
    return batch;
  }

  /** Begins to load the batch after the last one; an error comes out of the `next` that asks for it. */
  prefetch(): void {
    this.ahead ??= this.load();
    this.ahead.catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.ahead?.catch(() => undefined);
    await this.iterator.return?.();
  }

  private async load(): Promise<LoadedBatch | undefined> {
    const step = ++this.nextStep;
    const items: HostFields[] = [];
    const count = this.dataset.kind === 'batch' ? 1 : this.batchSize;
    while (items.length < count) {
      const { value, done } = await this.iterator.next();
      if (done) return undefined;
      checkFields(value, this.dataset.fields, `The dataset's item for step ${step}`);
      items.push(value);
    }
    const context = { random: this.random.fork(step), model: this.model };
    const fields =
      this.dataset.kind === 'batch'
        ? this.objective.prepare({ kind: 'batch', batch: items[0] }, context)
        : this.objective.prepare({ kind: 'examples', examples: items }, context);
    checkFields(fields, this.objective.gives, `The batch for step ${step}`);
    checkLabels(fields, `The batch for step ${step}`);
    return { fields, position: this.dataset.position() };
  }
}

/** The batch on the engine; the caller disposes it. */
export function uploadBatch(fields: HostFields): BatchTensors {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { values, shape, dtype }]) => [name, tf.tensor(values, [...shape], dtype)]),
  );
}
