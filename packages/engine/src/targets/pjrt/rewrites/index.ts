import { rewrite, type Rule } from '../../../program/editor';
import { withoutDeadCode, withoutRepetition } from '../../../program/passes';
import type { Program } from '../../../program/program';
import { rowUpdates } from './row-updates';

/** What XLA compiles badly for accelerators, in the order of the rewritings. */
const RULES: readonly Rule[] = [rowUpdates];

/** The program as a PJRT plugin should get it. */
export function rewriteForPjrt(program: Program): Program {
  return withoutDeadCode(withoutRepetition(RULES.reduce(rewrite, program)));
}
