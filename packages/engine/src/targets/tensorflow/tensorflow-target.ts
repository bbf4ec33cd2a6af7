import { profileProgram, type OperationProfile } from '../../jit/profile';
import { TensorFlowFunction } from './lower/tensorflow-function';
import { trimMemory } from '../../native/api';
import type { GraftBackend } from '../../native/backend';
import type { KoffiBinding } from '../../native/binding';
import type { NativeTensor } from '../../native/runtime';
import type { Program, Value } from '../../program/program';
import type { Executable, Replacements, Target } from '../../target/target';
import type { tf } from '../../tf';
import type { LayoutHints } from '../../trace/layout-hints';
import type { Tracer } from '../../trace/tracer';
import type { CompilingExecutor } from '../../types';
import { layoutHints, rewriteForTensorFlow } from './rewrites';

/** The native runtime: one for each process. */
export interface NativeBackend {
  backend: GraftBackend;
  binding: KoffiBinding;
  /** The folder that stores compiled programs for later processes, if any. */
  compileCache?: string;
}

/** TensorFlow on this machine's processors, with one of its compiling executors. */
export class TensorFlowTarget implements Target<NativeTensor> {
  readonly hints: LayoutHints | undefined;

  /** `executor`: `eager` records programs, for estimates, and compiles none. */
  constructor(
    private readonly native: NativeBackend,
    private readonly executor: CompilingExecutor | 'eager',
  ) {
    this.hints = layoutHints(executor);
  }

  get compileCache(): string | undefined {
    return this.native.compileCache;
  }

  get activeTracer(): Tracer | undefined {
    return this.native.binding.activeTracer;
  }

  tracing<T>(tracer: Tracer, fn: () => T): T {
    return this.native.backend.tracing(tracer, fn);
  }

  symbol(value: Value, tracer: Tracer): tf.Tensor {
    const { backend, binding } = this.native;
    return backend.wrap(binding.addValue(value, tracer));
  }

  traceValue(tensor: tf.Tensor, tracer: Tracer): Value {
    return this.native.backend.traceValue(tensor, tracer);
  }

  rewrite(program: Program): Program {
    return this.executor === 'eager'
      ? program
      : rewriteForTensorFlow(program, this.executor, this.native.binding.runtime.threads);
  }

  compile(program: Program, replacements: Replacements): Executable<NativeTensor> {
    const executor = this.executor === 'eager' ? 'graph' : this.executor;
    return new TensorFlowFunction(this.native.binding.runtime, program, executor, replacements);
  }

  profile(program: Program, inputs: readonly NativeTensor[]): OperationProfile[] {
    return profileProgram(this.native.binding.runtime, program, inputs);
  }

  bufferOf(dataId: object, operation: string): NativeTensor {
    return this.native.backend.nativeOf(dataId, operation);
  }

  donate(tensor: tf.Tensor, operation: string): NativeTensor {
    return this.native.backend.donate(tensor, operation);
  }

  tensorOf(buffer: NativeTensor): tf.Tensor {
    const { backend, binding } = this.native;
    return backend.wrap(binding.adopt(buffer));
  }

  free(buffer: NativeTensor): void {
    this.native.binding.runtime.deleteTensor(buffer);
  }

  /** A step of XLA's that fails has freed the variables whose memory it was to write to, and would free them once more. */
  freeAfterFailure(buffer: NativeTensor): void {
    const { runtime } = this.native.binding;
    if (this.executor === 'xla') runtime.abandon(buffer);
    else runtime.deleteTensor(buffer);
  }

  reserveLargePages(bytes: number): void {
    this.native.binding.runtime.reserveLargePages(bytes);
  }

  /** The memory of the compiler's threads, hundreds of megabytes for a large step, is not needed again. */
  compiled(): void {
    trimMemory();
  }
}
