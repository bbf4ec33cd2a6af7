import type { KoffiBinding } from '../native/binding';
import { TF } from '../native/dtypes';
import type { OpAttribute } from '../native/runtime';

export const dtypeAttribute = (name: string, value: number): OpAttribute => ({ name, type: 4, value });
export const flag = (name: string, value: boolean): OpAttribute => ({ name, type: 3, value });
export const FLOAT = dtypeAttribute('T', TF.FLOAT);

/** Operations of one result each, by the ids of their inputs; `end` keeps one result and forgets what led to it. */
export class OperationChain {
  private readonly made: number[] = [];

  constructor(private readonly binding: KoffiBinding) {}

  run(op: string, attributes: readonly OpAttribute[], inputs: readonly number[]): number {
    return this.keep(this.binding.executeOp(op, attributes, inputs, 1)[0].id);
  }

  /** int32 [n]. */
  ints(...values: number[]): number {
    return this.keep(this.binding.createTensor([values.length], TF.INT32, values));
  }

  /** An id that goes with the chain. */
  keep(id: number): number {
    this.made.push(id);
    return id;
  }

  end(result: number): number {
    for (const id of this.made) if (id !== result) this.binding.deleteTensor(id);
    return result;
  }
}
