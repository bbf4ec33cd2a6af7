/** Messages between the loop's thread and those that read data. */
import {
  CheckpointError,
  ConfigError,
  DataError,
  EngineError,
  GraftError,
  PluginError,
  UsageError,
} from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type {
  ComponentSpec,
  Dataset,
  FieldSpec,
  HostFields,
  JsonValue,
  RunInfo,
  TokenizerFacts,
} from '../../interfaces';
import { redact } from '../../secrets/redact';
import type { DataEnd, ItemBatch, ItemSettings } from '../items';

/** Start-up data of a thread. */
export interface ThreadData {
  readonly plugins: readonly { readonly name: string; readonly origin: string; readonly file: string }[];
  readonly dataset: ComponentSpec;
  readonly seed: number;
  readonly run?: RunInfo;
  /** Variants of the objective that may be selected. */
  readonly variants: readonly Variant[];
  /** One number, incremented with each item. */
  readonly items: Int32Array;
}

/** null: none. */
export type Variant = string | null;

/** Requested length of each example of a batch in tokens; null: as the dataset yields it. */
export type ExampleLengths = readonly (number | null)[];

/** Answered in order. */
export type ThreadRequest =
  | { readonly ask: 'open' }
  | { readonly ask: 'restore'; readonly position: JsonValue }
  /** `cuts`: whether examples are cut to requested lengths, which are sent. */
  | { readonly ask: 'begin'; readonly settings: ItemSettings; readonly cuts: boolean }
  /** `variants`, `tokens`: of the batches after this thread's last one, up to and including its next one. */
  | { readonly ask: 'next'; readonly variants: readonly Variant[]; readonly tokens?: readonly ExampleLengths[] }
  /** The last message; earlier requests that have not begun are dropped. */
  | { readonly ask: 'dispose' };

export interface Opened {
  readonly kind: Dataset['kind'];
  readonly fields: readonly FieldSpec[];
  readonly length?: number;
  readonly repeats?: boolean;
  readonly variants?: readonly string[];
  /** The result of `select` for each of the objective's variants, if the dataset has it. */
  readonly selected?: readonly Selected[];
  readonly position: JsonValue;
  readonly tokenizer?: TokenizerFacts;
  /** Whether it has `tokenizers`. */
  readonly hasSides: boolean;
  /** Whether it cuts text to requested lengths. */
  readonly cuts: boolean;
}

export interface Selected {
  readonly variant: Variant;
  readonly fields?: readonly FieldSpec[];
  /** In place of items, if there are none. */
  readonly thrown?: ThrownError;
}

export interface ThrownError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly exitCode?: 1 | 2;
  readonly hint?: string;
}

/** Arrays of all items in one buffer, which is transferred without a copy. */
export interface PackedItems extends Omit<ItemBatch, 'items'> {
  readonly items: readonly (readonly { name: string; dtype: 'int32' | 'float32'; shape: readonly number[] }[])[];
  readonly memory: ArrayBuffer;
}

export type ThreadReply =
  | { readonly opened: Opened }
  | { readonly done: true }
  | { readonly batch: PackedItems }
  | { readonly end: DataEnd }
  | { readonly thrown: ThrownError }
  | { readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly text: string } };

export function packItems({ items, ...rest }: ItemBatch): PackedItems {
  let length = 0;
  for (const item of items) for (const { values } of Object.values(item)) length += values.length;
  const memory = new ArrayBuffer(4 * length);
  const words = new Int32Array(memory);
  let at = 0;
  const layout = items.map((item) =>
    Object.entries(item).map(([name, { dtype, shape, values }]) => {
      // Both dtypes have four bytes; the bits are copied, not the numbers.
      words.set(new Int32Array(values.buffer, values.byteOffset, values.length), at);
      at += values.length;
      return { name, dtype, shape };
    }),
  );
  return { ...rest, items: layout, memory };
}

export function unpackItems({ items, memory, ...rest }: PackedItems): ItemBatch {
  let at = 0;
  const unpacked = items.map((layout): HostFields =>
    Object.fromEntries(
      layout.map(({ name, dtype, shape }) => {
        const length = elementCount(shape);
        const values = new (dtype === 'int32' ? Int32Array : Float32Array)(memory, 4 * at, length);
        at += length;
        return [name, { dtype, shape, values }];
      }),
    ),
  );
  return { ...rest, items: unpacked };
}

export const disposed = (): GraftError => new GraftError('The dataset is disposed.', { code: 'data.thread' });

const ERRORS = { CheckpointError, ConfigError, DataError, EngineError, GraftError, PluginError, UsageError };

export function thrownError(error: unknown): ThrownError {
  // Secrets that only this thread knows.
  if (!(error instanceof Error)) return { name: 'Error', message: redact(String(error)) };
  const { name } = error;
  const message = redact(error.message);
  const stack = error.stack === undefined ? undefined : redact(error.stack);
  if (!(error instanceof GraftError)) return { name, message, stack };
  return { name, message, stack, code: error.code, exitCode: error.exitCode, hint: error.hint };
}

/** Restores an error of the other thread: Graft's own errors with class, code and hint. */
export function revivedError({ name, message, stack, ...options }: ThrownError): Error {
  const Class = ERRORS[name as keyof typeof ERRORS] ?? (options.code === undefined ? Error : GraftError);
  const error = new Class(message, options);
  if (stack !== undefined) error.stack = stack;
  return error;
}
