import { rewrite, type Rule } from '../../../program/editor';
import { withoutDeadCode, withoutRepetition } from '../../../program/passes';
import type { Program } from '../../../program/program';
import type { LayoutHints } from '../../../trace/layout-hints';
import { currentPrecision } from '../../../precision';
import type { CompilingExecutor, Executor } from '../../../types';
import { barriers } from './barriers';
import { fewPackedRows } from './few-packed-rows';
import { fewQueries, prefersTransposedKeys } from './few-queries';
import { fewRows } from './few-rows';
import { largeSums } from './large-sums';
import { recomputedAtBorders } from './recomputed-borders';
import { reducedProducts } from './reduced-products';
import { wideProducts } from './wide-products';

/** What XLA's CPU compiler compiles badly, in the order of the rewritings, by what compiles the program. */
function rulesFor(executor: CompilingExecutor, threads: number): readonly Rule[] {
  switch (executor) {
    case 'xla':
      return [barriers, largeSums, fewPackedRows, fewRows(threads), fewQueries, reducedProducts];
    case 'mixed':
      return [reducedProducts];
    case 'graph':
      return [];
  }
}

/** The program as TensorFlow should get it for that executor. */
export function rewriteForTensorFlow(program: Program, executor: CompilingExecutor, threads: number): Program {
  const rules = rulesFor(executor, threads);
  if (rules.length === 0) return program;
  const rewritten = withoutDeadCode(withoutRepetition(rules.reduce(rewrite, program)));
  return executor === 'mixed' ? withoutDeadCode(recomputedAtBorders(rewritten)) : rewritten;
}

/** As for `xla`, for a program whose products were to be of bfloat16 numbers: they are of float32 ones. */
export function rewriteWidened(program: Program, threads: number): Program {
  return rewriteForTensorFlow(rewrite(program, wideProducts), 'xla', threads);
}

/** Layouts that these rewritings pay for; undefined: none. */
export function layoutHints(executor: Executor): LayoutHints | undefined {
  return executor === 'xla' ? FLOAT_LAYOUTS : undefined;
}

const FLOAT_LAYOUTS: LayoutHints = {
  prefersTransposedKeys: (...sizes) => currentPrecision() === 'float32' && prefersTransposedKeys(...sizes),
  fusesAttention: () => false,
};
