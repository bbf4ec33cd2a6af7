import type { MeshAxes } from '@graft/engine';
import { partsOfSpec, splitLike, type ShardingPlan, type ShardingSetting } from '../distributed/sharding-rules';
import type { ParameterSpec } from '../interfaces';
import type { MemoryShards } from './memory-estimate';

/** How parameters are split over a mesh. */
export interface MeshPlan {
  readonly axes: MeshAxes;
  readonly sharding: ShardingSetting;
  readonly plan: ShardingPlan;
}

/**
 * What each device of a mesh has, by the rules that place tensors there. Of rules that the config gives, nobody knows how
 * they divide the work on a row.
 */
export function shardsOfMesh(
  { axes, sharding, plan }: MeshPlan,
  parameters: readonly Pick<ParameterSpec, 'name' | 'shape'>[],
): MemoryShards {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  return {
    partsOf: (name, shape) =>
      partsOfSpec(splitLike(plan.parameters.get(name) ?? [], shapes.get(name)!, shape, axes), axes),
    batch: plan.batchParts,
    row: typeof sharding === 'object' || sharding === 'replicated' ? 1 : (axes.model ?? 1),
  };
}
