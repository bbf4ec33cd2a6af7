import { SafetensorsReader, type TensorInfo } from '@graft/checkpoint';
import {
  DataError,
  defineComponent,
  parseOptions,
  pathOption,
  type Dataset,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type JsonValue,
} from '@graft/core';
import { shortened } from '@graft/core/internal';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parsePosition } from './position';

/** The options of the dataset `tensors`. */
export const tensorsOptions = z.strictObject({
  file: pathOption().describe(
    'A safetensors file; a tensor is called `<field>.<step>`, or `<field>` if the file contains one batch.',
  ),
  repeat: z.boolean().default(false).describe('Begins again after the last batch.'),
});

/** What a config or code may write. */
export type TensorsOptions = z.input<typeof tensorsOptions>;
/** The same with every default filled in. */
export type ResolvedTensorsOptions = z.output<typeof tensorsOptions>;

/** Tensors of one batch by field. */
type BatchInfo = ReadonlyMap<string, TensorInfo>;

const positionSchema = z.strictObject({ data: z.string(), batch: z.int().min(0) });

/**
 * Ready batches from a safetensors file, read one at a time. Fields are called `<field>.<step>`: `.0` feeds step 1.
 * Integers (I32, I64) come as int32, floats (F32, F16, BF16) as float32.
 */
export class TensorBatches implements Dataset {
  readonly kind = 'batch';
  readonly length: number;
  readonly repeats: boolean;
  private batch = 0;

  private constructor(
    private readonly reader: SafetensorsReader,
    private readonly batches: readonly BatchInfo[],
    readonly fields: readonly FieldSpec[],
    private readonly repeat: boolean,
    private readonly data: string,
  ) {
    this.length = batches.length;
    this.repeats = repeat;
  }

  /** Throws DataError if steps are missing, uneven or mixed with fields that have none. */
  static async open(options: TensorsOptions): Promise<TensorBatches> {
    const { file, repeat } = parseOptions(tensorsOptions, options, 'TensorBatches');
    const reader = await SafetensorsReader.open(file);
    try {
      const batches = groupByStep(reader.tensors.values(), file);
      const fields = fieldsOf(batches, file);
      const listing = [...reader.tensors.values()].map(({ name, dtype, shape }) => [name, dtype, shape]);
      const data = createHash('sha256').update(JSON.stringify(listing)).digest('hex').slice(0, 16);
      return new TensorBatches(reader, batches, fields, repeat, data);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  position(): JsonValue {
    return { data: this.data, batch: this.batch };
  }

  restore(position: JsonValue): Promise<void> {
    this.batch = parsePosition(positionSchema, position, this.data).batch;
    return Promise.resolve();
  }

  skip(items: number): Promise<number> {
    if (items === 0) return Promise.resolve(0);
    const skipped = this.repeat ? items : Math.min(items, this.length - this.batch);
    // After the last batch the position is `length`, as it is after reading that batch.
    this.batch = this.repeat ? ((this.batch + skipped - 1) % this.length) + 1 : this.batch + skipped;
    return Promise.resolve(skipped);
  }

  dispose(): void {
    void this.reader.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HostFields, undefined, undefined> {
    for (;;) {
      if (this.batch >= this.length) {
        if (!this.repeat) return undefined;
        this.batch = 0;
      }
      const fields: Record<string, HostArray> = {};
      for (const [field, info] of this.batches[this.batch]) fields[field] = await this.readField(info);
      this.batch++;
      yield fields;
    }
  }

  private async readField({ name, dtype, shape }: TensorInfo): Promise<HostArray> {
    return isInteger(dtype)
      ? { dtype: 'int32', shape, values: await this.reader.readInt32(name) }
      : { dtype: 'float32', shape, values: await this.reader.readFloat32(name) };
  }
}

function isInteger(dtype: TensorInfo['dtype']): boolean {
  return dtype === 'I32' || dtype === 'I64';
}

/** One map per step, in order. */
function groupByStep(tensors: Iterable<TensorInfo>, file: string): BatchInfo[] {
  const steps = new Map<number, Map<string, TensorInfo>>();
  const single = new Map<string, TensorInfo>();
  for (const tensor of tensors) {
    const match = /^(.+)\.(\d+)$/.exec(tensor.name);
    if (!match) {
      single.set(tensor.name, tensor);
      continue;
    }
    const step = Number(match[2]);
    if (!steps.has(step)) steps.set(step, new Map());
    steps.get(step)!.set(match[1], tensor);
  }
  const problemError = (problem: string): DataError =>
    new DataError(`${file}: ${problem}.`, {
      code: 'data.tensor-steps',
      hint: 'Fields are named <field>.<step>, from .0 on.',
    });
  if (steps.size === 0) {
    if (single.size === 0) throw problemError('it holds no tensors');
    return [single];
  }
  if (single.size > 0)
    throw problemError(
      `${shortened(`"${[...single.keys()].join('", "')}"`, 300)} have no step, but "${firstOf(steps).name}" has one`,
    );
  const last = [...steps.keys()].reduce((most, step) => Math.max(most, step), 0);
  // A step's number may be anything: this allocates no more than the file has.
  if (last >= steps.size) {
    const missing = Array.from({ length: steps.size + 1 }, (_, step) => step).find((step) => !steps.has(step))!;
    throw problemError(`step ${missing} is missing, though there is a step ${last}`);
  }
  const fields = new Set([...steps.values()].flatMap((batch) => [...batch.keys()]));
  return Array.from({ length: last + 1 }, (_, step) => {
    const batch = steps.get(step)!;
    for (const field of fields)
      if (!batch.has(field)) throw problemError(`step ${step} has no "${field}.${step}", which other steps have`);
    return batch;
  });
}

function firstOf(steps: ReadonlyMap<number, BatchInfo>): TensorInfo {
  return [...[...steps.values()][0].values()][0];
}

function fieldsOf(batches: readonly BatchInfo[], file: string): FieldSpec[] {
  return [...batches[0]].map(([name, first]) => {
    for (const batch of batches) {
      const tensor = batch.get(name)!;
      if (!isInteger(tensor.dtype) && !['F32', 'F16', 'BF16'].includes(tensor.dtype)) {
        throw new DataError(`${file}: "${tensor.name}" holds ${tensor.dtype}; expected I32, I64, F32, F16 or BF16.`, {
          code: 'data.tensor-dtype',
        });
      }
      if (tensor.shape.length !== first.shape.length || isInteger(tensor.dtype) !== isInteger(first.dtype)) {
        throw new DataError(
          `${file}: "${tensor.name}" is ${tensor.dtype} [${tensor.shape.join(', ')}], but "${first.name}" is ${first.dtype} [${first.shape.join(', ')}].`,
          { code: 'data.tensor-steps' },
        );
      }
    }
    return { name, dtype: isInteger(first.dtype) ? 'int32' : 'float32', rank: first.shape.length };
  });
}

export const tensors = defineComponent({
  interface: 'dataset',
  id: 'tensors',
  description: 'ready batches from a safetensors file',
  options: tensorsOptions,
  useFactory: ({ options }) => TensorBatches.open(options),
});
