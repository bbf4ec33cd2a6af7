import { createRandom } from '@graft/core';
import fc from 'fast-check';
import { batches, paddedLength } from './batches';
import type { EncodedExample } from './encode-examples';

const encoded = (tokens: number[], label: number): EncodedExample => ({
  example: { id: tokens.join(), parts: [], label },
  tokens: Int32Array.from(tokens),
});
const examples = fc.array(
  fc.record({ tokens: fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 70 }), label: fc.nat(2) }),
  { minLength: 1, maxLength: 20 },
);

test('padded lengths are few, are long enough, and end at the limit', () => {
  expect([1, 32, 33, 49, 65, 97, 129, 193, 300].map((tokens) => paddedLength(tokens, 512))).toEqual([
    32, 32, 48, 64, 96, 128, 192, 256, 384,
  ]);
  expect(paddedLength(400, 450)).toBe(450);
});

test('every epoch has each example once, complete and with its class, and padding rows have no weight', () => {
  fc.assert(
    fc.property(examples, fc.integer({ min: 1, max: 6 }), fc.boolean(), (set, batchSize, shuffle) => {
      const all = set.map(({ tokens, label }) => encoded(tokens, label));
      const seen: EncodedExample[] = [];
      const stream = shuffle ? createRandom(1) : undefined;
      for (const batch of batches(all, { batchSize, maxTokens: 80, padId: 0 }, stream)) {
        const { input_ids: ids, attention_mask: mask, last_rows: last, labels, weights } = batch.fields;
        const length = ids.shape[1];
        expect(ids.shape[0]).toBe(batchSize);
        for (let row = 0; row < batchSize; row++) {
          const counts = row < batch.examples.length;
          expect(weights.values[row]).toBe(Number(counts));
          const { tokens, example } = batch.examples[counts ? row : 0];
          const own = [...ids.values.slice(row * length, (row + 1) * length)];
          expect(own).toEqual([...tokens, ...new Array<number>(length - tokens.length).fill(0)]);
          const marks = [...mask.values.slice(row * length, (row + 1) * length)];
          expect(marks).toEqual(own.map((_, i) => Number(i < tokens.length)));
          expect(ids.values[last.values[row]]).toBe(tokens[tokens.length - 1]);
          expect(labels.values[row]).toBe(example.label);
        }
        seen.push(...batch.examples);
      }
      expect(seen).toHaveLength(all.length);
      expect(new Set(seen)).toEqual(new Set(all));
      if (!shuffle) expect(seen).toEqual(all);
    }),
  );
});
