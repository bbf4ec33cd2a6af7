import { Embedder, runForward, type HostFields } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { ints, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';

const ROWS = [
  [5, 9, 4, 30, 8, 7],
  [11, 6, 22, 7, 0, 0],
  [0, 0, 0, 13, 9, 3],
];
const MASK = ROWS.map((row) => row.map((id) => Number(id !== 0)));
const fields: HostFields = { input_ids: ints(ROWS), attention_mask: ints(MASK) };

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});

const rowsOf = ({
  values,
  shape: [rows, width],
}: {
  values: ArrayLike<number>;
  shape: readonly number[];
}): number[][] => Array.from({ length: rows }, (_, row) => Array.from(values).slice(row * width, (row + 1) * width));

function close(a: number[], b: number[]): void {
  expect(a).toHaveLength(b.length);
  a.forEach((value, i) => expect(value).toBeCloseTo(b[i], 4));
}

test('pooling gives the mean or the last of the encoder states without padding', async () => {
  const model = tinyGemma();
  const parameters = tinyParameters(model);
  const before = tf.memory().numTensors;
  const inputs = { ...fields, decoder_input_ids: ints([[2], [2], [2]]) };
  const forward = await runForward({ engine, model, parameters, inputs, outputs: ['encoder'] });
  const { values, shape } = forward.encoder_last_hidden_state;
  const states = ROWS.map((row, i) =>
    row.map((_, j) => Array.from(values.slice((i * shape[1] + j) * shape[2], (i * shape[1] + j + 1) * shape[2]))),
  );
  const embedder = new Embedder(engine, model);
  const mean = rowsOf(await embedder.embed(parameters, fields));
  const last = rowsOf(await embedder.embed(parameters, fields, { pool: 'last' }));
  ROWS.forEach((_, i) => {
    const seen = states[i].filter((_state, j) => MASK[i][j] === 1);
    close(last[i], seen[seen.length - 1]);
    close(
      mean[i],
      seen[0].map((_value, d) => seen.reduce((sum, state) => sum + state[d], 0) / seen.length),
    );
  });
  const unit = rowsOf(await embedder.embed(parameters, fields, { normalize: true }));
  for (const row of unit) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
  close(
    unit[0],
    mean[0].map((value) => value / Math.hypot(...mean[0])),
  );
  embedder.dispose();
  expect(tf.memory().numTensors).toBe(before);
  tf.dispose(parameters);
});

test('a text has the same embedding alone and in a padded batch, for both kinds of model', async () => {
  for (const model of [tinyGemma(), tinyGemma({ kind: 'decoder-only' })]) {
    const parameters = tinyParameters(model);
    const embedder = new Embedder(engine, model);
    for (const pool of ['mean', 'last'] as const) {
      const together = rowsOf(await embedder.embed(parameters, fields, { pool }));
      const alone = rowsOf(await embedder.embed(parameters, { input_ids: ints([[11, 6, 22, 7]]) }, { pool }));
      close(alone[0], together[1]);
    }
    embedder.dispose();
    tf.dispose(parameters);
  }
});

test('a row of padding alone is refused', async () => {
  const model = tinyGemma();
  const embedder = new Embedder(engine, model);
  const empty = { input_ids: ints([[1], [0]]), attention_mask: ints([[1], [0]]) };
  await expect(embedder.embed({}, empty)).rejects.toThrow('Row 1 has no token to be embedded.');
  embedder.dispose();
});
