import { tf } from '@graft/engine';
import type { TrainingConfig } from '../config';
import type { Placement, SavedState } from '../distributed/placement';
import type { Model, Optimizer, Parameters } from '../interfaces';
import type { TrainingStart } from '../training/loop-types';
import { averagedNames, ParameterGroups } from '../training/parameter-groups';
import { stored } from '../training/parameter-storage';
import { initialState } from '../training/update';
import { readAverage, readOptimizerState, scatterTensors } from './snapshots';

/** The ingredients of a training's initial state. */
export interface StartRequest {
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly train: TrainingConfig['train'];
  readonly placement: Placement;
  /** Undefined in workers that receive them from worker 0. The function takes ownership of them. */
  readonly parameters?: Parameters;
  readonly step: number;
  /** Whether the snapshot has a moving average. */
  readonly hasAverage: boolean;
  /** The snapshot; undefined at the first step, and in workers that receive everything from worker 0. */
  readonly folder?: string;
}

/** Parameters, optimizer state and moving average where the placement wants them: read from the snapshot, or new. */
export async function readStartState(request: StartRequest): Promise<TrainingStart> {
  const { model, optimizer, train, placement, step, folder } = request;
  const saved = folder === undefined ? undefined : savedIn(folder, model);
  const wide = await placement.parameters(request.parameters);
  const owned: tf.TensorContainer[] = [wide];
  try {
    const trained = ParameterGroups.of(model, train, train.steps).everTrained(wide);
    const own = placement.own(trained);
    const ofOptimizer = initialState(optimizer, own);
    owned.push(ofOptimizer);
    const isFresh = step === 0 || !request.hasAverage;
    const averaged = pick(wide, averagedNames(model));
    const newAverage = train.averageDecay !== undefined && isFresh ? await placement.newAverage(averaged) : undefined;
    owned.push(newAverage ?? {});
    // From here on they belong to the two records.
    const place = (name: string, value: tf.Tensor): Promise<void> => placement.place(name, value);
    const narrowable = new Map(model.parameters.map((spec) => [spec.name, spec]));
    const { parameters, masters } = await stored(wide, own, train, {
      place,
      keepsFloat32: (name) => narrowable.get(name)?.keepsFloat32 ?? false,
    });
    const fresh = { ...ofOptimizer, ...masters };
    owned.push(parameters, masters);
    const state = await (step === 0 ? placement.newState(fresh) : placement.savedState(fresh, saved));
    owned.push(state);
    const average = newAverage ?? (train.averageDecay === undefined ? {} : await placement.savedAverage(saved));
    return { parameters, state, average, step, checkpoint: folder };
  } catch (error) {
    tf.dispose(owned);
    throw error;
  }
}

const pick = (parameters: Parameters, names: ReadonlySet<string>): Parameters =>
  Object.fromEntries(Object.entries(parameters).filter(([name]) => names.has(name)));

const savedIn = (folder: string, model: Model): SavedState => ({
  state: (fresh) => readOptimizerState(folder, fresh),
  average: async () => (await readAverage(folder, model))!,
  scattered: (what, specs, scatter) => scatterTensors(folder, what, { wanted: specs, model }, scatter),
});
