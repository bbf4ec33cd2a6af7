import { openEngine, type Engine } from '@graft/engine';
import { describeIf } from '../support';
import { expectGenerations } from './task-generation-cases';
import { openRun } from './task-likelihood-cases';
import { BENCHMARKS, NO_BENCHMARKS, referenceRows, references, type ReferenceRun } from './task-references';

describeIf(BENCHMARKS !== undefined, NO_BENCHMARKS, 'the generated answers of all rows', () => {
  describe.each<ReferenceRun>(['gemma2', 't5gemma'])('of %s', (run) => {
    let engine: Engine;
    let opened: Awaited<ReturnType<typeof openRun>>;
    let compared = 0;
    beforeAll(async () => {
      engine = await openEngine({ mode: 'graph' });
      opened = await openRun(run);
    });
    afterAll(() => {
      opened.dispose();
      // Near ties decide many paths of random weights, but not all.
      expect(compared).toBeGreaterThan(20);
    });
    const written = references().filter((reference) => referenceRows(reference)[0].until !== undefined);
    test.each(written.map((reference) => [reference.name, reference] as const))(
      '%s: answers without near ties are those of the reference, cut at the same stop',
      async (_, reference) => {
        compared += await expectGenerations(engine, run, opened, reference);
      },
    );
  });
});
