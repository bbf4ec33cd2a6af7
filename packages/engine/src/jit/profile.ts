/** Time of the operations of one kind, on one kind of operands, in one run. */
export interface OperationProfile {
  readonly op: string;
  /** dtypes and shapes of the operands. */
  readonly operands: string;
  readonly count: number;
  readonly milliseconds: number;
}
