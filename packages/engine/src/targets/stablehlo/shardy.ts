/** Shardings as Shardy writes them: https://openxla.org/shardy. */
import { attribute, type Attribute, type Attributes } from '../../program/attributes';
import { fullSharding, type Sharding } from '../../mesh/sharding';
import type { MeshAxes, ShardingSpec } from '../../mesh/types';
import type { Emitter, Hlo } from './emitter';

/** The private attribute of an Identity that constrains how its result is split; TensorFlow does not read it. */
export const SHARDING_ATTRIBUTE = '_sharding';

/** A program's mesh, and how its inputs and results are split; undefined: as the compiler thinks best. */
export interface ProgramSharding {
  readonly axes: MeshAxes;
  readonly inputs: readonly Sharding[];
  readonly results: readonly (Sharding | undefined)[];
}

const MESH = 'mesh';

/** The mesh as an operation of the module. */
export const meshText = (axes: MeshAxes): string =>
  `sdy.mesh @${MESH} = <[${Object.entries(axes)
    .map(([name, size]) => `"${name}"=${size}`)
    .join(', ')}]>`;

/** `#sdy.sharding<@mesh, [{"data"}, {}]>` */
export const shardingAttribute = (sharding: Sharding): string =>
  `#sdy.sharding<@${MESH}, [${sharding.map((names) => `{${names.map((name) => `"${name}"`).join(', ')}}`).join(', ')}]>`;

/** The spec of an operation that constrains its result. */
export function constraintOf(attributes: Attributes): ShardingSpec | undefined {
  const text = attribute(attributes, SHARDING_ATTRIBUTE, 'string');
  return text === undefined ? undefined : (JSON.parse(text) as ShardingSpec);
}

export const constraint = (spec: ShardingSpec): Attribute => ({ kind: 'string', value: JSON.stringify(spec) });

/** The value, split over the mesh as the spec says. On one device, the value itself. */
export function constrained(to: Emitter, x: Hlo, spec: ShardingSpec | undefined): Hlo {
  if (!spec || !to.axes) return x;
  const sharding = fullSharding(spec, x.shape, to.axes);
  return to.op('sdy.sharding_constraint', [x], x, [`sharding = ${shardingAttribute(sharding)}`]);
}
