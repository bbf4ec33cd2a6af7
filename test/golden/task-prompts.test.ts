import { plugin } from '@graft/benchmarks';
import { describeIf } from '../support';
import { askedBy, askedIn, BENCHMARKS, itemsOf, NO_BENCHMARKS, referenceRows, references } from './task-references';

describeIf(BENCHMARKS !== undefined, NO_BENCHMARKS, 'the tasks on real rows', () => {
  const all = references();
  test.each(all.map((reference) => [reference.name, reference] as const))(
    '%s: prompts, continuations and stop strings are those of the reference, to the byte',
    async (name, reference) => {
      const task = plugin.tasks!.find(({ id }) => id === reference.task)!;
      const rows = referenceRows(name);
      const items = await itemsOf(task, reference);
      expect(rows.map(({ doc_id }) => items[doc_id]).map(askedBy)).toEqual(rows.map(askedIn));
    },
  );
});
