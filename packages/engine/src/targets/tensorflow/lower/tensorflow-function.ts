import type { Pointer } from '../../../foreign/memory';
import { tensorFlowType } from '../../../kernels/dtypes';
import { flag, type OpAttribute } from '../../../kernels/attributes';
import type { NativeRuntime, NativeTensor } from '../native/runtime';
import type { Program } from '../../../program/program';
import type { CompilingExecutor } from '../../../types';
import { clustersOf } from './clusters';
import type { Executable, Replacements } from '../../../target/target';
import { TensorFlowLowering } from './tensorflow-lowering';

const XLA: readonly OpAttribute[] = [flag('_XlaMustCompile', true)];

let functionCount = 0;

/** A Program as a TensorFlow function. Called with the arguments, then the captures, both in the program's order. */
export class TensorFlowFunction implements Executable<NativeTensor> {
  private readonly name: string;
  private readonly fns: readonly { readonly name: string; readonly fn: Pointer }[];
  private readonly byReference: ReadonlySet<number>;
  private readonly results: readonly { readonly dtype: number; readonly shape: readonly number[] }[];
  private enqueued = false;

  constructor(
    private readonly runtime: NativeRuntime,
    program: Program,
    private readonly executor: CompilingExecutor,
    private readonly replacements: Replacements = new Map(),
  ) {
    this.byReference = new Set(replacements.values());
    this.results = program.results.map(({ dtype, shape }) => ({ dtype: tensorFlowType(dtype), shape }));
    this.name = `graft_${program.name.replace(/\W+/g, '_')}_${functionCount++}`;
    const lowering = new TensorFlowLowering(runtime, this.name);
    lowering.add(program, executor === 'mixed' ? clustersOf(program) : [], replacements);
    this.fns = lowering.fns;
  }

  /** Results that replace no argument, in order. Arguments that are replaced become variables. */
  call(inputs: readonly NativeTensor[]): NativeTensor[] {
    return this.runtime.execute(this.name, this.attributes, inputs, this.returned, this.byReference);
  }

  callAsync(inputs: readonly NativeTensor[]): Promise<NativeTensor[]> {
    return this.runtime.executeAsync(this.name, this.attributes, inputs, this.returned, this.byReference);
  }

  /** Results that are not computed yet, for a function that replaces no argument. */
  enqueue(inputs: readonly NativeTensor[], label: string): NativeTensor[] {
    this.enqueued = true;
    return this.runtime.enqueue(this.name, this.attributes, inputs, this.results, label);
  }

  dispose(): void {
    const { api, context, sharedStatus } = this.runtime;
    if (this.enqueued) this.runtime.drain();
    for (const { name, fn } of this.fns) {
      api.TFE_ContextRemoveFunction(context, name, sharedStatus);
      api.TF_DeleteFunction(fn);
      this.runtime.check(`removing ${name}`);
    }
  }

  private get attributes(): readonly OpAttribute[] {
    return this.executor === 'xla' ? XLA : [];
  }

  private get returned(): number {
    return this.results.length - this.replacements.size;
  }
}
