import { tf, type WorkerGroup } from '@graft/engine';
import { componentName } from '../components/calls';
import type { ComponentFactory, JsonValue, Model, ModelFamily, OptimizerState, Parameters } from '../interfaces';
import type { ExperimentConfig } from '../config';
import { STREAMS, type RandomStream } from '../random/streams';
import { buildModel, EARLIER_POLICY, readSpecialTokens } from '../data/special-tokens';
import type { TrainingParts, TrainingStart } from '../training/loop-types';
import { ParameterGroups } from '../training/parameter-groups';
import { beginCall } from '../util/pending';
import { OptimizerShards, type ShardSpec } from '../distributed/optimizer-shards';
import { checkPosition } from '../data/positions';
import {
  scatterTensors,
  findSnapshot,
  hasAverage,
  readingSnapshot,
  readAverage,
  readOptimizerState,
  readParameters,
} from './snapshots';
import { initialState } from '../training/update';
import { workersOf, type Workers } from '../distributed/workers';
import { fillParameters } from './parameters';

/** What the beginning of a run depends on. */
export interface StartContext {
  readonly config: ExperimentConfig;
  readonly components: ComponentFactory;
  readonly random: RandomStream;
  /** Where the run's snapshots are; undefined in workers that get everything from worker 0. */
  readonly checkpoints?: string;
  readonly group?: WorkerGroup;
}

export interface StartState extends TrainingStart {
  readonly workers?: Workers;
}

type StartParts = Pick<TrainingParts, 'dataset' | 'optimizer'>;

export interface Start {
  readonly model: Model;
  /** Whether the run began before there was a policy for special tokens, and goes on as it began. */
  readonly withoutPolicy: boolean;
  /** Parameters and optimizer state: from the run's newest snapshot, or afresh. */
  readonly begin: (parts: StartParts) => Promise<StartState>;
}

/** Where a run stands, as worker 0 tells the others. */
interface ResumePoint {
  /** The model's checkpoint config, if it comes out of a checkpoint. */
  readonly checkpoint: JsonValue;
  /** Its generation_config.json, likewise. */
  readonly generation: JsonValue;
  readonly step: number;
  readonly data: JsonValue;
  readonly average: boolean;
  readonly withoutPolicy: boolean;
}

/**
 * The model of a run, and what its training begins with. Worker 0 reads or makes everything and the others get it from
 * there: they are equal to the last bit, and need no checkpoints of their own.
 */
export async function findStart(context: StartContext, family: ModelFamily): Promise<Start> {
  const { checkpoints, components, config, group } = context;
  if (checkpoints === undefined) {
    const [resumePoint] = await group!.exchange<ResumePoint | null>(null);
    const { withoutPolicy } = resumePoint!;
    const model = modelOf(context, family, resumePoint!);
    return { model, withoutPolicy, begin: (parts) => begin(context, model, parts, resumePoint!) };
  }
  const snapshot = await findSnapshot(checkpoints, { seed: config.seed, steps: config.train.steps });
  // The run's own checkpoint, not the initializer's: that may be gone or changed by now.
  const initializer = snapshot ? undefined : await components.create('initializer', config.initializer);
  const checkpoint = snapshot ? snapshot.config : await initializer!.checkpointConfig();
  const withoutPolicy = snapshot !== undefined && readSpecialTokens(snapshot.config, snapshot.folder) === undefined;
  const generation = snapshot ? snapshot.generationConfig : await initializer!.generationConfig?.();
  const resumePoint: ResumePoint = {
    checkpoint: (checkpoint ?? null) as JsonValue,
    generation: (generation ?? null) as JsonValue,
    step: snapshot?.state.step ?? 0,
    data: snapshot?.state.data ?? null,
    average: snapshot !== undefined && (await hasAverage(snapshot.folder)),
    withoutPolicy,
  };
  const model = modelOf(context, family, resumePoint);
  if (group) await group.exchange<ResumePoint | null>(resumePoint);
  return {
    model,
    withoutPolicy,
    begin: (parts) =>
      readingSnapshot(snapshot?.folder, () =>
        begin(context, model, parts, resumePoint, {
          folder: snapshot?.folder,
          parameters: () =>
            snapshot
              ? readParameters(snapshot.folder, model)
              : fillParameters(model, initializer!, context.random.fork(STREAMS.init)),
        }),
      ),
  };
}

const modelOf = (
  { config }: StartContext,
  family: ModelFamily,
  { checkpoint, generation, withoutPolicy }: ResumePoint,
): Model =>
  buildModel(family, fromJson(checkpoint), {
    section: config.specialTokens,
    generationConfig: fromJson(generation),
    silent: withoutPolicy ? EARLIER_POLICY : undefined,
  });

