import { EngineError } from '@graft/errors';
import { outOfMemory } from '../../target/out-of-memory';
import { fromBytes } from '../../program/bytes';
import type { DType } from '../../program/dtypes';
import type { Device } from './device';
import { elementType } from './element-types';
import { bytesOfType, checkHostValues, describeType, type TensorType } from './host-values';
import { words, type Pointer } from './memory';
import { rowMajor } from './memory-layout';
import type { PjrtEvent } from './events';
import type { Session } from './session';

/** Values as they come from a device. */
export type HostValues = ReturnType<typeof fromBytes>;

/** The values of a tensor on devices: on one, or on those of a mesh. */
export interface TensorBuffer extends TensorType {
  /** Of all values. */
  readonly bytes: number;
  /** Copies the values to the host, once they are computed. Rejects with EngineError if computing them failed. */
  read(): Promise<HostValues>;
  /** As `read`, while this thread waits. */
  readSync(): HostValues;
  /** Resolves when the values are computed or uploaded. Rejects with EngineError if that failed. */
  ready(): Promise<void>;
  dispose(): void;
}

/** What a plugin may assume about the values of an upload, as PJRT_HostBufferSemantics numbers it. */
const SEMANTICS = {
  /** They may change once the upload has returned: the plugin copies them before. */
  duringCall: 0,
  /** They stay until the event `done_with_host_buffer`: nothing is copied before the upload returns. */
  untilTransferred: 1,
} as const;

/** Transfers may keep this much of the host's memory: a model's parameters come faster than a device takes them. */
const HELD_BYTES = 256 << 20;

export interface UploadOptions {
  /**
   * Whether nobody changes the array any more. The upload then only starts the transfer, which reads the array, and keeps
   * the array alive until it is over; while much is under way, the plugin copies the values all the same. Default false.
   */
  readonly immutable?: boolean;
}

/** A tensor on a device. Whoever has it disposes it; a program that takes it as a donation does so, too. */
export class DeviceBuffer implements TensorBuffer {
  private state: 'live' | 'disposed' | 'donated' = 'live';

  constructor(
    private readonly session: Session,
    private readonly address: Pointer,
    readonly device: Device,
    readonly dtype: DType,
    readonly shape: readonly number[],
  ) {
    session.buffers.add(this);
  }

  get disposed(): boolean {
    return this.state !== 'live';
  }

  get bytes(): number {
    return bytesOfType(this);
  }

  belongsTo(session: Session): boolean {
    return this.session === session;
  }

  /** PJRT's pointer. Throws EngineError if the buffer is disposed or was donated. */
  get pointer(): Pointer {
    if (this.state === 'donated') {
      throw new EngineError(`A buffer of ${describeType(this)} was used after it was donated.`, {
        code: 'engine.donated',
        hint: 'The run that took it wrote a result into its memory: use that result, or name the input in `keep`.',
      });
    }
    if (this.state === 'disposed') {
      throw new EngineError(`A buffer of ${describeType(this)} was used after it was disposed.`, {
        code: 'engine.disposed',
      });
    }
    return this.address;
  }

  /**
   * Copies the values to the host, once they are computed; the event loop goes on meanwhile. The buffer may be disposed
   * as soon as the call has begun. Rejects with EngineError if computing them failed.
   */
  read(): Promise<HostValues> {
    return this.session.during(this.startRead());
  }

  private async startRead(): Promise<HostValues> {
    const { bytes, event } = this.copy();
    await event?.settled();
    return fromBytes(bytes, this.dtype);
  }

  /** As `read`, while this thread waits. */
  readSync(): HostValues {
    const { bytes, event } = this.copy();
    event?.settledSync();
    return fromBytes(bytes, this.dtype);
  }

  /** Starts a copy to the host, which is complete at the event. */
  private copy(): { readonly bytes: Uint8Array<ArrayBuffer>; readonly event?: PjrtEvent } {
    const src = this.pointer;
    this.session.assertOpen();
    const bytes = this.allocate();
    // Without a destination, PJRT would only report the size.
    if (bytes.length === 0) return { bytes };
    const event = this.session.api.call(
      'Buffer_ToHostBuffer',
      { src, dst: bytes, dst_size: bytes.length, host_layout: rowMajor(this.shape.length) },
      (args) => args.pointer('event'),
    );
    return { bytes, event: this.session.event(event) };
  }

  private allocate(): Uint8Array<ArrayBuffer> {
    try {
      return new Uint8Array(this.bytes);
    } catch {
      throw outOfMemory(`The read of ${describeType(this)}`, this.bytes);
    }
  }

  /** Resolves when the values are computed or uploaded. Rejects with EngineError if that failed. */
  ready(): Promise<void> {
    return this.session.during(this.startReady());
  }

  private async startReady(): Promise<void> {
    const buffer = this.pointer;
    this.session.assertOpen();
    const event = this.session.api.call('Buffer_ReadyEvent', { buffer }, (args) => args.pointer('event'));
    await this.session.event(event).settled();
  }

  /** Frees the memory, once all that was started with it is done. Disposing twice is allowed. */
  dispose(): void {
    this.end('disposed');
  }

  /** For a run that took the buffer as a donation: whether it did; the buffer is then no longer usable. */
  takeDonation(): boolean {
    if (this.state !== 'live') return false;
    const { api } = this.session;
    if (!api.call('Buffer_IsDeleted', { buffer: this.address }, (args) => args.number('is_deleted') !== 0))
      return false;
    this.end('donated');
    return true;
  }

  private end(state: 'disposed' | 'donated'): void {
    if (this.state !== 'live') return;
    this.state = state;
    this.session.buffers.delete(this);
    this.session.api.call('Buffer_Destroy', { buffer: this.address });
  }
}

/** Copies values to a device. Throws EngineError if they do not fit the type. */
export function upload(
  session: Session,
  values: ArrayBufferView,
  type: TensorType,
  device: Device,
  { immutable = false }: UploadOptions = {},
): DeviceBuffer {
  session.assertOpen();
  checkHostValues(values, type);
  const element = elementType(type.dtype);
  const dims = words(type.shape);
  // Even without elements, data must not be null.
  const source = values.byteLength > 0 ? values : Buffer.alloc(8);
  session.started.sweep();
  const isHeld = immutable && session.started.heldBytes + values.byteLength <= HELD_BYTES;
  const { pointer, done } = session.api.call(
    'Client_BufferFromHostBuffer',
    {
      client: session.client,
      data: source,
      type: element,
      dims: dims,
      num_dims: dims.length,
      host_buffer_semantics: isHeld ? SEMANTICS.untilTransferred : SEMANTICS.duringCall,
      device: device.pointer,
    },
    (args) => ({ pointer: args.pointer('buffer'), done: args.pointer('done_with_host_buffer') }),
  );
  if (done !== 0n) {
    const event = session.event(done);
    const isOver = event.beforeExit();
    const forget = (): void => {
      isOver();
      // The last use of the array, which is kept until here.
      void source.byteLength;
    };
    session.started.add(event, forget, isHeld ? values.byteLength : 0);
  }
  return new DeviceBuffer(session, pointer, device, type.dtype, [...type.shape]);
}
