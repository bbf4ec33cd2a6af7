import { openEngine, type Engine } from '@graft/engine';
import { describeIf } from '../support';
import { expectReference, openRun } from './task-likelihood-cases';
import { BENCHMARKS, NO_BENCHMARKS, referenceRows, references, type ReferenceRun } from './task-references';

const runs: readonly ReferenceRun[] = ['gemma2', 't5gemma', 't5gemma-strict', 't5gemma-bos'];

describeIf(BENCHMARKS !== undefined, NO_BENCHMARKS, 'the log-likelihoods of all rows', () => {
  describe.each(runs)('of %s', (run) => {
    let engine: Engine;
    let opened: Awaited<ReturnType<typeof openRun>>;
    beforeAll(async () => {
      engine = await openEngine({ mode: 'graph' });
      opened = await openRun(run);
    });
    afterAll(() => opened.dispose());
    const choices = references().filter((reference) => referenceRows(reference)[0].continuations !== undefined);
    test.each(choices.map((reference) => [reference.name, reference] as const))(
      '%s: log-likelihoods and metrics are those of the reference',
      (_, reference) => expectReference(engine, run, opened, reference),
    );
  });
});
