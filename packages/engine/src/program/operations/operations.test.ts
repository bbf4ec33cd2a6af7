/** TensorFlow's own shape inference is the oracle: every rule of the table meets it on random calls, right and wrong ones. */
import * as fc from 'fast-check';
import type { Sample } from '../../../test-support/operation-samples/arbitraries';
import { IMAGES } from '../../../test-support/operation-samples/images';
import { NUMBERS } from '../../../test-support/operation-samples/numbers';
import { PLACES } from '../../../test-support/operation-samples/places';
import { openEngine, tf } from '../../index';
import type { KernelBinding } from '../../trace/binding';
import { tensorFlowType, toBytes } from '../../kernels/dtypes';
import { nativeAttributes } from '../../kernels/attributes';
import { GraphBuilder } from '../../targets/tensorflow/native/graph';
import type { NativeRuntime, NativeTensor } from '../../targets/tensorflow/native/runtime';
import { elementCount } from '../../shape';
import { bytesOfDType } from '../dtypes';
import type { Producer, Value, ValueType } from '../program';
import { DynamicShape, OPERATIONS, ShapeError, type Call } from './index';

const SAMPLES = { ...NUMBERS, ...PLACES, ...IMAGES };

test('every operation of the table that TensorFlow has too has samples', () => {
  const shared = Object.keys(OPERATIONS).filter((op) => !op.startsWith('Graft'));
  expect(Object.keys(SAMPLES).sort()).toEqual(shared.sort());
});

type Outcome = 'refused' | 'dynamic' | readonly ValueType[];

function inferredHere(op: string, { inputs, attributes = {}, outputs = 1 }: Sample): Outcome {
  const values = inputs.map(({ dtype, shape: dims, values: given }): Value => {
    const producer = (
      given
        ? { kind: 'constant', bytes: Uint8Array.from(toBytes(given, tensorFlowType(dtype))), outputs: [] }
        : { kind: 'argument', position: 0, outputs: [] }
    ) satisfies Producer;
    return { dtype, shape: dims, producer, index: 0 };
  });
  const call: Call = { op, attributes, inputs: values, outputCount: outputs };
  try {
    return OPERATIONS[op].infer(call).map(({ dtype, shape: dims }) => ({ dtype, shape: [...dims] }));
  } catch (error) {
    if (error instanceof ShapeError) return 'refused';
    if (error instanceof DynamicShape) return 'dynamic';
    throw error;
  }
}

function inferredByTensorFlow(builder: GraphBuilder, op: string, sample: Sample): Outcome {
  const { inputs, attributes = {}, outputs = 1 } = sample;
  const given = inputs.map((operand) =>
    operand.values
      ? builder.constant(operand, toBytes(operand.values, tensorFlowType(operand.dtype)))
      : builder.placeholder(operand),
  );
  try {
    const { oper } = builder.operation(op, attributes, given);
    const types = Array.from({ length: outputs }, (_, index) => builder.typeOf({ oper, index }));
    if (types.some(({ shape: dims }) => !dims)) return 'dynamic';
    return types as readonly ValueType[];
  } catch {
    return 'refused';
  }
}

/** Whether TensorFlow runs the operation, on zeros: its inference lets some wrong calls pass. */
function runs(runtime: NativeRuntime, op: string, { inputs, attributes = {}, outputs = 1 }: Sample): boolean {
  const tensors = inputs.map(({ dtype, shape: dims, values }) => {
    const type = tensorFlowType(dtype);
    const bytes = values ? toBytes(values, type) : new Uint8Array(elementCount(dims) * bytesOfDType(dtype));
    return runtime.createTensor(dims, type, bytes);
  });
  try {
    for (const result of runtime.execute(op, nativeAttributes(attributes), tensors, outputs))
      runtime.deleteTensor(result);
    return true;
  } catch {
    return false;
  } finally {
    for (const tensor of tensors) runtime.deleteTensor(tensor);
  }
}

describe('the types of results', () => {
  let builder: GraphBuilder;
  let runtime: NativeRuntime;
  beforeAll(async () => {
    await openEngine({ mode: 'graph' });
    const { binding } = tf.backend() as unknown as { binding: KernelBinding<NativeTensor, NativeRuntime> };
    runtime = binding.runtime;
    builder = new GraphBuilder(runtime);
  });
  afterAll(() => builder.dispose());

  test.each(Object.keys(SAMPLES))('%s has the dtypes and shapes that TensorFlow infers', (op) => {
    fc.assert(
      fc.property(SAMPLES[op], (sample) => {
        const here = inferredHere(op, sample);
        const there = inferredByTensorFlow(builder, op, sample);
        if (here === 'refused' && there !== 'refused') expect(runs(runtime, op, sample)).toBe(false);
        else expect(here).toEqual(there);
      }),
      { numRuns: 60 },
    );
  });
});
