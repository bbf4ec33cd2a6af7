import type { Connection } from '../connection';
import type { JoinOptions } from '../types';
import { SharedMemoryGroup } from './group';
import { Layout } from './layout';
import { SharedMemory } from './memory';
import type { TensorMemory } from './tensor-memory';

/** Fits a core's cache: a piece is copied in, added up and copied out without a detour through main memory. */
const PIECE_BYTES = 1 << 20;

/** Memory that the processes of one machine share. It opens no port for tensors. */
export function sharedMemoryTransport(
  tensors: TensorMemory,
  { workers, rank, bucketBytes = PIECE_BYTES }: JoinOptions,
): Connection {
  return {
    dataPort: 0,
    connect: async (channel) => {
      const layout = new Layout(workers.length, bucketBytes);
      const memory = await SharedMemory.meet(channel, { rank, bytes: layout.bytes, tokenWords: layout.tokenWords });
      return new SharedMemoryGroup(channel, { workers, rank, layout, memory, tensors });
    },
  };
}
