import type { OperationProfile } from '../jit/profile';
import type { Program, Value } from '../program/program';
import type { tf } from '../tf';
import type { LayoutHints } from '../trace/layout-hints';
import type { Tracer } from '../trace/tracer';

/** Where to find a captured tensor's current value: a variable follows assignments, a plain tensor never changes. */
export interface CaptureSource {
  readonly dataId: object;
  readonly variable?: tf.Variable;
}

/** Results that get the memory of an argument, by the result's place among the results that are not an argument itself. */
export type Replacements = ReadonlyMap<number, number>;

/** A compiled program. Inputs are the program's arguments, then its captures. B: a value in the target's memory. */
export interface Executable<B> {
  /** Results that replace no argument, in order. */
  call(inputs: readonly B[]): B[];
  /** As `call`, computed on another thread. */
  callAsync(inputs: readonly B[]): Promise<B[]>;
  /** Results that are not computed yet, for a program that replaces no argument. `label` names it in errors. */
  enqueue(inputs: readonly B[], label: string): B[];
  dispose(): void;
}

/** A place where functions run. B: a value in its memory. */
export type Target<B> = CallingTarget | CompilingTarget<B>;

/** A place where functions are called as they are, operation by operation, on tensors of tfjs's own. */
export interface CallingTarget {
  readonly records: false;
}

/** A place where programs run: it compiles them to executables over values in its memory, which stand behind tensors. */
export interface CompilingTarget<B> {
  readonly records: true;
  /** Layouts that it prefers; undefined: none. */
  readonly hints: LayoutHints | undefined;
  /** The folder that keeps compiled programs for later processes, if any. */
  readonly compileCache?: string;

  /** The tracer that records what is called now, if any. */
  readonly activeTracer: Tracer | undefined;
  /** Runs `fn` while `tracer` records it. */
  tracing<T>(tracer: Tracer, fn: () => T): T;
  /** A tensor that stands for a value of a trace. */
  symbol(value: Value, tracer: Tracer): tf.Tensor;
  /** The value of the trace behind a tensor; outside tensors become captures. */
  traceValue(tensor: tf.Tensor, tracer: Tracer): Value;

  /** Whether it can compute an operation. Absent: every one of the table. */
  lowers?(op: string): boolean;
  /** The target that compiles a traced program: this one, unless it chooses by the program. */
  compilerOf(program: Program): CompilingTarget<B>;
  /** The program as it is compiled here. */
  rewrite(program: Program): Program;
  compile(program: Program, replacements: Replacements): Executable<B>;
  /** Runs a rewritten program operation by operation and measures each. */
  profile(program: Program, inputs: readonly B[]): OperationProfile[];

  /** The value behind a tensor; host values are uploaded first. `operation` names the reader in errors. */
  bufferOf(dataId: object, operation: string): B;
  /** The value behind a tensor, which is disposed: the caller owns it. */
  donate(tensor: tf.Tensor, operation: string): B;
  /** A tensor that owns the value. */
  tensorOf(buffer: B): tf.Tensor;
  free(buffer: B): void;
  /** After a call that failed: frees what was donated to it, if the failure left that to be freed. */
  freeAfterFailure(buffer: B): void;
  /** To be called before a call allocates this many bytes that should be in large pages. */
  reserveLargePages(bytes: number): void;
  /** After the first call of a compiled program: gives the compiler's memory back. */
  compiled(): void;
}
