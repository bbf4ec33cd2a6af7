import { Worker } from 'node:worker_threads';

/** Seconds between two heartbeats. */
export const HEARTBEAT_SECONDS = 3;

/**
 * A separate thread, so that a process whose main thread computes for minutes does not seem dead. It refreshes the
 * times of files that it keeps open: a file that later replaces one of them is not touched.
 */
const THREAD = `
const { closeSync, fstatSync, futimesSync, openSync } = require('node:fs');
const { parentPort } = require('node:worker_threads');
const open = new Map();
const beat = () => {
  const now = Date.now() / 1000;
  for (const descriptor of open.values()) try { futimesSync(descriptor, now, now); } catch {}
};
const timer = setInterval(beat, ${HEARTBEAT_SECONDS * 1000});
parentPort.on('message', ({ keep, drop, inode, last }) => {
  try {
    if (keep !== undefined) {
      const descriptor = openSync(keep, 'r+');
      if (fstatSync(descriptor, { bigint: true }).ino === inode) open.set(keep + inode, descriptor);
      else closeSync(descriptor);
    } else if (open.has(drop + inode)) {
      closeSync(open.get(drop + inode));
      open.delete(drop + inode);
    }
  } catch {}
  if (!last) return;
  clearInterval(timer);
  parentPort.close();
});
`;

let thread: Worker | undefined;
let files = 0;

function startThread(): Worker {
  const started = new Worker(THREAD, {
    eval: true,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  // It must not keep the process alive; without it, processes of this machine can still be distinguished.
  started.unref();
  started.on('error', () => undefined);
  return started;
}

/**
 * Refreshes the times of a file every few seconds until the function that it returns is called, or the process ends.
 */
export function keepAlive(file: string, inode: bigint): () => void {
  thread ??= startThread();
  const own = thread;
  files++;
  own.postMessage({ keep: file, inode });
  return () => {
    const last = --files === 0;
    if (last) thread = undefined;
    own.postMessage({ drop: file, inode, last });
  };
}
