import type { Model } from '../interfaces';
import type { StepForm } from './step';

/** The model of a run at each of its steps: see `Model.transition`. */
export class ChangingModel {
  private last: { readonly steps: number; readonly model: Model } | undefined;

  /** `from`: steps that were done when the model was built. */
  constructor(
    private readonly model: Model,
    private readonly from: number,
  ) {}

  /** The form of the step after `done` ones. */
  formOfStep(done: number): StepForm {
    const { transition } = this.model;
    if (!transition) return {};
    return done - this.from < transition.steps ? { changesSince: this.from } : { hasChanged: true };
  }

  /** The model after `done` steps; the same object as long as it stays the same. */
  after(done: number): Model {
    const { transition } = this.model;
    if (!transition) return this.model;
    const steps = Math.min(done - this.from, transition.steps);
    if (this.last?.steps !== steps) this.last = { steps, model: transition.at(steps) };
    return this.last.model;
  }
}
