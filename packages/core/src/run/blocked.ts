import { Worker } from 'node:worker_threads';

/** The main thread looks at its signals between turns of its event loop; after so long without one it may never again. */
const BLOCKED_SECONDS = 5;
const BEAT_MS = 500;

/** Places in the memory that both threads share. */
const BEAT = 0;
const TAKEN = 1;
const GIVE_BACK = 2;
const END = 3;

/**
 * Waits until the main thread has been silent for long, and only then takes its Ctrl-C over: a script that waits in this thread can be
 * interrupted by it.
 */
const THREAD = `
const { writeSync } = require('node:fs');
const vm = require('node:vm');
const { parentPort, workerData } = require('node:worker_threads');
const { cell, echoMs } = workerData;
globalThis.cell = cell;
const wait = new vm.Script('Atomics.wait(cell, ${GIVE_BACK}, 0)');
const isInterrupted = () => {
  try {
    wait.runInThisContext({ breakOnSigint: true });
    return false;
  } catch {
    return true;
  }
};
const takeOver = () => {
  let first;
  while (isInterrupted()) {
    if (first === undefined) {
      first = performance.now();
      parentPort.postMessage('SIGINT');
      writeSync(2, '\\nThis process has not looked at its signals for ${BLOCKED_SECONDS} s; Ctrl-C once more ends it at once, without a checkpoint.\\n');
    } else if (performance.now() - first > echoMs) process.kill(process.pid, 'SIGKILL');
  }
};
let [beat, since] = [-1, performance.now()];
while (Atomics.wait(cell, ${END}, 0, ${BEAT_MS}) === 'timed-out') {
  const now = Atomics.load(cell, ${BEAT});
  if (now !== beat) [beat, since] = [now, performance.now()];
  if (performance.now() - since < ${BLOCKED_SECONDS * 1000}) continue;
  Atomics.store(cell, ${TAKEN}, 1);
  takeOver();
  Atomics.store(cell, ${TAKEN}, 0);
  Atomics.notify(cell, ${TAKEN});
  since = performance.now();
}
`;

/**
 * While the main thread computes or loops for long without looking at its signals, lets a second Ctrl-C end the process; the
 * first one reaches `onInterrupt` when the thread is back. Returns what ends that.
 */
export function guardBlocked(onInterrupt: () => void, echoMs: number): () => void {
  const cell = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(THREAD, {
    eval: true,
    execArgv: [],
    workerData: { cell, echoMs },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  // Without it Ctrl-C works as ever, while the main thread looks.
  worker.on('error', () => undefined);
  worker.on('message', onInterrupt);
  // Behind the listener, which keeps the process otherwise.
  worker.unref();
  const sendHeartbeat = (): void => {
    Atomics.add(cell, BEAT, 1);
    if (Atomics.load(cell, TAKEN) === 1) takeBack(cell);
  };
  const timer = setInterval(sendHeartbeat, BEAT_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    if (Atomics.load(cell, TAKEN) === 1) takeBack(cell);
    Atomics.store(cell, END, 1);
    Atomics.notify(cell, END);
  };
}

const GIVE_BACK_TIMEOUT_MS = 500;

function takeBack(cell: Int32Array): void {
  Atomics.store(cell, GIVE_BACK, 1);
  Atomics.notify(cell, GIVE_BACK);
  Atomics.wait(cell, TAKEN, 1, GIVE_BACK_TIMEOUT_MS);
  Atomics.store(cell, GIVE_BACK, 0);
  // Node leaves the signal to its default behind such a script; listeners that are added again are called again.
  const listeners = process.listeners('SIGINT');
  process.removeAllListeners('SIGINT');
  for (const listener of listeners) process.on('SIGINT', listener);
}
