import * as fc from 'fast-check';
import { assignOwners } from './optimizer-shards';

const parameters = fc
  .array(fc.record({ size: fc.integer({ min: 1, max: 1000 }), frozen: fc.boolean() }), { minLength: 1, maxLength: 40 })
  .map((all) => all.map(({ size, frozen }, i) => ({ name: `p${i}`, shape: [size], frozen })));

test('every parameter has one owner, and no worker exceeds its part by more than one parameter', () => {
  fc.assert(
    fc.property(parameters, fc.integer({ min: 1, max: 8 }), (all, count) => {
      const frozen = new Set(all.filter((parameter) => parameter.frozen).map(({ name }) => name));
      const owners = assignOwners(all, (name) => !frozen.has(name), count);
      expect([...owners.keys()].sort()).toEqual(all.map(({ name }) => name).sort());
      const trained = all.filter(({ name }) => !frozen.has(name));
      const total = trained.reduce((sum, { shape }) => sum + shape[0], 0);
      const largest = Math.max(0, ...trained.map(({ shape }) => shape[0]));
      for (let rank = 0; rank < count; rank++) {
        const load = trained
          .filter(({ name }) => owners.get(name) === rank)
          .reduce((sum, { shape }) => sum + shape[0], 0);
        expect(load).toBeLessThanOrEqual(total / count + largest);
      }
    }),
  );
});

test('all workers assign the same owners', () => {
  const all = [
    { name: 'b', shape: [4] },
    { name: 'a', shape: [2, 2] },
    { name: 'c', shape: [9] },
  ];
  const first = assignOwners(all, () => true, 2);
  expect([...first]).toEqual([...assignOwners(all, () => true, 2)]);
  expect(Object.fromEntries(first)).toEqual({ c: 0, b: 1, a: 1 });
});
