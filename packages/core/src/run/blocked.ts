import { Worker } from 'node:worker_threads';

/**
 * The main thread handles signals between turns of its event loop; after this many seconds without a turn it may never
 * do so again.
 */
const BLOCKED_SECONDS = 5;
const BEAT_MS = 500;

/** Indexes into the memory that both threads share. */
const BEAT = 0;
const TAKEN = 1;
const GIVE_BACK = 2;
const END = 3;

/**
 * Waits until the main thread has been silent for a long time, and only then takes Ctrl-C away from it: Ctrl-C can
 * interrupt a script that waits in this thread.
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
 * Lets a second Ctrl-C end the process while the main thread computes or loops for a long time without handling
 * signals; the first one reaches `onInterrupt` once the main thread responds again. Returns a function that ends this
 * guard.
 */
export function guardBlocked(onInterrupt: () => void, echoMs: number): () => void {
  const cell = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(THREAD, {
    eval: true,
    execArgv: [],
    workerData: { cell, echoMs },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  // If the thread fails, Ctrl-C still works whenever the main thread handles signals.
  worker.on('error', () => undefined);
  worker.on('message', onInterrupt);
  // After adding the listener, which would otherwise keep the process alive.
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
  // After such a script Node resets the signal to its default; adding the listeners again restores them.
  const listeners = process.listeners('SIGINT');
  process.removeAllListeners('SIGINT');
  for (const listener of listeners) process.on('SIGINT', listener);
}
