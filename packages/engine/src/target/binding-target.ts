import type { OperationProfile } from '../jit/profile';
import type { Program, Value } from '../program/program';
import type { tf } from '../tf';
import type { GraftBackend } from '../trace/backend';
import type { LayoutHints } from '../trace/layout-hints';
import type { Tracer } from '../trace/tracer';
import type { EagerRuntime, RuntimeTensor } from './runtime';
import type { CompilingTarget, Executable, Replacements } from './target';

/** What targets share whose tensors stand behind a tfjs backend of Graft's: recording, and tensors to buffers and back. */
export abstract class BindingTarget<T extends RuntimeTensor, R extends EagerRuntime<T>> implements CompilingTarget<T> {
  readonly records = true;
  abstract readonly hints: LayoutHints | undefined;

  constructor(protected readonly backend: GraftBackend<T, R>) {}

  get activeTracer(): Tracer | undefined {
    return this.backend.binding.activeTracer;
  }

  tracing<V>(tracer: Tracer, fn: () => V): V {
    return this.backend.tracing(tracer, fn);
  }

  symbol(value: Value, tracer: Tracer): tf.Tensor {
    return this.backend.wrap(this.backend.binding.addValue(value, tracer));
  }

  traceValue(tensor: tf.Tensor, tracer: Tracer): Value {
    return this.backend.traceValue(tensor, tracer);
  }

  bufferOf(dataId: object, operation: string): T {
    return this.backend.nativeOf(dataId, operation);
  }

  donate(tensor: tf.Tensor, operation: string): T {
    return this.backend.donate(tensor, operation);
  }

  tensorOf(buffer: T): tf.Tensor {
    return this.backend.wrap(this.backend.binding.adopt(buffer));
  }

  free(buffer: T): void {
    this.backend.binding.runtime.deleteTensor(buffer);
  }

  freeAfterFailure(buffer: T): void {
    this.free(buffer);
  }

  // The program is for those that choose.
  compilerOf(_program: Program): CompilingTarget<T> {
    return this;
  }

  abstract rewrite(program: Program): Program;
  abstract compile(program: Program, replacements: Replacements): Executable<T>;
  abstract profile(program: Program, inputs: readonly T[]): OperationProfile[];
  abstract reserveLargePages(bytes: number): void;
  abstract compiled(): void;
}
