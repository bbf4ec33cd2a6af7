/** Ten minutes of what `fuzz.test.ts` does, with another seed every day. */
import { fuzz, TARGETS } from './run-fuzz';

describe('many mutated files', () => {
  let report: Map<string, string>;
  beforeAll(async () => {
    report = await fuzz('--minutes', '10', '--seed', new Date().toISOString().slice(0, 10));
  }, 1_800_000);

  it.each(TARGETS)('no mutated file breaks the reader of %s', (target) => {
    expect(report.get(target)).toMatch(/ [1-9]\d* inputs .* 0 found$/);
  });
});
