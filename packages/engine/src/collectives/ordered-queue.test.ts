import * as fc from 'fast-check';
import { OrderedQueue } from './ordered-queue';

test('tasks start in order, a limited number at a time, however long they take and whether or not they fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ turns: fc.nat(5), fails: fc.boolean() }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 4 }),
      async (tasks, width) => {
        const queue = new OrderedQueue(width);
        const started: number[] = [];
        let running = 0;
        let most = 0;
        const results = await Promise.allSettled(
          tasks.map(({ turns, fails }, i) =>
            queue.run(async () => {
              started.push(i);
              most = Math.max(most, ++running);
              for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
              running--;
              if (fails) throw new Error(String(i));
            }),
          ),
        );
        expect(started).toEqual(tasks.map((_, i) => i));
        expect(most).toBeLessThanOrEqual(width);
        expect(results.map(({ status }) => status === 'rejected')).toEqual(tasks.map(({ fails }) => fails));
        await queue.drained();
      },
    ),
  );
});
