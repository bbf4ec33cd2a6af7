import { profileProgram } from './profile-program';
import type { OperationProfile } from '../../jit/profile';
import { TensorFlowFunction } from './lower/tensorflow-function';
import { trimMemory } from './native/allocator';
import type { GraftBackend } from '../../trace/backend';
import type { KernelBinding } from '../../trace/binding';
import type { NativeRuntime, NativeTensor } from './native/runtime';
import type { Program } from '../../program/program';
import { BindingTarget } from '../../target/binding-target';
import type { Executable, Replacements } from '../../target/target';
import type { LayoutHints } from '../../trace/layout-hints';
import type { CompilingExecutor } from '../../types';
import { layoutHints, rewriteForTensorFlow, rewriteWidened } from './rewrites';
import { hasFewPackedRows } from './rewrites/few-packed-rows';

/** The native runtime: one for each process. */
export interface NativeBackend {
  backend: GraftBackend<NativeTensor, NativeRuntime>;
  binding: KernelBinding<NativeTensor, NativeRuntime>;
  /** The folder that stores compiled programs for later processes, if any. */
  compileCache?: string;
}

/** TensorFlow on this machine's processors, with one of its compiling executors. */
export class TensorFlowTarget extends BindingTarget<NativeTensor, NativeRuntime> {
  readonly hints: LayoutHints | undefined;

  /** `executor`: `eager` records programs, for estimates, and compiles none. */
  constructor(
    protected readonly native: NativeBackend,
    private readonly executor: CompilingExecutor | 'eager',
  ) {
    super(native.backend);
    this.hints = layoutHints(executor);
  }

  get compileCache(): string | undefined {
    return this.native.compileCache;
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

  /** A step of XLA's that fails has freed the variables whose memory it was to write to, and would free them once more. */
  override freeAfterFailure(buffer: NativeTensor): void {
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

/** XLA's program of float32 products, whatever the precision of those of the trace. */
class WidenedTarget extends TensorFlowTarget {
  constructor(native: NativeBackend) {
    super(native, 'xla');
  }

  override rewrite(program: Program): Program {
    return rewriteWidened(program, this.native.binding.runtime.threads);
  }
}

/**
 * For `mixed` where a call takes so little time that starting its compiled pieces would cost more than they save: one
 * graph; or one program of XLA's where that reads packed weights once for a few rows.
 */
export class ShortCallsTarget extends TensorFlowTarget {
  private readonly whole: TensorFlowTarget;

  constructor(native: NativeBackend) {
    super(native, 'graph');
    this.whole = new WidenedTarget(native);
  }

  override compilerOf(program: Program): TensorFlowTarget {
    return hasFewPackedRows(program) ? this.whole : this;
  }
}
