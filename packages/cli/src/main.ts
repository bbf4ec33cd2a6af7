import { main } from './program';
import { describeError } from './report-error';

/** A reader that went away (`graft inspect … | head`) is no failure, and must not cost a run its checkpoint. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.on('uncaughtException', (error) => {
  process.stderr.write(describeError(error, process.argv.includes('--debug')).text);
  process.exit(1);
});

void main(process.argv).then((exitCode) => {
  process.exitCode = exitCode;
});
