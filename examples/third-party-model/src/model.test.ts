import { Generator, runForward, type HostArray, type HostFields, type Parameters } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { PrenormFamily } from './family';

const ids = (rows: readonly (readonly number[])[]): HostArray => ({
  dtype: 'int32',
  shape: [rows.length, rows[0].length],
  values: Int32Array.from(rows.flat()),
});

/** Numbers of about 0.4, the same in every run. */
function parametersOf(model: ReturnType<PrenormFamily['build']>): Parameters {
  return Object.fromEntries(
    model.parameters.map(({ name, shape, initial }, i) => [
      name,
      initial === 'normal' ? tf.randomNormal([...shape], 0, 0.4, 'float32', i + 1) : tf.fill([...shape], 0.9),
    ]),
  );
}

describe('the pre-norm family', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  const model = new PrenormFamily({ vocabularySize: 23, width: 12, heads: 3, feedForward: 20 }).build();

  it('generates with its cache the tokens that whole forward passes find most probable', async () => {
    const parameters = parametersOf(model);
    const generator = new Generator(engine, model);
    const source = {
      input_ids: ids([
        [5, 6, 7, 0],
        [8, 9, 10, 11],
      ]),
      attention_mask: ids([
        [1, 1, 1, 0],
        [1, 1, 1, 1],
      ]),
    };
    const prompt = {
      decoder_input_ids: ids([
        [0, 2, 4],
        [2, 3, 12],
      ]),
      decoder_attention_mask: ids([
        [0, 1, 1],
        [1, 1, 1],
      ]),
    };
    const rows = await generator.generate(parameters, { fields: { ...source, ...prompt }, maxNewTokens: 6, eos: [] });
    const starts = [
      [2, 4],
      [2, 3, 12],
    ];
    for (const [row, start] of starts.entries()) {
      const tokens = [...start];
      const fields = {
        input_ids: ids([Array.from(source.input_ids.values).slice(4 * row, 4 * row + 4)]),
        attention_mask: ids([Array.from(source.attention_mask.values).slice(4 * row, 4 * row + 4)]),
      };
      for (let step = 0; step < 6; step++) {
        const inputs = { ...fields, decoder_input_ids: ids([tokens]) };
        const { logits } = await runForward({ engine, model, parameters, inputs });
        const last = Array.from(logits.values.slice(-model.vocabularySize));
        tokens.push(last.indexOf(Math.max(...last)));
      }
      expect(Array.from(rows[row]).slice(0, tokens.length)).toEqual(tokens);
    }
    generator.dispose();
    tf.dispose(parameters);
  });

  it('one beam finds what greedy decoding finds, and more beams find no less probable text', async () => {
    const parameters = parametersOf(model);
    const generator = new Generator(engine, model);
    const fields = { input_ids: ids([[5, 6, 7]]) };
    const options = { fields, maxNewTokens: 5, eos: [], lengthPenalty: 0 };
    const greedy = await generator.generate(parameters, { fields, maxNewTokens: 5, eos: [] });
    const one = await generator.search(parameters, { ...options, beams: 1 });
    const four = await generator.search(parameters, { ...options, beams: 4 });
    expect(one.sequences).toEqual(greedy);
    expect(four.scores[0]).toBeGreaterThanOrEqual(one.scores[0] - 1e-6);
    generator.dispose();
    tf.dispose(parameters);
  });

  it('padding of the source changes no logits', async () => {
    const parameters = parametersOf(model);
    const decoder_input_ids = ids([[2, 4, 5]]);
    const logitsOf = async (inputs: HostFields): Promise<HostArray> =>
      (await runForward({ engine, model, parameters, inputs: { ...inputs, decoder_input_ids } })).logits;
    const plain = await logitsOf({ input_ids: ids([[5, 6]]) });
    const padded = await logitsOf({ input_ids: ids([[0, 5, 6, 0]]), attention_mask: ids([[0, 1, 1, 0]]) });
    padded.values.forEach((value, i) => expect(value).toBeCloseTo(plain.values[i], 4));
    tf.dispose(parameters);
  });

  it('the options override the checkpoint, and a wrong key of config.json is named with its file', () => {
    expect(
      new PrenormFamily({ layers: 3 }).build({ model_type: 'prenorm', n_layers: 1, vocab_size: 50 }),
    ).toMatchObject({
      vocabularySize: 50,
      checkpointConfig: { n_layers: 3 },
    });
    expect(() => new PrenormFamily({}).build({ n_heads: 'two' }, { folder: 'a' })).toThrow(
      /^a.config\.json: "n_heads"/,
    );
  });
});
