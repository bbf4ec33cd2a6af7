/** Runs in a worker thread: reads what `Decoder` requests, and counts its steps for the watchdog. */
import { parentPort, workerData } from 'node:worker_threads';
import { perform, type Answer, type Question } from './perform';

/** Steps, and reads of a file in progress. */
const counters = new Int32Array(workerData as SharedArrayBuffer);

parentPort?.on('message', (question: Question) => {
  const progress = {
    step: () => void Atomics.add(counters, 0, 1),
    reading: async <T>(read: Promise<T>): Promise<T> => {
      Atomics.add(counters, 1, 1);
      try {
        return await read;
      } finally {
        Atomics.sub(counters, 1, 1);
        Atomics.add(counters, 0, 1);
      }
    },
  };
  void perform(question, progress).then(({ answer, memory }) =>
    parentPort!.postMessage(answer satisfies Answer, memory),
  );
});
