import type { Precision } from './types';

let inForce: Precision = 'float32';

/** The current precision of matrix multiplications. */
export function currentPrecision(): Precision {
  return inForce;
}

/** Runs `fn` (synchronously) with that precision for the operands of matrix multiplications, gradients included. */
export function withPrecision<T>(precision: Precision, fn: () => T): T {
  const before = inForce;
  inForce = precision;
  try {
    return fn();
  } finally {
    inForce = before;
  }
}
