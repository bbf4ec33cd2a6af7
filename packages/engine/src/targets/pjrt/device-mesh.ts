import { EngineError } from '@graft/errors';
import { dtypeName } from '../../kernels/dtypes';
import { checkAxes, deviceCount, fullSharding, isPartitioned, shardingText, specOf } from '../../mesh/sharding';
import { openMeshes } from '../../mesh/open-meshes';
import type { Mesh, MeshAxes, ShardingSpec } from '../../mesh/types';
import { fromBytes } from '../../program/bytes';
import type { tf } from '../../tf';
import type { GraftBackend } from '../../trace/backend';
import type { Client } from './client';
import { MeshBuffer, uploadToMesh, type MeshDevices } from './mesh-buffer';
import type { PjrtRuntime, PjrtTensor } from './pjrt-runtime';

type Backend = GraftBackend<PjrtTensor, PjrtRuntime>;

/** The first devices of a client as a mesh. */
export class DeviceMesh implements Mesh, MeshDevices {
  readonly devices: MeshDevices['devices'];

  /** Throws EngineError if an axis is wrong, or the client has fewer devices. */
  constructor(
    private readonly backend: Backend,
    readonly axes: MeshAxes,
  ) {
    checkAxes(axes);
    const { devices, platform } = this.client;
    const size = deviceCount(axes);
    if (size > devices.length)
      throw new EngineError(
        `A mesh ${meshText(axes)} takes ${size} devices, but ${platform} has ${devices.length} here.`,
        { code: 'engine.mesh-devices', exitCode: 2, hint: 'Make the product of its axes the number of devices.' },
      );
    this.devices = devices.slice(0, size);
    openMeshes.any = true;
  }

  private get client(): Client {
    return this.backend.binding.runtime.client;
  }

  get size(): number {
    return this.devices.length;
  }

  get description(): string {
    const { platform, devices } = this.client;
    return `${this.size} of ${devices.length} devices of ${platform}, ${meshText(this.axes)}`;
  }

  async shard(tensor: tf.Tensor, spec: ShardingSpec): Promise<void> {
    const sharding = fullSharding(spec, tensor.shape, this.axes);
    const { client } = this;
    const { runtime } = this.backend.binding;
    let uploaded = false;
    // Values that are still on the host go to each device in slices, so that no device ever has all of them.
    const native = this.backend.nativeOf(tensor.dataId, 'Placing a tensor', (shape, type, bytes) => {
      uploaded = true;
      const dtype = dtypeName(type);
      // A whole copy is read during the transfer, while the caller may change its array.
      const own = isPartitioned(sharding, this.axes) ? ofOwnBuffer(bytes) : bytes.slice();
      const values = fromBytes(own, dtype);
      return runtime.own(uploadToMesh(client, values, { dtype, shape }, this, sharding));
    });
    if (uploaded) return;
    const { buffer } = native;
    if (
      buffer instanceof MeshBuffer &&
      buffer.mesh === this &&
      shardingText(buffer.sharding) === shardingText(sharding)
    )
      return;
    await runtime.during([native], async () => {
      const values = await buffer.read();
      const placed = uploadToMesh(client, values, buffer, this, sharding);
      if (native.deleted) return placed.dispose();
      native.buffer = placed;
      buffer.dispose();
    });
  }

  shardingOf(tensor: tf.Tensor): ShardingSpec | undefined {
    const buffer = this.backend.uploaded(tensor.dataId)?.buffer;
    return buffer instanceof MeshBuffer ? specOf(buffer.sharding) : undefined;
  }

  bytesPerDevice(tensor: tf.Tensor): readonly number[] {
    const buffer = this.backend.uploaded(tensor.dataId)?.buffer;
    if (buffer instanceof MeshBuffer) return buffer.slices.map(({ bytes }) => bytes);
    return this.devices.map((_, at) => (at === 0 ? (buffer?.bytes ?? 0) : 0));
  }
}

/** The bytes themselves, or a copy if their buffer has more. */
const ofOwnBuffer = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();

const meshText = (axes: MeshAxes): string =>
  `{ ${Object.entries(axes)
    .map(([name, size]) => `${name}: ${size}`)
    .join(', ')} }`;
