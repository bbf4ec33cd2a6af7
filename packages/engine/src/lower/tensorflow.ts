import type { GraphOutput, Pointer } from '../native/api';
import { TF } from '../native/dtypes';
import { GraphBuilder } from '../native/graph';
import type { NativeRuntime, NativeTensor, OpAttribute } from '../native/runtime';
import type { Producer, Program } from '../trace/program';

const XLA: readonly OpAttribute[] = [{ name: '_XlaMustCompile', type: 3, value: true }];

let functionCount = 0;

/**
 * Results that replace an argument, by the result's place: the argument is given as a variable, and the function writes the
 * result to it instead of returning it.
 */
export type Replacements = ReadonlyMap<number, number>;

/**
 * A Program as a TensorFlow function. Called with the arguments, then the captures, both in the program's order.
 * `xla`: compiled as a whole by XLA at the first call; otherwise run as a graph by TensorFlow's executor.
 */
export class TensorFlowFunction {
  private readonly name: string;
  private readonly fn: Pointer;
  private readonly byReference: ReadonlySet<number>;

  constructor(
    private readonly runtime: NativeRuntime,
    private readonly program: Program,
    private readonly xla: boolean,
    private readonly replacements: Replacements = new Map(),
  ) {
    this.byReference = new Set(replacements.values());
    this.name = `graft_${program.name.replace(/\W+/g, '_')}_${functionCount++}`;
    const builder = new GraphBuilder(runtime);
    try {
      this.fn = build(builder, program, this.name, replacements);
    } finally {
      builder.dispose();
    }
    runtime.api.TFE_ContextAddFunction(runtime.context, this.fn, runtime.sharedStatus);
    runtime.check(`adding ${this.name}`);
  }

  /** Results that replace no argument, in order. Arguments that are replaced become variables. */
  call(inputs: readonly NativeTensor[]): NativeTensor[] {
    return this.runtime.execute(this.name, this.xla ? XLA : [], inputs, this.returned, this.byReference);
  }

  callAsync(inputs: readonly NativeTensor[]): Promise<NativeTensor[]> {
    return this.runtime.executeAsync(this.name, this.xla ? XLA : [], inputs, this.returned, this.byReference);
  }

  private get returned(): number {
    return this.program.results.length - this.replacements.size;
  }

  dispose(): void {
    this.runtime.api.TFE_ContextRemoveFunction(this.runtime.context, this.name, this.runtime.sharedStatus);
    this.runtime.api.TF_DeleteFunction(this.fn);
    this.runtime.check(`removing ${this.name}`);
  }
}

const dtypeOf = (value: { readonly dtype: number }, name = 'dtype'): OpAttribute[] => [
  { name, type: 4, value: value.dtype },
];

function build(builder: GraphBuilder, program: Program, name: string, replacements: Replacements): Pointer {
  const operations = new Map<Producer, GraphOutput>();
  const variables = new Map<Producer, GraphOutput>();
  const inputs: GraphOutput[] = [];
  const replaced = new Set(replacements.values());
  [...program.arguments, ...program.captures].forEach((node, position) => {
    const [type] = node.outputs;
    const placeholder = builder.placeholder(replaced.has(position) ? { dtype: TF.RESOURCE, shape: [] } : type);
    inputs.push(placeholder);
    if (!replaced.has(position)) return operations.set(node, placeholder);
    variables.set(node, placeholder);
    return operations.set(node, builder.operation('ReadVariableOp', dtypeOf(type), [placeholder]));
  });
  const at = (producer: Producer, index: number): GraphOutput => ({ oper: operations.get(producer)!.oper, index });
  for (const node of program.nodes) {
    operations.set(
      node,
      node.kind === 'constant'
        ? builder.constant(node.outputs[0], node.bytes)
        : builder.operation(
            node.op,
            node.attributes,
            node.inputs.map((input) => at(input.producer, input.index)),
          ),
    );
  }
  const results: GraphOutput[] = [];
  const effects: GraphOutput[] = [];
  program.results.forEach((value, i) => {
    const source = at(value.producer, value.index);
    const position = replacements.get(i);
    if (position === undefined) {
      // A function may not return one of its inputs, nor one output twice: each result passes through an identity.
      results.push(builder.operation('Identity', dtypeOf(value, 'T'), [source]));
      return;
    }
    const argument = program.arguments[position];
    // Behind the read, which the new value need not depend on.
    const read = operations.get(argument);
    effects.push(
      builder.operation('AssignVariableOp', dtypeOf(value), [variables.get(argument)!, source], read),
    );
  });
  return builder.toFunction(name, inputs, results, effects);
}
