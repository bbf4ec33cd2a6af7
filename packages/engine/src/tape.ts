import { tf } from './tf';

/** The part of tfjs's engine that controls whether and where operations are recorded for gradients. */
export interface TapeState {
  activeTape: { saved?: tf.Tensor[] }[] | null;
  gradientDepth: number;
  kernelDepth: number;
}

export const tapeState = (): TapeState => (tf.engine() as unknown as { state: TapeState }).state;

/** The id of the next tensor; later tensors have greater ids. This consumes the id: no tensor will get it. */
export const nextTensorId = (): number => (tf.engine() as unknown as { nextTensorId(): number }).nextTensorId();
