import type { KoffiBinding } from '../native/binding';
import { TF } from '../native/dtypes';
import type { OpAttribute } from '../native/runtime';
import type { Value } from '../trace/program';

/** From so many numbers on (64 MiB) a sum with a product is worth the care, and so many at most a part of it has. */
const LARGE = 1 << 24;

/** Writes over a part of its first input. */
const UPDATE = 'TensorStridedSliceUpdate';

const attribute = (name: string, type: number, value: unknown): OpAttribute => ({ name, type, value });
const FLOAT = attribute('T', 4, TF.FLOAT);

/**
 * sum + a^T b, said to XLA in parts of rows that are written over the sum's own. Said plainly, the whole product lies in
 * memory beside the sum: for the output table's gradient, added up chunk of rows by chunk of rows, one more table.
 * `sum` and `product` are ids; undefined where `product` is none of a large size, or the trace is not for XLA.
 */
export function addLargeProduct(binding: KoffiBinding, sum: number, product: number): number | undefined {
  const tracer = binding.activeTracer;
  if (!tracer?.forXla) return undefined;
  const [before, { producer, dtype, shape }] = [sum, product].map((id) => binding.value(id, 'Add', tracer));
  if (producer.kind !== 'operation' || producer.op !== 'MatMul' || dtype !== TF.FLOAT) return undefined;
  // To a sum of anything else the product would have to wait, and its operands with it.
  if (before.producer.kind !== 'operation' || !['MatMul', UPDATE].includes(before.producer.op)) return undefined;
  const [rows, width] = shape;
  if (rows * width < LARGE || before.shape.join() !== shape.join()) return undefined;
  const isSet = (name: string): boolean => producer.attributes.find((given) => given.name === name)?.value === true;
  if (!isSet('transpose_a') || isSet('transpose_b')) return undefined;

  const made: number[] = [];
  const keep = (id: number): number => {
    made.push(id);
    return id;
  };
  const ints = (...values: number[]): number => keep(binding.createTensor([values.length], TF.INT32, values));
  const run = (op: string, attributes: readonly OpAttribute[], inputs: readonly number[]): number =>
    keep(binding.executeOp(op, attributes, inputs, 1)[0].id);
  const slice = (id: number, begin: readonly number[], size: readonly number[]): number =>
    run('Slice', [FLOAT, attribute('Index', 4, TF.INT32)], [id, ints(...begin), ints(...size)]);
  const masks = ['begin', 'end', 'ellipsis', 'new_axis', 'shrink_axis'].map((name) => attribute(`${name}_mask`, 1, 0));

  const idOf = (value: Value): number => keep(binding.addValue(value, tracer).id);
  const [a, b] = producer.inputs.map(idOf);
  const depth = producer.inputs[0].shape[0];
  const step = Math.ceil(rows / Math.ceil((rows * width) / LARGE));
  let result = keep(binding.addValue(before, tracer).id);
  for (let from = 0; from < rows; from += step) {
    const size = Math.min(step, rows - from);
    const part = run(
      'MatMul',
      [FLOAT, attribute('transpose_a', 3, true), attribute('transpose_b', 3, false)],
      [slice(a, [0, from], [depth, size]), b],
    ); // [size, width]
    const added = run('AddV2', [FLOAT], [slice(result, [from, 0], [size, width]), part]);
    result = run(
      UPDATE,
      [FLOAT, attribute('Index', 4, TF.INT32), ...masks],
      [result, ints(from, 0), ints(from + size, width), ints(1, 1), added],
    );
  }
  for (const id of made) if (id !== result) binding.deleteTensor(id);
  return result;
}
