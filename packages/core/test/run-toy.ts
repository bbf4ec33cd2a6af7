/** Runs the toy experiment in a process that a test can kill: `run-toy RUNS SECTIONS [--resume]`. One line for each step. */
import { createLogger, loadConfig, runExperiment, withInterrupt } from '../src';
import { toyConfig, toyPlugin } from './toy-plugin';

async function main([runs, sections, resume]: string[]): Promise<void> {
  const loaded = await loadConfig({
    value: toyConfig(runs, JSON.parse(sections) as Record<string, unknown>),
    plugins: [toyPlugin],
  });
  const result = await withInterrupt(
    (signal) =>
      runExperiment(loaded, {
        resume: resume === '--resume',
        signal,
        logger: createLogger({ level: 'info' }),
        onStep: (step) => void process.stdout.write(`step ${step}\n`),
      }),
    () => void process.stdout.write('stopping\n'),
  );
  process.stdout.write(`${result.status} ${result.folder}\n`);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
});
