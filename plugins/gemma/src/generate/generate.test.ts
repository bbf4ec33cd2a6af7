import { generate, Generator, runForward, type HostFields, type Parameters, type TokenEvent } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { ints, ODD_SIDE, tinyGemma, tinyParameters } from '../../test-support/tiny-gemma';
import type { GemmaModel } from '../model/model';

const SOURCE = [
  [5, 9, 4, 30, 8, 7, 36, 3, 12],
  [11, 6, 22, 7, 9, 13, 0, 0, 0],
];
const SOURCE_MASK = SOURCE.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
const NEW_TOKENS = 9;

describe('generation', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  /** The slow way: a whole forward pass for every token of every row, without a cache and without padding. */
  async function withoutCache(
    model: GemmaModel,
    parameters: Parameters,
    fields: HostFields,
    prompts: number[][],
  ): Promise<number[][]> {
    const rows = prompts.map((prompt) => [...prompt]);
    for (const [i, row] of rows.entries()) {
      const one = (name: string) => {
        const length = fields[name].shape[1];
        return ints([Array.from(fields[name].values.slice(i * length, (i + 1) * length))]);
      };
      for (let n = 0; n < NEW_TOKENS; n++) {
        const inputs: HostFields =
          model.kind === 'decoder-only'
            ? { input_ids: ints([row]) }
            : { input_ids: one('input_ids'), attention_mask: one('attention_mask'), decoder_input_ids: ints([row]) };
        const { logits } = await runForward({ engine, model, parameters, inputs });
        const last = Array.from(logits.values.slice(-model.vocabularySize));
        row.push(last.indexOf(Math.max(...last)));
      }
    }
    return rows;
  }

  const plain = (rows: Int32Array[]): number[][] => rows.map((row) => Array.from(row));
  const fields: HostFields = { input_ids: ints(SOURCE), attention_mask: ints(SOURCE_MASK) };

  test('an encoder-decoder generates the same tokens with and without the cache, beyond the window too', async () => {
    const model = tinyGemma({ decoder: { ...ODD_SIDE, slidingWindow: 3 } });
    const parameters = tinyParameters(model);
    const got = await generate(engine, model, parameters, { fields, maxNewTokens: NEW_TOKENS, eos: [] });
    expect(plain(got)).toEqual(await withoutCache(model, parameters, fields, [[2], [2]]));
    // A model that repeats one token would pass with a broken cache.
    expect(new Set(got[0]).size).toBeGreaterThan(3);
    tf.dispose(parameters);
  });

  test('an encoder-decoder continues a prompt', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const prompts = [
      [2, 8, 9],
      [2, 30, 31],
    ];
    const got = await generate(engine, model, parameters, {
      fields: { ...fields, decoder_input_ids: ints(prompts) },
      maxNewTokens: NEW_TOKENS,
      eos: [],
    });
    expect(plain(got)).toEqual(await withoutCache(model, parameters, fields, prompts));
    tf.dispose(parameters);
  });

  test.each(['left', 'right', 'middle'])('a decoder-only model continues prompts padded on the %s', async (where) => {
    const model = tinyGemma({ kind: 'decoder-only', decoder: { ...ODD_SIDE, slidingWindow: 4 } });
    const parameters = tinyParameters(model);
    const prompts = [
      [2, 5, 9, 4, 30, 8],
      [2, 11, 6],
    ];
    const padding = [0, 0, 0];
    const before = { left: 0, middle: 1, right: 3 }[where]!;
    const short = [...prompts[1].slice(0, before), ...padding, ...prompts[1].slice(before)];
    const padded = [prompts[0], short];
    const mask = padded.map((row) => row.map((id) => (id === 0 ? 0 : 1)));
    const got = await generate(engine, model, parameters, {
      fields: { input_ids: ints(padded), attention_mask: ints(mask) },
      maxNewTokens: NEW_TOKENS,
      eos: [],
    });
    const expected = await withoutCache(model, parameters, {}, prompts);
    expect(plain(got)).toEqual([expected[0], [...expected[1], 0, 0, 0]]);
    tf.dispose(parameters);
  });

  test('a row ends with its end token and is padded after it, and generation ends with the last row', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const free = plain(await generate(engine, model, parameters, { fields, maxNewTokens: NEW_TOKENS, eos: [] }));
    const eos = [free[0][2], free[1][4]];
    const ends = free.map((row) => row.findIndex((token, i) => i > 0 && eos.includes(token)));
    const events: TokenEvent[] = [];
    const got = plain(
      await generate(engine, model, parameters, {
        fields,
        maxNewTokens: NEW_TOKENS,
        eos,
        onToken: (event) => events.push(event),
      }),
    );
    const width = Math.max(...ends) + 1;
    expect(got).toEqual(free.map((row, i) => row.slice(0, width).map((token, at) => (at > ends[i] ? 0 : token))));
    expect(events.map(({ index }) => index)).toEqual(Array.from({ length: width - 1 }, (_, i) => i));
    expect(events.map(({ tokens }) => Array.from(tokens))).toEqual(
      Array.from({ length: width - 1 }, (_, i) => got.map((row) => row[i + 1])),
    );
    expect(events.map(({ ended }) => ended[0])).toEqual(Array.from({ length: width - 1 }, (_, i) => i + 1 > ends[0]));
    tf.dispose(parameters);
  });

  test('a Generator can be reused and leaves no tensors', async () => {
    const model = tinyGemma();
    const before = tf.memory().numTensors;
    const parameters = tinyParameters(model);
    const generator = new Generator(engine, model);
    const first = await generator.generate(parameters, { fields, maxNewTokens: 3 });
    expect(plain(await generator.generate(parameters, { fields, maxNewTokens: 3 }))).toEqual(plain(first));
    generator.dispose();
    tf.dispose(parameters);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('an abort signal stops generation', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const abort = new AbortController();
    const onToken = ({ index }: TokenEvent): void => (index === 1 ? abort.abort() : undefined);
    const got = await generate(engine, model, parameters, {
      fields,
      maxNewTokens: NEW_TOKENS,
      eos: [],
      onToken,
      signal: abort.signal,
    });
    expect(got[0].length).toBe(3);
    tf.dispose(parameters);
  });

  test('empty and invalid prompts are refused', async () => {
    const model = tinyGemma({ kind: 'decoder-only' });
    const run = (given: HostFields, maxNewTokens = 2) => generate(engine, model, {}, { fields: given, maxNewTokens });
    await expect(run({ input_ids: ints([[5, 6]]), attention_mask: ints([[0, 0]]) })).rejects.toThrow(
      /prompt of row 0 is padding alone/,
    );
    await expect(run({ input_ids: ints([[5, 37]]) })).rejects.toThrow(/holds token 37, but the vocabulary has 37/);
    await expect(run({ input_ids: ints([[5, 6]]) }, 0)).rejects.toThrow(/maxNewTokens/);
    await expect(run({})).rejects.toThrow(/"input_ids" is missing/);
  });

  test('sampling with the same seed gives the same result, and the sequences of a row differ', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const before = tf.memory().numTensors;
    const draw = async (seed: number): Promise<number[][]> =>
      plain(
        await generate(engine, model, parameters, {
          fields,
          maxNewTokens: NEW_TOKENS,
          eos: [],
          sequences: 3,
          sampling: { temperature: 2, topK: 20, seed },
        }),
      );
    const first = await draw(1);
    expect(first).toHaveLength(6);
    expect(await draw(1)).toEqual(first);
    expect(await draw(2)).not.toEqual(first);
    expect(new Set(first.map((row) => row.join())).size).toBeGreaterThan(3);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(parameters);
  });

  test('temperature 0 and top 1 are greedy, also for repeated rows, and a penalty prevents repetition', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const options = { fields, maxNewTokens: NEW_TOKENS, eos: [] };
    const greedy = plain(await generate(engine, model, parameters, options));
    for (const sampling of [{ temperature: 0 }, { topK: 1 }, { topP: 1e-9 }]) {
      const rows = plain(await generate(engine, model, parameters, { ...options, sampling, sequences: 2 }));
      expect(rows).toEqual(greedy.flatMap((row) => [row, row]));
    }
    const penalized = await generate(engine, model, parameters, { ...options, sampling: { repetitionPenalty: 1e6 } });
    // Practically forbidden: no token comes twice, including the start token.
    for (const row of plain(penalized)) expect(new Set(row).size).toBe(row.length);
    tf.dispose(parameters);
  });

  test('a stream gives the same tokens, and frees everything when it is left early', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const generator = new Generator(engine, model);
    const options = { fields, maxNewTokens: NEW_TOKENS, eos: [] };
    const expected = plain(await generator.generate(parameters, options));
    const before = tf.memory().numTensors;
    const streamed: number[][] = [[2], [2]];
    for await (const { tokens, index } of generator.stream(parameters, options)) {
      tokens.forEach((token, row) => streamed[row].push(token));
      if (index === 4) break;
    }
    expect(streamed).toEqual(expected.map((row) => row.slice(0, 6)));
    expect(tf.memory().numTensors).toBe(before);
    generator.dispose();
    tf.dispose(parameters);
  });

  test('a row ends where the caller stops it', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const options = { fields, maxNewTokens: NEW_TOKENS, eos: [] };
    const whole = plain(await generate(engine, model, parameters, options));
    const stopped = await generate(engine, model, parameters, {
      ...options,
      shouldStop: (tokens, row) => row === 1 && tokens.length === 3,
    });
    const pad = model.specialTokens.pad;
    expect(plain(stopped)).toEqual([
      whole[0],
      [...whole[1].slice(0, 4), ...new Array<number>(NEW_TOKENS - 3).fill(pad)],
    ]);
    tf.dispose(parameters);
  });

  test('beam search finds a sequence at least as probable as the greedy one', async () => {
    const model = tinyGemma();
    const parameters = tinyParameters(model);
    const generator = new Generator(engine, model);
    const options = { fields, maxNewTokens: 4, eos: [] };
    const sum = async (rows: Int32Array[], row: number): Promise<number> => {
      const source = { input_ids: ints([SOURCE[row]]), attention_mask: ints([SOURCE_MASK[row]]) };
      const inputs = { ...source, decoder_input_ids: ints([Array.from(rows[row].slice(0, -1))]) };
      const { logits } = await runForward({ engine, model, parameters, inputs });
      const all = tf.logSoftmax(tf.tensor(logits.values, [4, model.vocabularySize]));
      const values = await all.array();
      all.dispose();
      return [...rows[row].slice(1)].reduce((total, token, i) => total + (values as number[][])[i][token], 0);
    };
    const greedy = await generator.generate(parameters, options);
    const { sequences, scores } = await generator.search(parameters, { ...options, beams: 5, lengthPenalty: 0 });
    for (const row of [0, 1]) {
      expect(scores[row]).toBeCloseTo(await sum(sequences, row), 3);
      expect(scores[row]).toBeGreaterThanOrEqual((await sum(greedy, row)) - 1e-4);
    }
    generator.dispose();
    tf.dispose(parameters);
  });
});
