/** Runs in a worker thread: draws the normal numbers that `NormalPool` requests. */
import { parentPort } from 'node:worker_threads';
import { streamNamed, type RandomStream } from './streams';

export interface DrawRequest {
  /** The sequence to which the numbers belong. */
  readonly id: number;
  /** Full name of the stream that begins the sequence; its later requests continue after the numbers drawn last. */
  readonly stream: string;
  readonly length: number;
  readonly standardDeviation: number;
  /** The sequence ends with these numbers. */
  readonly last: boolean;
  /** The buffer for the numbers, returned with them. New memory for each request would cost as much as the numbers. */
  readonly memory: ArrayBuffer;
}

export interface DrawReply {
  readonly id: number;
  readonly numbers: Float32Array<ArrayBuffer>;
}

const streams = new Map<number, RandomStream>();

parentPort?.on('message', ({ id, stream, length, standardDeviation, last, memory }: DrawRequest) => {
  const random = streams.get(id) ?? streamNamed(stream);
  if (last) streams.delete(id);
  else streams.set(id, random);
  const numbers = new Float32Array(memory, 0, length);
  random.fillNormal(numbers, standardDeviation);
  parentPort!.postMessage({ id, numbers } satisfies DrawReply, [numbers.buffer]);
});
