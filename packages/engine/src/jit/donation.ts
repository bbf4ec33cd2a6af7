import { EngineError } from '@graft/errors';
import type { Program, Value } from '../program/program';
import type { Replacements } from '../target/target';

/** How a call uses its donated arguments. */
export interface DonationPlan {
  /** The program without the results that are a donated argument, unchanged. */
  readonly program: Program;
  /** Those results, by place, with the argument's position. */
  readonly aliased: ReadonlyMap<number, number>;
  readonly replacements: Replacements;
}

/** A result at the path of a donated argument of the same type gets its memory. */
export function planDonation(
  program: Program,
  donated: readonly number[],
  argumentPaths: readonly string[],
  resultPaths: readonly string[],
): DonationPlan {
  const aliased = new Map<number, number>();
  const replacements = new Map<number, number>();
  const argumentAt = new Map(donated.map((position) => [argumentPaths[position], position]));
  const kept: Value[] = [];
  program.results.forEach((value, i) => {
    const position = argumentAt.get(resultPaths[i]);
    const argument = position === undefined ? undefined : program.arguments[position].outputs[0];
    if (argument && value === argument) {
      aliased.set(i, position!);
      return;
    }
    kept.push(value);
    if (argument?.dtype === value.dtype && argument.shape.join() === value.shape.join())
      replacements.set(kept.length - 1, position!);
  });
  return { program: { ...program, results: kept }, aliased, replacements };
}

/**
 * All results: those that the call returned, and the donated arguments that it replaced or returned, which are removed
 * from `donations`.
 */
export function resultsInOrder<B>(
  { aliased, replacements }: Pick<DonationPlan, 'aliased' | 'replacements'>,
  returned: readonly B[],
  donations: Map<number, B>,
): B[] {
  const count = aliased.size + replacements.size + returned.length;
  const outputs: B[] = [];
  let kept = 0;
  let next = 0;
  for (let i = 0; i < count; i++) {
    const position = aliased.get(i) ?? replacements.get(kept);
    if (!aliased.has(i)) kept++;
    if (position === undefined) {
      outputs.push(returned[next++]);
      continue;
    }
    outputs.push(donations.get(position)!);
    donations.delete(position);
  }
  return outputs;
}

export function donatedTwice(name: string): EngineError {
  return new EngineError(`jit "${name}" was given one tensor twice among its donated arguments.`, {
    code: 'engine.consumed-twice',
    hint: 'Give it a clone of the tensor at one of the two places.',
  });
}
