import { bytesOfDType, type DType } from '../../program/dtypes';
import { fromBytes } from '../../program/bytes';
import { copySlice, deviceCount, isPartitioned, localShape, sliceStarts, type Sharding } from '../../mesh/sharding';
import type { MeshAxes } from '../../mesh/types';
import type { DeviceBuffer, HostValues, TensorBuffer } from './buffer';
import type { Client } from './client';
import type { Device } from './device';
import { bytesOfType, type TensorType } from './host-values';

/** The devices of a mesh, in its order. */
export interface MeshDevices {
  readonly axes: MeshAxes;
  readonly devices: readonly Device[];
}

/** One tensor over the devices of a mesh: each has its slice, or a whole copy. */
export class MeshBuffer implements TensorBuffer {
  readonly isPartitioned: boolean;

  constructor(
    readonly mesh: MeshDevices,
    readonly sharding: Sharding,
    /** By device, in the mesh's order. */
    readonly slices: readonly DeviceBuffer[],
    readonly dtype: DType,
    readonly shape: readonly number[],
  ) {
    this.isPartitioned = isPartitioned(sharding, mesh.axes);
  }

  get bytes(): number {
    return bytesOfType(this);
  }

  async read(): Promise<HostValues> {
    const needed = this.needed();
    const parts = await Promise.all(needed.map(({ slice }) => slice.read()));
    return this.assembled(needed, parts);
  }

  readSync(): HostValues {
    const needed = this.needed();
    return this.assembled(
      needed,
      needed.map(({ slice }) => slice.readSync()),
    );
  }

  async ready(): Promise<void> {
    await Promise.all(this.slices.map((slice) => slice.ready()));
  }

  dispose(): void {
    for (const slice of this.slices) slice.dispose();
  }

  /** One device's copy of each slice. */
  private needed(): { readonly slice: DeviceBuffer; readonly start: readonly number[] }[] {
    const starts = sliceStarts(this.shape, this.sharding, this.mesh.axes);
    const known = new Map<string, { slice: DeviceBuffer; start: number[] }>();
    starts.forEach((start, i) => {
      if (!known.has(start.join())) known.set(start.join(), { slice: this.slices[i], start });
    });
    return [...known.values()];
  }

  private assembled(
    needed: readonly { readonly start: readonly number[] }[],
    parts: readonly HostValues[],
  ): HostValues {
    if (parts.length === 1) return parts[0];
    const whole = new Uint8Array(this.bytes);
    const size = localShape(this.shape, this.sharding, this.mesh.axes);
    parts.forEach((part, i) =>
      copySlice(
        whole,
        bytesOf(part),
        { shape: this.shape, start: needed[i].start, size },
        bytesOfDType(this.dtype),
        'gather',
      ),
    );
    return fromBytes(whole, this.dtype);
  }
}

/** Starts uploading host values, which nobody changes any more: to each device its slice. */
export function uploadToMesh(
  client: Client,
  values: HostValues,
  { dtype, shape }: TensorType,
  mesh: MeshDevices,
  sharding: Sharding,
): MeshBuffer {
  const size = localShape(shape, sharding, mesh.axes);
  const whole = bytesOf(values);
  const known = new Map<string, HostValues>();
  const slices: DeviceBuffer[] = [];
  try {
    for (const [i, start] of sliceStarts(shape, sharding, mesh.axes).entries()) {
      const key = start.join();
      let own = known.get(key);
      if (!own) {
        own = values;
        if (isPartitioned(sharding, mesh.axes)) {
          const bytes = new Uint8Array(bytesOfType({ dtype, shape: size }));
          copySlice(whole, bytes, { shape, start, size }, bytesOfDType(dtype), 'extract');
          own = fromBytes(bytes, dtype);
        }
        known.set(key, own);
      }
      slices.push(client.upload(own, { dtype, shape: size }, mesh.devices[i], { immutable: true }));
    }
  } catch (error) {
    for (const slice of slices) slice.dispose();
    throw error;
  }
  return new MeshBuffer(mesh, sharding, slices, dtype, shape);
}

/** A buffer of the mesh's first device, copied to the others. It belongs to the result. */
export function replicate(client: Client, buffer: DeviceBuffer, mesh: MeshDevices, host?: HostValues): MeshBuffer {
  const { dtype, shape } = buffer;
  const values = deviceCount(mesh.axes) > 1 ? (host ?? buffer.readSync()) : undefined;
  const copies = mesh.devices
    .slice(1)
    .map((device) => client.upload(values!, { dtype, shape }, device, { immutable: true }));
  return new MeshBuffer(
    mesh,
    shape.map(() => []),
    [buffer, ...copies],
    dtype,
    shape,
  );
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
