// Options in the forms that PJRT takes: named values for a client, a protocol buffer for a compilation.
//   namedValues({ memory_fraction: 0.94, preallocate: false })
//   compileOptions({ xla_gpu_enable_triton_gemm: false })
import { allocate, copyOf, layout, readWords, Struct, text, words } from './structs.mjs';

const KIND = { string: 0, integer: 1, integers: 2, float: 3, boolean: 4 };

function fill(value, set) {
  if (typeof value === 'string') {
    set(KIND.string, 'string_value', copyOf(Buffer.from(value)), Buffer.byteLength(value));
  } else if (typeof value === 'boolean') set(KIND.boolean, 'bool_value', value ? 1 : 0, 1);
  else if (Array.isArray(value)) set(KIND.integers, 'int64_array_value', words(value), value.length);
  else if (Number.isInteger(value)) set(KIND.integer, 'int64_value', value, 1);
  else set(KIND.float, 'float_value', value, 1);
}

/** Native PJRT_NamedValues of an object: their pointer and number. They stay; a process makes few. */
export function namedValues(options) {
  const entries = Object.entries(options);
  const { size } = layout.structs.PJRT_NamedValue;
  const pointer = allocate(size * entries.length);
  entries.forEach(([name, value], i) => {
    const struct = new Struct('PJRT_NamedValue', {}, pointer + BigInt(i * size));
    struct.set('struct_size', size);
    struct.set('name', copyOf(Buffer.from(name)));
    struct.set('name_size', Buffer.byteLength(name));
    fill(value, (kind, field, content, length) => {
      struct.set('type', kind);
      struct.set(field, content);
      struct.set('value_size', length);
    });
  });
  return { pointer, count: entries.length };
}

export function readNamedValues(pointer, count) {
  const { size } = layout.structs.PJRT_NamedValue;
  const value = (struct) => {
    const length = struct.number('value_size');
    const integers = () =>
      readWords(struct.get('int64_array_value'), length).map((word) => Number(BigInt.asIntN(64, word)));
    switch (struct.get('type')) {
      case KIND.string:
        return text(struct.get('string_value'), length);
      case KIND.integer:
        return struct.number('int64_value');
      case KIND.integers:
        return integers();
      case KIND.float:
        return struct.get('float_value');
      default:
        return Boolean(struct.get('bool_value'));
    }
  };
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const struct = new Struct('PJRT_NamedValue', {}, pointer + BigInt(i * size));
      return [struct.string('name'), value(struct)];
    }),
  );
}

function varint(number) {
  const bytes = [];
  let rest = BigInt(number);
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return bytes;
}
const integer = (field, value) => [...varint(field << 3), ...varint(value)];
const message = (field, body) => [...varint((field << 3) | 2), ...varint(body.length), ...body];
const string = (field, value) => message(field, [...Buffer.from(value)]);
function double(field, value) {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [...varint((field << 3) | 1), ...bytes];
}

/**
 * A CompileOptionsProto for one device. Its field 3 is executable_build_options (4 num_replicas, 5 num_partitions); its
 * field 7 is the map env_option_overrides, whose values are 1 a string, 2 a boolean, 3 an integer or 4 a double.
 */
export function compileOptions(flags = {}) {
  const override = (value) => {
    if (typeof value === 'string') return string(1, value);
    if (typeof value === 'boolean') return integer(2, value ? 1 : 0);
    return Number.isInteger(value) ? integer(3, value) : double(4, value);
  };
  const overrides = Object.entries(flags).flatMap(([name, value]) =>
    message(7, [...string(1, name), ...message(2, override(value))]),
  );
  return Buffer.from([...message(3, [...integer(4, 1), ...integer(5, 1)]), ...overrides]);
}
