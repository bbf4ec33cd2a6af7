import { writeSync } from 'node:fs';
import { INTERRUPTED } from './commands/shared/runnable';
import { main } from './program';
import { describeError } from './output/report-error';

/** How long an interrupted command may still keep the process alive. */
const HANGING_MS = 2000;

const UNFINISHED = `graft: the process ended before the command was done.
Something called process.exit, or waits for what never comes: a plugin's promise that is never resolved, for one.
`;

/** A reader that went away (`graft inspect … | head`), or a closed terminal, is not a failure, and must not cost a run its checkpoint. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

process.on('uncaughtException', (error) => {
  process.stderr.write(describeError(error, process.argv.includes('--debug')).text);
  process.exit(1);
});

let done = false;
void main(process.argv).then((exitCode) => {
  done = true;
  process.exitCode = exitCode;
  // Something that hangs may keep the process alive: a dataset's connection, or a thread in an infinite loop.
  if (exitCode === INTERRUPTED) setTimeout(() => process.exit(), HANGING_MS).unref();
});

/**
 * Node exits with status 0 when the event loop is empty, even if the command waits for something that can no longer
 * happen; and third-party code can end the process early. Neither is a success.
 */
process.on('exit', (status) => {
  if (done || status !== 0) return;
  writeSync(2, UNFINISHED);
  process.exitCode = 1;
});
