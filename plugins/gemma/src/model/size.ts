/** One side of a model (an encoder, a decoder or a decoder-only model), by the numbers that name its size. */
export interface Size {
  readonly layers: number;
  readonly hidden: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly headDim: number;
  readonly keyValueHeads: number;
}

/** In the order of the published tables. */
export const size = (
  layers: number,
  hidden: number,
  feedForward: number,
  heads: number,
  keyValueHeads: number,
  headDim: number,
): Size => ({
  layers,
  hidden,
  feedForward,
  heads,
  headDim,
  keyValueHeads,
});
