import { ConfigError, type Engine, type MeshAxes, type WorkerGroup } from '@graft/engine';
import type { TrainingConfig } from '../config';
import type { Model, ModelFamily } from '../interfaces';
import type { MeshPlan } from '../training/mesh-memory';
import { ParameterGroups } from '../training/parameter-groups';
import type { Logger } from '../util/logger';
import { MeshPlacement } from '../distributed/mesh-placement';
import { OneDevice } from '../distributed/one-device';
import type { Placement } from '../distributed/placement';
import { planSharding, type ShardingSetting } from '../distributed/sharding-rules';
import { WorkerPlacement } from '../distributed/worker-placement';

/** What decides where a training's tensors are. */
export interface PlacementRequest {
  readonly engine: Engine;
  readonly model: Model;
  readonly family: ModelFamily;
  readonly train: TrainingConfig['train'];
  readonly group?: WorkerGroup;
  /** Whether train.batchSize is that of every batch: ready batches have rows of their own, which are checked as they come. */
  readonly sizesBatches: boolean;
  readonly logger: Logger;
}

/** Throws ConfigError or EngineError if the engine, the model and the mesh of the config do not fit. */
export function createPlacement(request: PlacementRequest): Placement {
  const { model, train, group } = request;
  if (train.mesh) return onMesh(request, train.mesh);
  refuseShardingAlone(train);
  if (!group) return new OneDevice();
  const byName = Object.fromEntries(model.parameters.map((parameter) => [parameter.name, parameter]));
  const trained = ParameterGroups.of(model, train, train.steps).everTrained(byName);
  return new WorkerPlacement({
    group,
    model,
    isTrained: train.shardOptimizer ? (name) => Object.hasOwn(trained, name) : undefined,
    keepsAverage: train.averageDecay !== undefined,
  });
}

/** Throws ConfigError for a sharding without a mesh. */
export function refuseShardingAlone({ mesh, sharding }: TrainingConfig['train']): void {
  if (mesh !== undefined || sharding === undefined) return;
  throw new ConfigError('train.sharding splits parameters over a mesh, but train.mesh is missing.', {
    code: 'training.sharding',
    exitCode: 2,
    hint: 'Leave train.sharding out, or add a mesh, such as train.mesh: { data: 8 }.',
  });
}

/** Where the config's mesh would have a model's parameters. Throws ConfigError if model and mesh do not fit. */
export function planMesh(
  { model, family, train, sizesBatches, logger }: Omit<PlacementRequest, 'engine' | 'group'>,
  mesh: MeshSetting,
): MeshPlan {
  const axes = meshAxes(mesh);
  const sharding = train.sharding ?? defaultSharding(axes);
  const plan = planSharding({ axes, sharding, parameters: model.parameters, tensorSplits: family.tensorSplits });
  if (sizesBatches) checkBatch(train, plan.batchParts);
  if (plan.whole.length > 0)
    logger.warn(
      `${plan.whole.length} matrices are whole on each device, because no dimension that train.sharding would split is a multiple of its axis: ${someOf(plan.whole)}.`,
    );
  return { axes, sharding, plan };
}

export type MeshSetting = NonNullable<TrainingConfig['train']['mesh']>;

function onMesh(request: PlacementRequest, mesh: MeshSetting): Placement {
  if (request.group)
    throw new ConfigError('train.mesh shares the work over the devices of one process, but the run has workers.', {
      code: 'training.mesh',
      exitCode: 2,
      hint: 'Leave out train.mesh, or --workers and --local-workers.',
    });
  const { axes, plan } = planMesh(request, mesh);
  return new MeshPlacement(request.model, request.engine.mesh(axes), plan);
}

/** What the axes are there for. */
const defaultSharding = (axes: MeshAxes): ShardingSetting =>
  'fsdp' in axes ? 'fully-sharded' : 'model' in axes ? 'tensor' : 'replicated';

/** The axes that the config gives, outermost first. */
export const meshAxes = (mesh: MeshSetting): Record<string, number> =>
  Object.fromEntries(Object.entries(mesh).filter(([, size]) => size !== undefined));

/** How many devices a mesh of the config takes; undefined: there is none. */
export const meshSize = (mesh: MeshSetting | undefined): number | undefined =>
  mesh && Object.values(meshAxes(mesh)).reduce((product, size) => product * size, 1);

function checkBatch({ batchSize, microBatches, mesh }: TrainingConfig['train'], parts: number): void {
  if (batchSize % (parts * microBatches) === 0) return;
  const each = microBatches > 1 ? `, in ${microBatches} micro-batches each,` : '';
  throw new ConfigError(
    `train.batchSize is ${batchSize}, which${each} cannot be split over train.mesh ${JSON.stringify(mesh)} into ${parts} equal parts.`,
    { code: 'training.mesh', exitCode: 2, hint: `Make it a multiple of ${parts * microBatches}.` },
  );
}

const someOf = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
