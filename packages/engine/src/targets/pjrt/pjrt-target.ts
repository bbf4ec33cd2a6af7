import { EngineError } from '@graft/errors';
import type { OperationProfile } from '../../jit/profile';
import type { Program } from '../../program/program';
import { BindingTarget } from '../../target/binding-target';
import type { Executable as TargetExecutable, Replacements } from '../../target/target';
import { currentPrecision } from '../../precision';
import type { LayoutHints } from '../../trace/layout-hints';
import { lowerToStableHlo } from '../stablehlo/lower';
import { findRule } from '../stablehlo/rules';
import { hasKernels } from '../stablehlo/triton/tilings';
import type { Executable } from './executable';
import type { PjrtRuntime, PjrtTensor } from './pjrt-runtime';
import { rewriteForPjrt } from './rewrites';

/** A device behind a PJRT plugin. */
export class PjrtTarget extends BindingTarget<PjrtTensor, PjrtRuntime> {
  readonly hints: LayoutHints = {
    prefersTransposedKeys: () => false,
    // The kernels' products have bfloat16 operands.
    fusesAttention: (sizes) =>
      this.runtime.client.platform === 'cuda' && currentPrecision() === 'bfloat16' && hasKernels(sizes),
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
    return new PjrtProgram(this.runtime, program, replacements);
  }

  profile(): OperationProfile[] {
    throw new EngineError('The PJRT target cannot be profiled operation by operation.', { code: 'engine.profile' });
  }

  /** Devices have pages of their own. */
  reserveLargePages(): void {}

  compiled(): void {}
}

/** A program on a device; it is compiled by its first call. */
class PjrtProgram implements TargetExecutable<PjrtTensor> {
  private executable: Executable | undefined;
  private readonly code: string;

  constructor(
    private readonly runtime: PjrtRuntime,
    private readonly program: Program,
    private readonly replacements: Replacements,
  ) {
    this.code = lowerToStableHlo(program, { replacements, platform: runtime.client.platform });
  }

  call(inputs: readonly PjrtTensor[]): PjrtTensor[] {
    this.executable ??= this.runtime.client.compileSync(this.code, { name: this.program.name });
    return this.run(this.executable, inputs);
  }

  async callAsync(inputs: readonly PjrtTensor[]): Promise<PjrtTensor[]> {
    const { client } = this.runtime;
    const results = this.executable
      ? this.run(this.executable, inputs)
      : await this.runtime.during(inputs, async () => {
          const compiled = await client.compile(this.code, { name: this.program.name });
          // Another call may have compiled it meanwhile.
          if (this.executable) compiled.dispose();
          else this.executable = compiled;
          return this.run(this.executable, inputs);
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
    this.executable?.dispose();
    this.executable = undefined;
  }

  private replaced(inputs: readonly PjrtTensor[]): PjrtTensor[] {
    return [...this.replacements.values()].map((position) => inputs[position]);
  }

  /** Results that replace an argument become that argument's buffer; the others are returned. */
  private run(executable: Executable, inputs: readonly PjrtTensor[]): PjrtTensor[] {
    const results = executable.execute(inputs.map(({ buffer }) => buffer));
    const returned: PjrtTensor[] = [];
    results.forEach((buffer, i) => {
      const position = this.replacements.get(i);
      if (position === undefined) returned.push(this.runtime.own(buffer));
      else Object.assign(inputs[position], { buffer, host: undefined });
    });
    return returned;
  }
}
