import * as fc from 'fast-check';
import { planBuckets } from './buckets';

const sizes = fc.array(fc.nat(50), { maxLength: 60 });

test('every non-empty tensor is in exactly one bucket, with tensors of its own kind', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 80 }),
      fc.array(fc.constantFrom('a', 'b'), { minLength: 60 }),
      (all, most, kinds) => {
        const buckets = planBuckets(all, most, kinds);
        const members = buckets.flatMap((bucket) => bucket.members);
        expect([...members].sort((a, b) => a - b)).toEqual(all.flatMap((size, i) => (size > 0 ? [i] : [])));
        for (const bucket of buckets) {
          expect(bucket.elements).toBe(bucket.members.reduce((sum, i) => sum + all[i], 0));
          expect(new Set(bucket.members.map((i) => kinds[i])).size).toBe(1);
          expect([...bucket.members].sort((a, b) => a - b)).toEqual(bucket.members);
        }
      },
    ),
  );
});

test('only a single large tensor exceeds the bucket size, and no two adjacent buckets fit into one', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 80 }), (all, most) => {
      const buckets = planBuckets(all, most);
      for (const bucket of buckets) expect(bucket.elements <= most || bucket.members.length === 1).toBe(true);
      const small = buckets.filter(({ members: [first] }) => all[first] < most);
      for (let i = 1; i < small.length; i++)
        expect(small[i - 1].elements + all[small[i].members[0]]).toBeGreaterThan(most);
    }),
  );
});
