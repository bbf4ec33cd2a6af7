import type { Emitter, Hlo } from './emitter';

/** Dimensions of the two operands of a product: those that both keep, and those that are summed over. */
export interface Contraction {
  readonly batch: readonly [readonly number[], readonly number[]];
  readonly summed: readonly [readonly number[], readonly number[]];
}

const listed = (values: readonly number[]): string => `[${values.join(', ')}]`;

/**
 * The batch dimensions, then what is left of the first operand, then of the second. float32 at full precision, which
 * GPUs would else reduce; bfloat16 and float16 with sums in float32, rounded once. GPUs do that by themselves for a
 * narrow result, which takes half the memory of one that is rounded afterwards.
 */
export function dot(to: Emitter, a: Hlo, b: Hlo, { batch, summed }: Contraction): Hlo {
  const isNarrow = a.dtype === 'bfloat16' || a.dtype === 'float16';
  const left = [a, b].map(({ shape }, at) =>
    shape.filter((_, axis) => !batch[at].includes(axis) && !summed[at].includes(axis)),
  );
  const shape = [...batch[0].map((axis) => a.shape[axis]), ...left[0], ...left[1]];
  const precision = isNarrow ? 'DEFAULT' : 'HIGHEST';
  const dims = [
    `lhs_batching_dimensions = ${listed(batch[0])}`,
    `rhs_batching_dimensions = ${listed(batch[1])}`,
    `lhs_contracting_dimensions = ${listed(summed[0])}`,
    `rhs_contracting_dimensions = ${listed(summed[1])}`,
  ];
  const product = to.op('dot_general', [a, b], { dtype: isNarrow && !to.roundsProducts ? 'float32' : a.dtype, shape }, [
    `dot_dimension_numbers = #stablehlo.dot<${dims.join(', ')}>`,
    `precision_config = [#stablehlo<precision ${precision}>, #stablehlo<precision ${precision}>]`,
  ]);
  return to.convert(product, a.dtype);
}
