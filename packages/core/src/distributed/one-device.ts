import type { tf } from '@graft/engine';
import type { BatchTensors, OptimizerState, Parameters } from '../interfaces';
import type { AverageUse, PlacedState, Placement, SavedState, StoredState } from './placement';

/** Everything is on one device, in this process. */
export class OneDevice implements Placement {
  readonly savesAlone = true;

  own<T>(byParameter: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
    return byParameter;
  }

  updated(_before: Parameters, own: Parameters): Promise<Parameters> {
    return Promise.resolve(own);
  }

  pass<T>(compute: () => T): T {
    return compute();
  }

  gradients(gradients: Parameters): Parameters {
    return gradients;
  }

  place(_name: string, _value: tf.Tensor): Promise<void> {
    return Promise.resolve();
  }

  parameters(read: Parameters | undefined): Promise<Parameters> {
    return Promise.resolve(read!);
  }

  newState(fresh: OptimizerState): Promise<OptimizerState> {
    return Promise.resolve(fresh);
  }

  savedState(fresh: OptimizerState, saved: SavedState | undefined): Promise<OptimizerState> {
    return saved!.state(fresh);
  }

  newAverage(parameters: Parameters): Promise<Parameters> {
    return Promise.resolve(copies(parameters));
  }

  savedAverage(saved: SavedState | undefined): Promise<Parameters> {
    return saved!.average();
  }

  describe(_state: PlacedState): string | undefined {
    return undefined;
  }

  batch(_fields: BatchTensors): Promise<void> {
    return Promise.resolve();
  }

  stored({ state, average }: PlacedState): Promise<StoredState> {
    return Promise.resolve({ optimizer: state, average });
  }

  withAverage(average: Parameters, { evaluate }: AverageUse): Promise<void> {
    return evaluate(average);
  }
}

/** Copies by name: a moving average starts equal to the parameters. */
export const copies = (parameters: Parameters): Parameters =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value.clone()]));
