import type { GraphOutput, Pointer } from '../native/api';
import { GraphBuilder } from '../native/graph';
import type { NativeRuntime, NativeTensor, OpAttribute } from '../native/runtime';
import type { Producer, Program } from '../trace/program';

const XLA: readonly OpAttribute[] = [{ name: '_XlaMustCompile', type: 3, value: true }];

let functionCount = 0;

/**
 * A Program as a TensorFlow function. Called with the arguments, then the captures, both in the program's order.
 * `xla`: compiled as a whole by XLA at the first call; otherwise run as a graph by TensorFlow's executor.
 */
export class TensorFlowFunction {
  private readonly name: string;
  private readonly fn: Pointer;

  constructor(
    private readonly runtime: NativeRuntime,
    private readonly program: Program,
    private readonly xla: boolean,
  ) {
    this.name = `graft_${program.name.replace(/\W+/g, '_')}_${functionCount++}`;
    const builder = new GraphBuilder(runtime);
    try {
      this.fn = build(builder, program, this.name);
    } finally {
      builder.dispose();
    }
    runtime.api.TFE_ContextAddFunction(runtime.context, this.fn, runtime.sharedStatus);
    runtime.check(`adding ${this.name}`);
  }

  call(inputs: readonly NativeTensor[]): NativeTensor[] {
    return this.runtime.execute(this.name, this.xla ? XLA : [], inputs, this.program.results.length);
  }

  callAsync(inputs: readonly NativeTensor[]): Promise<NativeTensor[]> {
    return this.runtime.executeAsync(this.name, this.xla ? XLA : [], inputs, this.program.results.length);
  }

  dispose(): void {
    this.runtime.api.TFE_ContextRemoveFunction(this.runtime.context, this.name, this.runtime.sharedStatus);
    this.runtime.api.TF_DeleteFunction(this.fn);
    this.runtime.check(`removing ${this.name}`);
  }
}

function build(builder: GraphBuilder, program: Program, name: string): Pointer {
  const operations = new Map<Producer, GraphOutput>();
  const inputs: GraphOutput[] = [];
  for (const node of [...program.arguments, ...program.captures]) {
    const placeholder = builder.placeholder(node.outputs[0]);
    operations.set(node, placeholder);
    inputs.push(placeholder);
  }
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
  // A function may not return one of its inputs, nor one output twice: each result passes through an identity.
  const results = program.results.map((value) =>
    builder.operation('Identity', [{ name: 'T', type: 4, value: value.dtype }], [at(value.producer, value.index)]),
  );
  return builder.toFunction(name, inputs, results);
}
