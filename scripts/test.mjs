// npm test: installs what is missing, builds, type-checks the tests, runs them. `--slow` adds *.slow.test.ts; other
// arguments go to jest. The last line is the total: `N passed, M failed[, K skipped]`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, installLibrary, installPackages, ROOT } from './prepare.mjs';

installPackages();
build();
await installLibrary();

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
const folder = mkdtempSync(join(tmpdir(), 'graft-jest-'));
const results = join(folder, 'results.json');
try {
  // Two workers: each loads its own TensorFlow, which uses every core.
  const { status } = node(
    'jest/bin/jest.js',
    ['--maxWorkers=2', '--json', `--outputFile=${results}`, '--testLocationInResults', ...more],
    {
      ...(slow ? { GRAFT_SLOW: '1' } : {}),
    },
  );
  let report;
  try {
    report = JSON.parse(readFileSync(results, 'utf8'));
  } catch {
    console.error('jest wrote no results.');
    process.exit(1);
  }
  const skipped = report.numPendingTests + report.numTodoTests;
  const broken = report.numRuntimeErrorTestSuites + (checked ? 0 : 1);
  const failed = report.numFailedTests + broken;
  console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = status === 0 && failed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
