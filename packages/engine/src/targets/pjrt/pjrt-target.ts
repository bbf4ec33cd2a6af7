import { EngineError } from '@graft/errors';
import type { OperationProfile } from '../../jit/profile';
import type { Program } from '../../program/program';
import { BindingTarget } from '../../target/binding-target';
import type { Executable as TargetExecutable, Replacements } from '../../target/target';
import { openMeshes } from '../../mesh/open-meshes';
import { currentPrecision } from '../../precision';
import type { GraftBackend } from '../../trace/backend';
import type { LayoutHints } from '../../trace/layout-hints';
import { findRule } from '../stablehlo/rules';
import type { TensorBuffer } from './buffer';
import { fusesAttentionOn } from './fuses-attention';
import type { PjrtRuntime, PjrtTensor } from './pjrt-runtime';
import { ProgramVariants } from './program-variants';
import { rewriteForPjrt } from './rewrites';

/** A device behind a PJRT plugin. `shortCalls`: as for `engine.jit`. */
export class PjrtTarget extends BindingTarget<PjrtTensor, PjrtRuntime> {
  constructor(
    backend: GraftBackend<PjrtTensor, PjrtRuntime>,
    private readonly shortCalls = false,
  ) {
    super(backend);
  }

  readonly hints: LayoutHints = {
    prefersTransposedKeys: () => false,
    fusesAttention: (sizes) =>
      fusesAttentionOn(
        { device: this.runtime.client.platform, precision: currentPrecision(), onMesh: openMeshes.any },
        sizes,
      ),
  };

  private get runtime(): PjrtRuntime {
    return this.backend.binding.runtime;
  }

  lowers(op: string): boolean {
    return findRule(op) !== undefined;
  }

  rewrite(program: Program): Program {
    return rewriteForPjrt(program);
  }

  compile(program: Program, replacements: Replacements): TargetExecutable<PjrtTensor> {
    return new PjrtProgram(this.runtime, program, replacements, this.shortCalls);
  }

  profile(): OperationProfile[] {
    throw new EngineError('The PJRT target cannot be profiled operation by operation.', { code: 'engine.profile' });
  }

  /** Devices have pages of their own. */
  reserveLargePages(): void {}

  compiled(): void {}
}

/** A program on a device, or on those of a mesh; it is compiled by its first call. */
class PjrtProgram implements TargetExecutable<PjrtTensor> {
  private readonly variants: ProgramVariants;

  constructor(
    private readonly runtime: PjrtRuntime,
    program: Program,
    private readonly replacements: Replacements,
    shortCalls: boolean,
  ) {
    this.variants = new ProgramVariants(runtime.client, program, replacements, { shortCalls });
  }

  call(inputs: readonly PjrtTensor[]): PjrtTensor[] {
    const variant = this.variants.for(inputs);
    variant.compileSync();
    return this.taken(variant.run(inputs), inputs);
  }

  async callAsync(inputs: readonly PjrtTensor[]): Promise<PjrtTensor[]> {
    const variant = this.variants.for(inputs);
    const run = (): PjrtTensor[] => this.taken(variant.run(inputs), inputs);
    const results = variant.isCompiled
      ? run()
      : await this.runtime.during(inputs, async () => {
          await variant.compile();
          return run();
        });
    // A call that failed rejects here, not where a result is read.
    await Promise.all([...results, ...this.replaced(inputs)].slice(0, 1).map(({ buffer }) => buffer.ready()));
    return results;
  }

  /** A run returns before its results are computed, whatever it is called. */
  enqueue(inputs: readonly PjrtTensor[], label: string): PjrtTensor[] {
    return this.call(inputs).map((tensor) => ({ ...tensor, pending: label }));
  }

  dispose(): void {
    this.variants.dispose();
  }

  private replaced(inputs: readonly PjrtTensor[]): PjrtTensor[] {
    return [...this.replacements.values()].map((position) => inputs[position]);
  }

  /** Results that replace an argument become that argument's buffer; the others are returned. */
  private taken(results: readonly TensorBuffer[], inputs: readonly PjrtTensor[]): PjrtTensor[] {
    const returned: PjrtTensor[] = [];
    results.forEach((buffer, i) => {
      const position = this.replacements.get(i);
      if (position === undefined) returned.push(this.runtime.own(buffer));
      else Object.assign(inputs[position], { buffer, host: undefined });
    });
    return returned;
  }
}
