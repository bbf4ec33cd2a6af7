import type { KoffiBinding } from '../native/binding';
import { TF } from '../native/dtypes';
import type { OpAttribute } from '../native/attributes';

export const dtypeAttribute = (name: string, value: number): OpAttribute => ({ name, type: 4, value });
export const flag = (name: string, value: boolean): OpAttribute => ({ name, type: 3, value });
export const FLOAT = dtypeAttribute('T', TF.FLOAT);
const INDEX = dtypeAttribute('Index', TF.INT32);

/** Operations with one float32 result each, on tensor ids; `end` keeps one result and forgets the intermediate ones. */
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

  reshape(id: number, ...shape: number[]): number {
    return this.run('Reshape', [FLOAT, dtypeAttribute('Tshape', TF.INT32)], [id, this.ints(...shape)]);
  }

  transpose(id: number, ...order: number[]): number {
    return this.run('Transpose', [FLOAT, dtypeAttribute('Tperm', TF.INT32)], [id, this.ints(...order)]);
  }

  slice(id: number, begin: readonly number[], size: readonly number[]): number {
    return this.run('Slice', [FLOAT, INDEX], [id, this.ints(...begin), this.ints(...size)]);
  }

  /** A single part needs no concatenation. */
  concat(ids: readonly number[], axis: number): number {
    if (ids.length === 1) return ids[0];
    const along = this.keep(this.binding.createTensor([], TF.INT32, [axis]));
    const attributes = [FLOAT, { name: 'N', type: 1, value: ids.length }, dtypeAttribute('Tidx', TF.INT32)];
    return this.run('ConcatV2', attributes, [...ids, along]);
  }

  /** Sums the tensors one after the other. */
  sum(ids: readonly number[]): number {
    return ids.reduce((a, b) => this.run('AddV2', [FLOAT], [a, b]));
  }

  /** An id that is freed with the chain. */
  keep(id: number): number {
    this.made.push(id);
    return id;
  }

  end(result: number): number {
    for (const id of this.made) if (id !== result) this.binding.deleteTensor(id);
    return result;
  }
}
