import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../support';

const RUN = join(ROOT, 'test', 'fuzz', 'run.mjs');

/** Names of the targets. Throws where one cannot be loaded: those after it would go untested. */
export const TARGETS: readonly string[] = ((): string[] => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, '--list'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The targets cannot be listed:\n${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
})();

/** What `npm run fuzz` prints of each target: a line of figures, and those about what it found. */
export function fuzz(...args: string[]): Promise<Map<string, string>> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (bytes) => (printed += String(bytes)));
    child.on('close', () => {
      const report = new Map<string, string>();
      let target = '';
      for (const line of printed.trimEnd().split('\n')) {
        const first = line.split(' ')[0];
        if (TARGETS.includes(first)) target = first;
        if (target !== '') report.set(target, [...(report.has(target) ? [report.get(target)] : []), line].join('\n'));
      }
      // The last line is the total.
      if (target !== '') report.set(target, report.get(target)!.replace(/\n\d+ inputs tried, .*$/, ''));
      resolve(report);
    });
  });
}
