/** Protocol buffers by hand: this is the one message that Graft writes. */
const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const integer = (field: number, value: number): number[] => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, content: readonly number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, content: string): number[] => bytes(field, [...Buffer.from(content)]);

const JOB = 'worker';

/** The device on which a worker's collective operations run, as TensorFlow names it. */
export const taskName = (rank: number): string => `/job:${JOB}/replica:0/task:${rank}`;

/**
 * tensorflow.ServerDef { cluster: 1, job_name: 2, task_index: 3, default_session_config: 4, protocol: 5 }.
 * The session config { intra_op_parallelism_threads: 2, inter_op_parallelism_threads: 5,
 * experimental: 16 { collective_group_leader: 1 } } is what the context's new device takes its threads from.
 */
export function serverDef(addresses: readonly string[], rank: number, threads: number): Uint8Array {
  // JobDef { name: 1, tasks: 2 (a map: key 1, value 2) }
  const tasks = addresses.flatMap((address, i) => bytes(2, [...integer(1, i), ...text(2, address)]));
  const cluster = bytes(1, [...text(1, JOB), ...tasks]);
  const session = [...integer(2, threads), ...integer(5, threads), ...bytes(16, text(1, taskName(0)))];
  return Uint8Array.from([
    ...bytes(1, cluster),
    ...text(2, JOB),
    ...integer(3, rank),
    ...bytes(4, session),
    ...text(5, 'grpc'),
  ]);
}