const fromJson = (checkpoint: JsonValue): Record<string, unknown> | undefined =>
  (checkpoint ?? undefined) as Record<string, unknown> | undefined;

/** What worker 0, or a run without others, begins with. */
interface StartSource {
  readonly folder?: string;
  parameters(): Promise<Parameters>;
}

async function begin(
  { config, group }: StartContext,
  model: Model,
  { dataset, optimizer }: StartParts,
  { step, data, average: averageKept }: ResumePoint,
  source?: StartSource,
): Promise<StartState> {
  const { train } = config;
  if (step > 0) {
    const end = beginCall(`${componentName(dataset, 'the dataset')} has not gone back to where it was`);
    await dataset.restore(data).finally(end);
  }
  checkPosition(dataset.position(), componentName(dataset, 'The dataset'));
  const own = source && (await source.parameters());
  const parameters = group ? await shared(group, model, own) : own!;
  const owned: tf.TensorContainer[] = [parameters];
  try {
    const trained = ParameterGroups.of(model, train, train.steps).everTrained(parameters);
    const shards =
      group && train.shardOptimizer
        ? OptimizerShards.of(group, model.parameters, (name) => Object.hasOwn(trained, name))
        : undefined;
    const fresh = initialState(optimizer, shards ? shards.own(trained) : trained);
    owned.push(fresh);
    const shardSpecs = await shards?.shardSpecs(fresh);
    const workers = group && workersOf(group, shards && { shards, state: shardSpecs! });
    const state = step === 0 ? fresh : await resumedState({ fresh, shardSpecs, workers, folder: source?.folder });
    owned.push(state);
    const average =
      train.averageDecay === undefined
        ? {}
        : step > 0 && averageKept
          ? await resumedAverage({ model, workers, folder: source?.folder })
          : copies(shards ? shards.own(parameters) : parameters);
    return { parameters, state, average, step, checkpoint: source?.folder, workers };
  } catch (error) {
    tf.dispose(owned);
    throw error;
  }
}

/** Worker 0's parameters in all workers. */
async function shared(group: WorkerGroup, model: Model, own: Parameters | undefined): Promise<Parameters> {
  const specs = model.parameters.map(({ name, shape }) => own?.[name] ?? { shape, dtype: 'float32' as const });
  try {
    const tensors = await group.broadcast(specs, 0);
    return Object.fromEntries(model.parameters.map(({ name }, i) => [name, tensors[i]]));
  } catch (error) {
    if (own) tf.dispose(own);
    throw error;
  }
}

interface Resumed {
  readonly workers?: Workers;
  /** The snapshot; undefined in workers that get everything from worker 0. */
  readonly folder?: string;
}

/** Takes `fresh`, the state as the optimizer begins, over. */
async function resumedState({
  fresh,
  shardSpecs,
  workers,
  folder,
}: Resumed & { fresh: OptimizerState; shardSpecs?: readonly ShardSpec[] }): Promise<OptimizerState> {
  if (!workers) return readOptimizerState(folder!, fresh);
  const { sharded, group } = workers;
  if (sharded) {
    tf.dispose(fresh);
    const tensors = await scattered(sharded.shards, shardSpecs!, 'optimizer', folder);
    return tensors;
  }
  const names = Object.keys(fresh);
  if (folder === undefined) {
    const tensors = await group.broadcast(Object.values(fresh), 0);
    tf.dispose(fresh);
    return Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  }
  const state = await readOptimizerState(folder, fresh);
  await group.broadcast(
    names.map((name) => state[name]),
    0,
  );
  return state;
}

async function resumedAverage({ model, workers, folder }: Resumed & { model: Model }): Promise<Parameters> {
  if (!workers) return (await readAverage(folder!, model))!;
  const { sharded, group } = workers;
  if (sharded) return scattered(sharded.shards, sharded.shards.averageShards(model), 'average', folder);
  return shared(group, model, folder === undefined ? undefined : await readAverage(folder, model));
}

function scattered(
  shards: OptimizerShards,
  shardSpecs: readonly ShardSpec[],
  what: 'optimizer' | 'average',
  folder: string | undefined,
): Promise<Record<string, tf.Tensor>> {
  return folder === undefined
    ? shards.receiveScattered(shardSpecs)
    : scatterTensors(folder, what, shardSpecs, (spec, tensor) => shards.scatter(spec, tensor));
}

/** For the moving average, which begins as the parameters are. */
const copies = (parameters: Parameters): Parameters =>
  Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, value.clone()]));
