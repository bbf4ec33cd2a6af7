import type { PjrtApi } from './api';
import { closedClient } from './errors';
import type { CALLS } from './layout';
import { readText, type Pointer } from './memory';

/** What the device's allocator reports, in bytes; a plugin sets only some. */
export interface DeviceMemory {
  readonly bytesInUse: number;
  readonly peakBytesInUse?: number;
  readonly bytesLimit?: number;
  readonly poolBytes?: number;
  readonly largestFreeBlockBytes?: number;
  readonly allocations?: number;
}

const OPTIONAL_FIELDS = {
  peakBytesInUse: 'peak_bytes_in_use',
  bytesLimit: 'bytes_limit',
  poolBytes: 'pool_bytes',
  largestFreeBlockBytes: 'largest_free_block_bytes',
  allocations: 'num_allocs',
} as const satisfies Record<string, keyof (typeof CALLS)['Device_MemoryStats']['fields']>;

/** A device that this process may use. */
export class Device {
  /** Its id among all devices of the client, which programs are compiled for. */
  readonly id: number;
  /** As "NVIDIA H100 80GB HBM3" or "cpu". */
  readonly kind: string;
  /** As "CudaDevice(id=0)". */
  readonly name: string;
  private closed = false;

  constructor(
    private readonly api: PjrtApi,
    readonly pointer: Pointer,
  ) {
    const description = api.call('Device_GetDescription', { device: pointer }, (args) =>
      args.pointer('device_description'),
    );
    const of = { device_description: description };
    this.id = api.call('DeviceDescription_Id', of, (args) => args.number('id'));
    this.kind = api.call('DeviceDescription_Kind', of, (args) =>
      readText(args.pointer('device_kind'), args.number('device_kind_size')),
    );
    this.name = api.call('DeviceDescription_ToString', of, (args) =>
      readText(args.pointer('to_string'), args.number('to_string_size')),
    );
  }

  /** For the client, which owns the device. */
  close(): void {
    this.closed = true;
  }

  /** The allocator's statistics. Throws EngineError (engine.unsupported) where the plugin has none, as on a CPU. */
  memory(): DeviceMemory {
    if (this.closed) throw closedClient();
    return this.api.call('Device_MemoryStats', { device: this.pointer }, (args) => {
      const set = Object.entries(OPTIONAL_FIELDS).filter(([, field]) => args.number(`${field}_is_set`) !== 0);
      return {
        bytesInUse: args.number('bytes_in_use'),
        ...Object.fromEntries(set.map(([name, field]) => [name, args.number(field)])),
      };
    });
  }
}
