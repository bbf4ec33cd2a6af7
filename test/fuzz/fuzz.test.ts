/**
 * A fixed set of mutated files on every reader of what comes from elsewhere. `npm run fuzz` tries more of them, and is what
 * `npm run test:slow` runs for ten minutes. Runs on the build, as the end-to-end tests do.
 */
import { fuzz, TARGETS } from './run-fuzz';

describe('mutated files', () => {
  let report: Map<string, string>;
  beforeAll(async () => {
    report = await fuzz('--inputs', '75', '--seed', '1');
  }, 600_000);

  it.each(TARGETS)('no mutated file breaks the reader of %s', (target) => {
    expect(report.get(target)).toMatch(/ 75 inputs .* 0 found$/);
  });
});
