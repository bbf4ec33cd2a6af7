import { writeSync } from 'node:fs';
import { INTERRUPTED } from './commands/shared/runnable';
import { main } from './program';
import { describeError } from './output/report-error';

/** How long an interrupted command may still hold the process. */
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
  // What hung may hold the process: a dataset's connection, or a thread in a loop without end.
  if (exitCode === INTERRUPTED) setTimeout(() => process.exit(), HANGING_MS).unref();
});

/**
 * A process ends with status 0 when nothing is left that could happen, even where the command waits for something that now never
 * comes; and somebody else's code can end it in the middle. Neither is a success.
 */
process.on('exit', (status) => {
  if (done || status !== 0) return;
  writeSync(2, UNFINISHED);
  process.exitCode = 1;
});
