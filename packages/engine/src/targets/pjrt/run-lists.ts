import { addressOf, words } from './memory';

/** The lists that a run points to, for one device. They are used by one run after the other. */
export class RunLists {
  readonly inputs: BigUint64Array;
  readonly outputs: BigUint64Array;
  readonly event = new BigUint64Array(1);
  /** Lists by device. */
  readonly inputLists: BigInt64Array;
  readonly outputLists: BigInt64Array;

  constructor(
    readonly inputCount: number,
    outputCount: number,
  ) {
    // An empty array has no address.
    this.inputs = new BigUint64Array(Math.max(1, inputCount));
    this.outputs = new BigUint64Array(Math.max(1, outputCount));
    this.inputLists = words([addressOf(this.inputs)]);
    this.outputLists = words([addressOf(this.outputs)]);
  }
}
