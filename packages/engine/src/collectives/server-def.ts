import { bytesField, integerField, textField } from '../foreign/protobuf';

const JOB = 'worker';

/** TensorFlow's name of the device on which a worker's collective operations run. */
export const taskName = (rank: number): string => `/job:${JOB}/replica:0/task:${rank}`;

/**
 * tensorflow.ServerDef { cluster: 1, job_name: 2, task_index: 3, default_session_config: 4, protocol: 5 }. The
 * context's new device takes its numbers of threads from the session config { intra_op_parallelism_threads: 2,
 * inter_op_parallelism_threads: 5, experimental: 16 { collective_group_leader: 1 } }.
 */
export function serverDef(addresses: readonly string[], rank: number, threads: number): Uint8Array {
  // JobDef { name: 1, tasks: 2 (a map: key 1, value 2) }
  const tasks = addresses.flatMap((address, i) => bytesField(2, [...integerField(1, i), ...textField(2, address)]));
  const cluster = bytesField(1, [...textField(1, JOB), ...tasks]);
  const session = [
    ...integerField(2, threads),
    ...integerField(5, threads),
    ...bytesField(16, textField(1, taskName(0))),
  ];
  return Uint8Array.from([
    ...bytesField(1, cluster),
    ...textField(2, JOB),
    ...integerField(3, rank),
    ...bytesField(4, session),
    ...textField(5, 'grpc'),
  ]);
}
