/** What the toy's components do wrong on request, for tests of how a run reports it. */
import { tf } from '@graft/engine';
import { z } from 'zod';
import { defineComponent, type Tracker } from '../src';

/** Options of a dataset: the item whose y is not a number, or the first of many. */
export const NAN_OPTIONS = { nanAt: z.number().optional(), nanFrom: z.number().optional() };

export function isNaNItem(index: number, { nanAt, nanFrom = Infinity }: { nanAt?: number; nanFrom?: number }): boolean {
  return index === nanAt || index >= nanFrom;
}

/** Option of a component that is called with each step: the step at which it throws. */
export const FAIL_OPTIONS = { failAt: z.number().optional() };

export function failAt(step: number, options: { failAt?: number }, message: string): void {
  if (step === options.failAt) throw new Error(message);
}

/** What may be wrong with the parameters that an initializer yields. */
export const PARAMETER_FAULTS = z.enum(['missing', 'twice', 'unknown', 'shape', 'dtype']);

type NamedTensor = [string, tf.Tensor];

/** The parameters with that fault: `b` is missing or comes twice, `w` has another shape, all have another dtype. */
export async function* withFault(
  fault: z.output<typeof PARAMETER_FAULTS> | undefined,
  parameters: AsyncIterable<NamedTensor>,
): AsyncGenerator<NamedTensor> {
  for await (const [name, tensor] of parameters) {
    if (fault === 'missing' && name === 'b') tensor.dispose();
    else if (fault === 'shape' && name === 'w') yield [name, replaced(tensor, () => tensor.expandDims(-1))];
    else if (fault === 'dtype') yield [name, replaced(tensor, () => tensor.toInt())];
    else yield [name, tensor];
    if (fault === 'twice' && name === 'b') yield [name, tf.zeros(tensor.shape)];
  }
  if (fault === 'unknown') yield ['stranger', tf.zeros([1])];
}

function replaced(tensor: tf.Tensor, make: () => tf.Tensor): tf.Tensor {
  const other = make();
  tensor.dispose();
  return other;
}

export const brokenTracker = defineComponent({
  interface: 'tracker',
  id: 'broken',
  description: 'fails in every method',
  options: z.strictObject({}),
  useFactory: (): Tracker => ({
    start: () => Promise.reject(new Error('no server')),
    log: () => {
      throw new Error('no server');
    },
    finish: () => Promise.reject(new Error('no server')),
  }),
});
