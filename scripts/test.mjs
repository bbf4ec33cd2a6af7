// npm test: installs what is missing, builds, type-checks the tests, runs them. `--slow` adds *.slow.test.ts; other
// arguments go to jest. The last line is the total: `N passed, M failed[, K skipped]`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, installLibrary, installPackages, installPjrtPlugin, ROOT } from './prepare.mjs';

installPackages();
await build();
await installLibrary();
await installPjrtPlugin();

const node = (script, args, env = {}) =>
  spawnSync(process.execPath, [join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });

const checked = node('typescript/bin/tsc', ['-p', 'tsconfig.tests.json', '--noEmit']).status === 0;
if (!checked) console.error('The tests do not type-check; see above.');

const slow = process.argv.includes('--slow');
const more = process.argv.slice(2).filter((argument) => argument !== '--slow');
const { report, status } = runJest(more, slow ? { GRAFT_SLOW: '1' } : {});

for (const sentence of skippedBecause(report)) console.log(sentence);
const passed = report?.numPassedTests ?? 0;
// A file that cannot even be loaded has no tests to count, nor has a type error.
const broken = (report ? report.numRuntimeErrorTestSuites : 1) + (checked ? 0 : 1);
const failed = Math.max((report?.numFailedTests ?? 0) + broken, status === 0 ? 0 : 1);
const skipped = report ? report.numPendingTests + report.numTodoTests : 0;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;

function runJest(args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'graft-jest-'));
  const results = join(folder, 'results.json');
  try {
    // Two workers: each loads its own TensorFlow, which uses every core.
    const { status } = node('jest/bin/jest.js', ['--maxWorkers=2', '--json', `--outputFile=${results}`, ...args], env);
    return { status, report: JSON.parse(readFileSync(results, 'utf8')) };
  } catch {
    console.error('jest wrote no results.');
    return { status: 1, report: undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One line for each reason, with the number of its tests. */
function skippedBecause(report) {
  const reasons = new Map();
  for (const { assertionResults } of report?.testResults ?? []) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (status !== 'pending' && status !== 'todo') continue;
      const [, reason] =
        /\(skipped: (.*)\)$/s.exec([...ancestorTitles, title].find((text) => /\(skipped: /.test(text)) ?? '') ?? [];
      const known = reason ?? 'no reason given';
      reasons.set(known, (reasons.get(known) ?? 0) + 1);
    }
  }
  return [...reasons].map(([reason, count]) => `Skipped ${count} ${count === 1 ? 'test' : 'tests'}: ${reason}`);
}
