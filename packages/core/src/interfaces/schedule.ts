/** Scales the learning rate by step. */
export interface Schedule {
  /**
   * `step`: completed steps before this one, from 0; `totalSteps`: steps of the run. Returns a finite factor >= 0,
   * usually <= 1.
   */
  factor(step: number, totalSteps: number): number;
}
