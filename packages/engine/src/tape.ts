import { tf } from './tf';

/** The part of tfjs's engine that says whether and where operations are recorded for gradients. */
export interface TapeState {
  activeTape: { saved?: tf.Tensor[] }[] | null;
  gradientDepth: number;
  kernelDepth: number;
}

export const tapeState = (): TapeState => (tf.engine() as unknown as { state: TapeState }).state;

/** The number of the next tensor; later ones have greater numbers. Takes it: no tensor will have it. */
export const nextTensorId = (): number => (tf.engine() as unknown as { nextTensorId(): number }).nextTensorId();
