import { bytesField, integerField, textField, varint } from '../../foreign/protobuf';
import { STRUCTS } from './layout';
import { words } from './memory';
import { Struct, type FieldOf, type NativeMemory } from './structs';

/** Options of a client by PJRT's names: `{ memory_fraction: 0.9, cpu_device_count: 2 }`. */
export type ClientOptions = Readonly<Record<string, string | number | boolean | readonly number[]>>;

/** XLA's options of a compilation by their names: `{ xla_gpu_autotune_level: 0 }`. */
export type CompileFlags = Readonly<Record<string, string | number | boolean>>;

const KIND = { string: 0, integer: 1, integers: 2, float: 3, boolean: 4 };

/** A plugin refuses an integer where it expects a float, and JavaScript's 1 is both. */
const FLOATS: ReadonlySet<string> = new Set(['memory_fraction']);

/** PJRT_NamedValues, one after the other. */
export interface NamedValues extends NativeMemory {
  readonly count: number;
  readonly values: readonly Struct[];
}

export function namedValues(options: ClientOptions): NamedValues {
  const entries = Object.entries(options);
  const { size } = STRUCTS.NamedValue;
  const bytes = Buffer.alloc(size * entries.length);
  const values = entries.map(([name, value], i) => {
    const struct = new Struct<FieldOf<typeof STRUCTS.NamedValue>>(STRUCTS.NamedValue, {
      array: bytes,
      offset: i * size,
    });
    const text = Buffer.from(name);
    struct.set('name', text);
    struct.set('name_size', text.length);
    struct.set('value_size', 1);
    if (typeof value === 'string') {
      const content = Buffer.from(value);
      struct.set('type', KIND.string);
      struct.set('string_value', content);
      struct.set('value_size', content.length);
    } else if (typeof value === 'boolean') {
      struct.set('type', KIND.boolean);
      struct.set('bool_value', value ? 1 : 0);
    } else if (typeof value !== 'number') {
      struct.set('type', KIND.integers);
      struct.set('int64_array_value', words(value));
      struct.set('value_size', value.length);
    } else if (Number.isInteger(value) && !FLOATS.has(name)) {
      struct.set('type', KIND.integer);
      struct.set('int64_value', value);
    } else {
      struct.set('type', KIND.float);
      struct.set('float_value', value);
    }
    return struct;
  });
  return { bytes, count: entries.length, values };
}

function flag(value: string | number | boolean): number[] {
  if (typeof value === 'string') return textField(1, value);
  if (typeof value === 'boolean') return integerField(2, value ? 1 : 0);
  if (Number.isSafeInteger(value) && value >= 0) return integerField(3, value);
  const bytes = Buffer.alloc(8);
  // Negative integers are varints of ten bytes.
  if (Number.isSafeInteger(value)) return [...varint(3 << 3), ...negativeVarint(value)];
  bytes.writeDoubleLE(value);
  return [...varint((4 << 3) | 1), ...bytes];
}

function negativeVarint(value: number): number[] {
  const rest = BigInt.asUintN(64, BigInt(value));
  return Array.from({ length: 10 }, (_, i) => Number((rest >> BigInt(7 * i)) & 127n) | (i < 9 ? 128 : 0));
}

/**
 * A CompileOptionsProto for one device of that id, or for a program that Shardy partitions over several. Field 3 is executable_build_options (4 num_replicas, 5
 * num_partitions, 6 use_spmd_partitioning, 9 device_assignment, 19 use_shardy_partitioner), field 7 the map env_option_overrides.
 */
export function compileOptions(flags: CompileFlags, devices: readonly number[]): Buffer {
  const computations = devices.flatMap((device) => bytesField(3, integerField(1, device)));
  const assignment = bytesField(9, [...integerField(1, 1), ...integerField(2, devices.length), ...computations]);
  const partitioning = devices.length > 1 ? [...integerField(6, 1), ...integerField(19, 1)] : [];
  const build = bytesField(3, [
    ...integerField(4, 1),
    ...integerField(5, devices.length),
    ...partitioning,
    ...assignment,
  ]);
  const overrides = Object.entries(flags).flatMap(([name, value]) =>
    bytesField(7, [...textField(1, name), ...bytesField(2, flag(value))]),
  );
  return Buffer.from([...build, ...overrides]);
}
