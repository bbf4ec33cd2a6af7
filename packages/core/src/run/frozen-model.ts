import { PluginError, tf } from '@graft/engine';
import type { ComponentContext } from '../components/context';
import { RUN } from '../components/tokens';
import { buildModel } from '../data/special-tokens';
import type { ComponentFactory, ComponentSpec, Model, Parameters } from '../interfaces';
import { createRandom, STREAMS, type RandomStream } from '../random/streams';
import { fillParameters } from './parameters';

/**
 * A model that a component computes beside the one that trains, and that never changes: a teacher, or the reference of
 * preference tuning. The component disposes it.
 */
export interface FrozenModel {
  readonly model: Model;
  readonly parameters: Parameters;
  /** Frees the parameters. */
  dispose(): void;
}

/** What `loadFrozenModel` makes the model of. */
export interface FrozenModelRequest {
  readonly components: ComponentFactory;
  /** The model's family, by its id or with options. */
  readonly family: ComponentSpec | string;
  /** Makes config and parameters: `{ use: 'load', path }` for a checkpoint. */
  readonly initializer: ComponentSpec;
  /** For parameters that the initializer draws. */
  readonly random: RandomStream;
  /** Receives the model in place of its parameters, which are not loaded. Default: they are. */
  readonly onModel?: (model: Model) => void;
}

/** Loads a model with the same components as a run's own. The caller disposes it. */
export async function loadFrozenModel({
  components,
  family,
  initializer: spec,
  random,
  onModel,
}: FrozenModelRequest): Promise<FrozenModel> {
  const initializer = await components.create('initializer', spec);
  const model = buildModel(await components.create('model', family), await initializer.checkpointConfig());
  onModel?.(model);
  const parameters = onModel ? {} : await fillParameters(model, initializer, random);
  return { model, parameters, dispose: () => tf.dispose(parameters as unknown as tf.TensorContainer) };
}

/**
 * The model of a checkpoint's folder, of the family of the component's run. The caller disposes it. Throws PluginError
 * outside a run.
 */
export async function loadFrozenCheckpoint(folder: string, context: ComponentContext): Promise<FrozenModel> {
  const { components, random } = context;
  const { modelFamily: family, onFrozenModel: onModel } = context.resolve(RUN);
  if (family === undefined) {
    throw new PluginError('A model beside the trained one is of the family of its run, and this run names none.', {
      code: 'run.no-family',
      hint: 'Give `modelFamily` in the run that the components are made for.',
    });
  }
  return loadFrozenModel({ components, family, initializer: { use: 'load', path: folder }, random, onModel });
}

/**
 * The model that the run of a component begins with, in a resumed run too: it reads what the initializer reads, and draws
 * what it draws. Without the adapter from which `train.lora` may start. Throws PluginError outside a run.
 */
export async function loadInitialModel(context: ComponentContext): Promise<FrozenModel> {
  const { components } = context;
  const { initial, onFrozenModel: onModel } = context.resolve(RUN);
  if (!initial) {
    throw new PluginError('The model that a run begins with is asked for, but this run does not say what it is.', {
      code: 'run.no-initial-model',
      hint: 'Give `initial` in the run that the components are made for.',
    });
  }
  const { model: family, initializer, seed } = initial;
  const random = createRandom(seed).fork(STREAMS.init);
  return loadFrozenModel({ components, family, initializer, random, onModel });
}
