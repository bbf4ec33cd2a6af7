import { defineComponent, type Callback, type JsonValue, type StepInfo } from '@graft/core';
import { z } from 'zod';

/** Ends the training when a metric has not improved for some steps. */
export const myPluginOptions = z.strictObject({
  metric: z.string().default('loss').describe('a metric of the training steps; smaller is better'),
  patienceSteps: z.int().positive().default(200).describe('steps without an improvement after which training ends'),
});

export type MyPluginOptions = z.output<typeof myPluginOptions>;

interface State {
  readonly best: number | null;
  readonly bestStep: number;
}

export class MyPlugin implements Callback {
  private current: State = { best: null, bestStep: 0 };

  constructor(private readonly options: MyPluginOptions) {}

  onStep(info: StepInfo): void {
    const { step, metrics } = info;
    const { metric, patienceSteps } = this.options;
    const value = metrics[metric];
    if (value !== undefined && (this.current.best === null || value < this.current.best))
      this.current = { best: value, bestStep: step };
    if (step - this.current.bestStep >= patienceSteps)
      info.stop(`${metric} has not improved for ${patienceSteps} steps`);
  }

  /** Saved with every checkpoint, and restored when a run is resumed. */
  state(): JsonValue {
    return { ...this.current };
  }

  restore(state: JsonValue): void {
    this.current = state as unknown as State;
  }
}

export const myPlugin = defineComponent({
  interface: 'callback',
  id: 'my-plugin',
  description: 'ends the training when a metric no longer improves',
  options: myPluginOptions,
  useFactory: ({ options }) => new MyPlugin(options),
});
