import { estimateMemory } from '../program/memory';
import type { Program } from '../program/program';
import type { CaptureSource, CompilingTarget, Executable } from '../target/target';
import { tf } from '../tf';
import type { Tree } from '../types';
import { donatedTwice, planDonation, resultsInOrder, type DonationPlan } from './donation';
import type { Recorded } from './record';
import { treeMap, treePaths } from './tree';

/** What a call was given: the inputs of the program, and those of them that were donated, by position. */
export interface GivenInputs<B> {
  readonly inputs: readonly B[];
  readonly donations: Map<number, B>;
}

/** A function compiled for one signature. */
export class CompiledFunction<B> {
  /** Bytes that a call needs in addition to its inputs, estimated. */
  readonly temporaryBytes: number;
  readonly operations: number;
  private readonly plan: DonationPlan;
  private readonly captures: readonly CaptureSource[];
  private readonly executable: Executable<B>;
  private readonly result: unknown;
  private readonly target: CompilingTarget<B>;
  private hasRun = false;

  /** `donated`: positions of the donated leaves of `args`. */
  constructor(
    target: CompilingTarget<B>,
    private readonly where: string,
    { program, result }: Recorded,
    args: readonly unknown[],
    private readonly donated: readonly number[],
    onEstimate: (temporaryBytes: number) => void,
  ) {
    this.target = target.compilerOf(program);
    const rewritten = this.target.rewrite(program);
    this.captures = capturesOf(rewritten);
    this.plan = planDonation(rewritten, donated, treePaths(args[0]), treePaths(result));
    this.result = result;
    const { program: planned, replacements } = this.plan;
    this.operations = planned.nodes.length;
    this.temporaryBytes = estimateMemory(planned, new Set([...replacements.keys()].map((at) => planned.results[at])));
    onEstimate(this.temporaryBytes);
    this.executable = this.target.compile(planned, replacements);
  }

  /** Whether a call has succeeded: the first one compiles. */
  get ran(): boolean {
    return this.hasRun;
  }

  /** The inputs of a call. From here on, donated leaves belong to it. */
  take(leaves: readonly tf.Tensor[], name: string): GivenInputs<B> {
    const { target, where } = this;
    const inputs = leaves.map((leaf) => target.bufferOf(leaf.dataId, where));
    for (const source of this.captures) inputs.push(target.bufferOf(currentId(source), `${where} (a captured tensor)`));
    // Only now: nothing before the computation itself can fail any more.
    const donations = new Map<number, B>();
    for (const position of this.donated) {
      if (leaves[position].isDisposed) throw donatedTwice(name);
      donations.set(position, (inputs[position] = target.donate(leaves[position], where)));
    }
    return { inputs, donations };
  }

  call({ inputs }: GivenInputs<B>): B[] {
    return this.executable.call(inputs);
  }

  /** Computes on another thread. `mayEnqueue`: it may return results before they are computed. */
  async callLater({ inputs }: GivenInputs<B>, mayEnqueue: boolean): Promise<B[]> {
    // The first call compiles and is awaited; so is a call with donated arguments.
    const enqueues = mayEnqueue && this.hasRun && this.donated.length === 0;
    return enqueues ? this.executable.enqueue(inputs, this.where) : this.executable.callAsync(inputs);
  }

  /** The function's result around what a call returned. */
  wrap(returned: readonly B[], { donations }: GivenInputs<B>): unknown {
    const { target } = this;
    if (!this.hasRun) {
      this.hasRun = true;
      target.compiled();
    }
    const outputs = resultsInOrder(this.plan, returned, donations);
    for (const left of donations.values()) target.free(left);
    const tensors = outputs.map((output) => target.tensorOf(output));
    return treeMap(this.result as Tree, (_, position) => tensors[position]);
  }

  /** After a call that failed: frees what was donated to it, if the failure left that to be freed. */
  freeDonations({ donations }: GivenInputs<B>): void {
    for (const buffer of donations.values()) this.target.freeAfterFailure(buffer);
  }

  dispose(): void {
    this.executable.dispose();
  }
}

const currentId = ({ dataId, variable }: CaptureSource): object => variable?.dataId ?? dataId;

/** Where the captures of a program are, in its order. */
export function capturesOf({ captures }: Program): CaptureSource[] {
  const variables = new Map<object, tf.Variable>();
  for (const variable of Object.values(tf.engine().registeredVariables)) variables.set(variable.dataId, variable);
  return captures.map(({ source }) => ({ dataId: source as object, variable: variables.get(source as object) }));
}
