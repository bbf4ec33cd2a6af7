import { openEngine, tf } from '@graft/engine';
import type { HostFields, Model, Objective } from '../interfaces';
import { measureForwardMemory } from './forward-memory';

const model = { vocabularySize: 10, parameters: [{ name: 'w', shape: [4], part: 'decoder' }] } as unknown as Model;
const ids = (rows: number): HostFields => ({
  input_ids: { dtype: 'int32', shape: [rows, 8], values: new Int32Array(8 * rows) },
});
/** Three values of 8 numbers a row. */
const objective = {
  loss: (_model: Model, _parameters: unknown, { input_ids }: Record<string, tf.Tensor>) => ({
    loss: tf.exp(tf.exp(tf.cast(input_ids, 'float32'))),
  }),
} as unknown as Objective;

describe('the memory of a step on the portable engine', () => {
  beforeAll(() => openEngine({ mode: 'portable' }));

  it('it is estimated from one row of the batch, and leaves no tensor', () => {
    const before = tf.memory().numTensors;
    const measured = measureForwardMemory({ model, objective, parameters: {}, fields: ids(16) }, 1);
    expect(tf.memory().numTensors).toBe(before);
    const copies = 4 * 4 * 4;
    expect(measured! - copies).toBeGreaterThanOrEqual(3 * 16 * 2 * 8 * 4);
    expect(measured! - copies).toBeLessThanOrEqual(3 * 16 * 4 * 8 * 4);
  });

  it('a small step, a batch of one row and a loss that fails are not measured', () => {
    const pass = { model, objective, parameters: {}, fields: ids(16) };
    expect(measureForwardMemory(pass, 2 ** 40)).toBeUndefined();
    expect(measureForwardMemory({ ...pass, fields: ids(1) }, 1)).toBeUndefined();
    const failing = {
      loss: () => {
        throw new Error('no');
      },
    } as unknown as Objective;
    expect(measureForwardMemory({ ...pass, objective: failing }, 1)).toBeUndefined();
  });
});
