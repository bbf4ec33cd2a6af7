import type { ControlChannel } from './control/channel';
import type { WorkerGroup } from './types';

/** How the tensors of one group are sent. */
export interface Connection {
  /** The port that receives this worker's tensors; 0 if it needs none. */
  readonly dataPort: number;
  /** `ports`: those of all workers, in the order of ranks. */
  connect(channel: ControlChannel, ports: readonly number[]): Promise<WorkerGroup>;
}
