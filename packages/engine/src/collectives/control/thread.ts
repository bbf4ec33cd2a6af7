import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { CoordinatorNode } from './coordinator-node';
import { WorkerNode } from './worker-node';
import type { Command, ControlEvent, ControlOptions } from './messages';

/** How long the program may take to notice that the group has ended. With SILENCE_MS, less than 30 s. */
const NOTICE_MS = 10_000;

/**
 * Runs the node in a separate thread: it sends heartbeats while the program computes, and after another worker's end it
 * can kill a program that waits for ever, or computes for a long time.
 */
const port = parentPort!;
const options = workerData as ControlOptions;
let deadline: NodeJS.Timeout | undefined;

const node = new (options.rank === 0 ? CoordinatorNode : WorkerNode)(options, (event: ControlEvent) => {
  if (event.event === 'lost') {
    deadline = setTimeout(() => {
      writeSync(2, `graft: ${event.failure.message}\n${event.failure.hint ? `${event.failure.hint}\n` : ''}`);
      process.kill(process.pid, 'SIGKILL');
    }, NOTICE_MS);
  }
  port.postMessage(event);
});

port.on('message', (command: Command) => {
  clearTimeout(deadline);
  node.handle(command);
});
