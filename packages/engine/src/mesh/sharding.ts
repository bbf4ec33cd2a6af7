import { EngineError } from '@graft/errors';
import type { MeshAxes, ShardingSpec } from './types';

/** Axes by dimension: a spec in full. */
export type Sharding = readonly (readonly string[])[];

const wrong = (message: string): EngineError => new EngineError(message, { code: 'engine.sharding' });

export const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

export const deviceCount = (axes: MeshAxes): number => Object.values(axes).reduce((product, size) => product * size, 1);

/** Throws EngineError unless the axes are names with whole numbers of at least 1. */
export function checkAxes(axes: MeshAxes): void {
  const entries = Object.entries(axes);
  if (entries.length === 0) throw wrong('A mesh has at least one axis, such as { data: 8 }.');
  for (const [name, size] of entries) {
    if (!/^[A-Za-z]\w*$/.test(name))
      throw wrong(`"${name}" is not the name of a mesh axis; expected letters, digits and "_".`);
    if (!Number.isSafeInteger(size) || size < 1)
      throw wrong(`The mesh axis "${name}" has the size ${size}; expected a whole number of at least 1.`);
  }
}

/** Into how many parts a dimension is split. */
export const partsOf = (axes: MeshAxes, names: readonly string[]): number =>
  names.reduce((product, name) => product * axes[name], 1);

/** A spec with one list of axes for each dimension. Throws EngineError if it does not fit the mesh or the shape. */
export function fullSharding(spec: ShardingSpec, shape: readonly number[], axes: MeshAxes): Sharding {
  if (spec.length > shape.length)
    throw wrong(`A sharding of ${spec.length} dimensions does not fit a tensor ${shapeText(shape)}.`);
  const used = new Set<string>();
  return shape.map((size, dimension) => {
    const given = spec[dimension] ?? [];
    const names = typeof given === 'string' ? [given] : given;
    for (const name of names) {
      if (!Object.hasOwn(axes, name))
        throw wrong(`"${name}" is not an axis of the mesh; its axes are ${Object.keys(axes).join(', ')}.`);
      if (used.has(name)) throw wrong(`A sharding uses the axis "${name}" twice; each splits at most one dimension.`);
      used.add(name);
    }
    const parts = partsOf(axes, names);
    if (size % parts !== 0)
      throw wrong(
        `Dimension ${dimension} of a tensor ${shapeText(shape)} cannot be split over ${names.join(' and ')}, into ${parts} equal parts.`,
      );
    return names;
  });
}

/** Whether some dimension is split into more than one part. */
export const isPartitioned = (sharding: Sharding, axes: MeshAxes): boolean =>
  sharding.some((names) => partsOf(axes, names) > 1);

/** The shape of each device's slice. */
export const localShape = (shape: readonly number[], sharding: Sharding, axes: MeshAxes): number[] =>
  shape.map((size, dimension) => size / partsOf(axes, sharding[dimension]));

/** For each device, in the mesh's order, where its slice begins. */
export function sliceStarts(shape: readonly number[], sharding: Sharding, axes: MeshAxes): number[][] {
  const local = localShape(shape, sharding, axes);
  return Array.from({ length: deviceCount(axes) }, (_, device) => {
    const at = coordinates(device, axes);
    return local.map(
      (size, dimension) => size * sharding[dimension].reduce((index, name) => index * axes[name] + at[name], 0),
    );
  });
}

/** A device's place along each axis; the last axis varies fastest. */
function coordinates(device: number, axes: MeshAxes): Record<string, number> {
  const at: Record<string, number> = {};
  let rest = device;
  for (const [name, size] of Object.entries(axes).reverse()) {
    at[name] = rest % size;
    rest = Math.floor(rest / size);
  }
  return at;
}

/** A text that is equal for equal shardings. */
export const shardingText = (sharding: Sharding): string => sharding.map((names) => names.join('+')).join();

/** The same with one name, a list of several, or null for each dimension. */
export const specOf = (sharding: Sharding): ShardingSpec =>
  sharding.map((names) => (names.length === 0 ? null : names.length === 1 ? names[0] : names));

/**
 * Copies a slice between a whole tensor and a tensor of the slice's shape, row by row. `gather`: from the slice into the
 * whole; otherwise out of it.
 */
export function copySlice(
  whole: Uint8Array,
  slice: Uint8Array,
  place: { readonly shape: readonly number[]; readonly start: readonly number[]; readonly size: readonly number[] },
  bytesPerValue: number,
  direction: 'gather' | 'extract',
): void {
  const { shape, start, size } = place;
  // Dimensions at the end that are not split are copied together.
  let inner = shape.length;
  let run = bytesPerValue;
  while (inner > 0 && size[inner - 1] === shape[inner - 1]) run *= size[--inner];
  if (inner > 0) run *= size[--inner];
  const strides = shape.map(
    (_, axis) => bytesPerValue * shape.slice(axis + 1).reduce((product, one) => product * one, 1),
  );
  const first = start.reduce((offset, at, axis) => offset + at * strides[axis], 0);
  const runs = size.slice(0, inner).reduce((product, one) => product * one, 1);
  for (let i = 0, index = new Array<number>(inner).fill(0); i < runs; i++) {
    const offset = index.reduce((sum, at, axis) => sum + at * strides[axis], first);
    if (direction === 'gather') whole.set(slice.subarray(i * run, (i + 1) * run), offset);
    else slice.set(whole.subarray(offset, offset + run), i * run);
    index = next(index, size);
  }
}

/** The place after this one, the last dimension first. */
function next(index: readonly number[], size: readonly number[]): number[] {
  const after = [...index];
  for (let axis = after.length - 1; axis >= 0; axis--) {
    if (++after[axis] < size[axis]) break;
    after[axis] = 0;
  }
  return after;
}
