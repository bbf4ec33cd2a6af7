import { tf } from './tf';

/** The part of tfjs's engine that says whether and where operations are recorded for gradients. */
export interface TapeState {
  activeTape: { saved?: tf.Tensor[] }[] | null;
  gradientDepth: number;
  kernelDepth: number;
}

export const tapeState = (): TapeState => (tf.engine() as unknown as { state: TapeState }).state;
