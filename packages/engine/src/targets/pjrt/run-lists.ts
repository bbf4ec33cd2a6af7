import { addressOf, words } from './memory';

/** The lists that a run points to, for each device. They are used by one run after the other. */
export class RunLists {
  /** By device. */
  readonly inputs: readonly BigUint64Array[];
  readonly outputs: readonly BigUint64Array[];
  readonly events: BigUint64Array;
  /** Lists by device. */
  readonly inputLists: BigInt64Array;
  readonly outputLists: BigInt64Array;

  constructor(
    readonly inputCount: number,
    outputCount: number,
    deviceCount: number,
  ) {
    // An empty array has no address.
    const lists = (length: number): BigUint64Array[] =>
      Array.from({ length: deviceCount }, () => new BigUint64Array(Math.max(1, length)));
    this.inputs = lists(inputCount);
    this.outputs = lists(outputCount);
    this.events = new BigUint64Array(deviceCount);
    this.inputLists = words(this.inputs.map(addressOf));
    this.outputLists = words(this.outputs.map(addressOf));
  }
}
