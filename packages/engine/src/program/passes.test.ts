import { countOperations, simplified, withoutDeadCode, withoutRepetition } from './passes';
import type { DType } from './dtypes';
import {
  withOutputs,
  type ArgumentNode,
  type ConstantNode,
  type OperationNode,
  type Producer,
  type Program,
  type Value,
} from './program';

const output = <P extends Producer>(node: P, dtype: DType = 'float32'): P => withOutputs(node, [{ dtype, shape: [2] }]);
const argument = (position: number): ArgumentNode => output({ kind: 'argument', position, outputs: [] });
const constant = (value: number): ConstantNode =>
  output({ kind: 'constant', bytes: Uint8Array.of(value), outputs: [] });
const operation = (op: string, ...inputs: { outputs: readonly Value[] }[]): OperationNode =>
  output({ kind: 'operation', op, attributes: {}, inputs: inputs.map((input) => input.outputs[0]), outputs: [] });

function program(args: ArgumentNode[], nodes: Program['nodes'], ...results: { outputs: readonly Value[] }[]): Program {
  return { name: 'test', arguments: args, captures: [], nodes, results: results.map((result) => result.outputs[0]) };
}

test('dead code is removed, and arguments stay', () => {
  const x = argument(0);
  const unused = argument(1);
  const used = operation('Neg', x);
  const dead = operation('Exp', unused);
  const lean = withoutDeadCode(program([x, unused], [used, dead], used));
  expect(lean.nodes).toEqual([used]);
  expect(lean.arguments).toHaveLength(2);
});

test('equal operations on equal inputs are merged, also along a chain', () => {
  const x = argument(0);
  const [one, again] = [constant(1), constant(1)];
  const [a, b] = [operation('Add', x, one), operation('Add', x, again)];
  const [c, d] = [operation('Neg', a), operation('Neg', b)];
  const sum = operation('AddV2', c, d);
  const lean = withoutDeadCode(withoutRepetition(program([x], [one, again, a, b, c, d, sum], sum)));
  expect(countOperations(lean)).toEqual(
    expect.arrayContaining([
      ['Add', 1],
      ['Neg', 1],
      ['AddV2', 1],
    ]),
  );
  const last = lean.nodes[lean.nodes.length - 1] as OperationNode;
  expect(last.inputs[0]).toBe(last.inputs[1]);
});

test('random draws and different constants are never merged', () => {
  const [one, two] = [constant(1), constant(2)];
  const [r, s] = [operation('Multinomial', one), operation('Multinomial', one)];
  const sum = operation('AddN', r, s, two);
  const lean = withoutRepetition(program([], [one, two, r, s, sum], sum));
  expect(lean.nodes).toHaveLength(5);
});

test('casts that change nothing are removed, others stay', () => {
  const cast = (value: Value, dtype: DType): OperationNode =>
    output({ kind: 'operation', op: 'Cast', attributes: {}, inputs: [value], outputs: [] }, dtype);
  const x = argument(0);
  const same = cast(x.outputs[0], 'float32');
  const narrow = cast(same.outputs[0], 'bfloat16');
  const wide = cast(narrow.outputs[0], 'float32');
  const again = cast(wide.outputs[0], 'bfloat16');
  const whole = cast(wide.outputs[0], 'int32');
  const lean = simplified(program([x], [same, narrow, wide, again, whole], again, whole));
  expect(countOperations(lean)).toEqual([['Cast', 3]]);
  // A float32 number is rounded when it is narrowed: that one stays.
  expect(lean.results[0]).toMatchObject({ dtype: 'bfloat16', producer: { inputs: [x.outputs[0]] } });
  expect(lean.results[1].dtype).toBe('int32');
});
