import type { ControlChannel } from './control/channel';
import type { WorkerGroup } from './types';

/** How the tensors of one group will travel. */
export interface Connection {
  /** Where this worker's tensors arrive; 0 where none is needed. */
  readonly dataPort: number;
  /** `ports`: everybody's, in the order of ranks. */
  connect(channel: ControlChannel, ports: readonly number[]): Promise<WorkerGroup>;
}
