import { FIELDS, IGNORED_LABEL, type HostFields, type Objective } from '@graft/core';
import { tf } from '@graft/engine';
import { brokenRules, finds } from '../../test/broken-rules';
import { conformance } from '../index';

describe('broken rules of objectives', () => {
  const plain: Objective = {
    modelKind: 'decoder-only',
    inputFields: (kind) => (kind === 'examples' ? [{ name: 'tokens', dtype: 'int32', rank: 1 }] : undefined),
    batchFields: [FIELDS.inputIds, FIELDS.labels].map((name) => ({ name, dtype: 'int32', rank: 2 })),
    prepare: (source) => {
      const rows =
        source.kind === 'examples' ? source.examples.map(({ tokens }) => [...tokens.values].slice(0, 8)) : [];
      const field = (values: number[]) =>
        ({ dtype: 'int32', shape: [rows.length, 8], values: Int32Array.from(values) }) as const;
      return {
        input_ids: field(rows.flat()),
        labels: field(rows.flatMap((row) => [...row.slice(1), IGNORED_LABEL])),
      };
    },
    loss: (model, parameters, { input_ids }) => ({
      loss: tf.mean(tf.square(model.forward(parameters, { input_ids }).logits)),
    }),
  };
  test('the suite finds nothing in a plain objective', async () => {
    expect(await brokenRules(conformance.objective(() => plain))).toEqual([]);
  });
  const odd = (change: Partial<Objective>) => (): Objective => ({ ...plain, ...change });
  const prepared = (change: (batch: HostFields) => HostFields): (() => Objective) =>
    odd({ prepare: (source, context) => change(plain.prepare(source, context)) });
  finds(
    'an undeclared field',
    () => conformance.objective(prepared((batch) => ({ ...batch, more: batch.labels }))),
    /declared fields/,
  );
  finds(
    'Math.random',
    () => conformance.objective(prepared((batch) => (Math.random() > 2 ? {} : batch))),
    /random stream/,
  );
  finds(
    'labels that are not shifted',
    () => conformance.objective(prepared((batch) => ({ ...batch, labels: batch.input_ids }))),
    /one position later/,
  );
  finds(
    'examples that are changed',
    () => {
      const prepare: Objective['prepare'] = (source, context) => {
        if (source.kind === 'examples') source.examples[0].tokens.values[0] ^= 1;
        return plain.prepare(source, context);
      };
      return conformance.objective(odd({ prepare }));
    },
    /unchanged/,
  );
  finds(
    'labels that depend on the place in a slice',
    () => {
      const prepare: Objective['prepare'] = (source, context) => {
        const batch = plain.prepare(source, context);
        batch.labels.values[0] = IGNORED_LABEL;
        return batch;
      };
      return conformance.objective(odd({ prepare }));
    },
    /slice of the batch/,
  );
  finds(
    'ignored labels that pass',
    () => {
      const prepare: Objective['prepare'] = (source, context) =>
        source.kind === 'batch' ? source.batch : plain.prepare(source, context);
      return conformance.objective(odd({ prepare, inputFields: () => plain.batchFields, ...{} }), {
        source: () => ({
          kind: 'batch',
          batch: {
            input_ids: { dtype: 'int32', shape: [1, 2], values: Int32Array.of(5, 6) },
            labels: { dtype: 'int32', shape: [1, 2], values: Int32Array.of(6, 7) },
          },
        }),
      });
    },
    /every label is ignored/,
  );
  finds(
    'a loss that is not a scalar',
    () =>
      conformance.objective(
        odd({ loss: (model, parameters, batch) => ({ loss: model.forward(parameters, batch).logits as never }) }),
      ),
    /finite float32 scalar/,
  );
  finds(
    'a loss without gradients',
    () => conformance.objective(odd({ loss: () => ({ loss: tf.scalar(1) }) })),
    /gradients/,
  );
  finds(
    'a loss that needs a key',
    () =>
      conformance.objective(
        odd({
          loss: (model, parameters, batch, { randomKey }) => ({
            loss: tf.mul(plain.loss(model, parameters, batch, { training: true }).loss, randomKey!.sum().toFloat()),
          }),
        }),
      ),
    /without a random key/,
  );
  finds('a count of 0 tokens', () => conformance.objective(odd({ countTokens: () => 0 })), /number of tokens/);
  finds(
    'a variant that it does not list',
    () => conformance.objective(odd({ variants: ['a'], variantAt: () => 'b' })),
    /depends only on the step/,
  );
  finds(
    'a record that is not JSON',
    () =>
      conformance.objective(odd({ settle: () => ({ notes: [], warnings: [], record: { at: new Date() as never } }) })),
    /plain JSON/,
  );
});
