import { readHostTensors } from '@graft/checkpoint';
import { completeSampling, scoresOf, type HostFields } from '@graft/core';
import { openEngine, tf, type Engine } from '@graft/engine';
import { Generator, loadModel, planDecoding, type DecodingRequest, type LoadedModel } from '@graft/gemma';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { ints } from '../../plugins/gemma/test-support/tiny-gemma';
import { fixture, largestDifference, readJson } from './reference';

interface Case {
  readonly generation_config: Readonly<Record<string, unknown>> | null;
  readonly config_overrides: Readonly<Record<string, unknown>>;
  readonly call: { readonly max_new_tokens?: number; readonly eos_token_id?: number; readonly do_sample?: boolean };
  /** With the prompts and their padding. */
  readonly sequences: number[][];
}

interface Expected {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly cases: Readonly<Record<string, Case>>;
  readonly old_keys_in_config_json: Readonly<Record<string, { readonly new_tokens: number }>>;
  readonly sampling: {
    readonly cases: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
}

const folder = fixture('gemma2-tiny-it')!;
const expected = readJson<Expected>(folder, 'expected.json');
const fields: HostFields = {
  input_ids: ints(expected.input_ids),
  attention_mask: ints(expected.attention_mask),
};

/** The checkpoint with other settings. */
function folderWith(overrides: object, generationConfig: object | null): string {
  const made = temporaryFolder();
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  writeFileSync(join(made, 'config.json'), JSON.stringify({ ...config, ...overrides }));
  copyFileSync(join(folder, 'model.safetensors'), join(made, 'model.safetensors'));
  if (generationConfig) writeFileSync(join(made, 'generation_config.json'), JSON.stringify(generationConfig));
  return made;
}

describe('the published meaning of generation_config.json', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine({ mode: 'portable' });
  });

  async function generated({ model, parameters }: LoadedModel, request: DecodingRequest): Promise<number[][]> {
    const generator = new Generator(engine, model);
    try {
      const { beams } = planDecoding(model, request);
      const { eos, maxNewTokens, sampling } = request;
      const rows =
        beams > 1
          ? (await generator.search(parameters, { fields, eos, maxNewTokens })).sequences
          : await generator.generate(parameters, { fields, eos, maxNewTokens, sampling });
      return rows.map((row) => [...row]);
    } finally {
      generator.dispose();
    }
  }

  /** Tokens behind the prompts; Graft's rows leave the prompts' padding out, and stand behind each other on the left. */
  const behindPrompts = (rows: number[][], lengths: number[]): number[][] =>
    rows.map((row, i) => row.slice(lengths[i]));
  const promptLengths = expected.attention_mask.map((row) => row.filter((one) => one === 1).length);

  test('there are 16 cases', () => expect(Object.keys(expected.cases)).toHaveLength(16));

  test.each(Object.entries(expected.cases))(
    'the published sequences are generated in the case %s',
    async (_, { generation_config, config_overrides, call, sequences }) => {
      const loaded = await loadModel(folderWith(config_overrides, generation_config));
      try {
        const rows = await generated(loaded, {
          eos: call.eos_token_id,
          maxNewTokens: call.max_new_tokens,
          sampling: { sample: call.do_sample },
        });
        const got = behindPrompts(rows, promptLengths);
        const wanted = behindPrompts(
          sequences,
          expected.input_ids.map((row) => row.length),
        );
        const { eos, beams = 1 } = loaded.model.generation;
        const filler = beams > 1 ? eos[0] : 0;
        // Rows are as wide as the widest, prompts included, which leaves room behind a short prompt's tokens.
        const filled = (row: number[], width: number): number[] =>
          Array.from({ length: width }, (_, i) => row[i] ?? filler);
        const width = Math.max(...sequences.map((row) => row.length));
        expect(got.map((row) => filled(row, width))).toEqual(wanted.map((row) => filled(row, width)));
      } finally {
        loaded.dispose();
      }
    },
  );

  test('old keys in config.json apply only without a generation_config.json', async () => {
    const newTokens = async (overrides: object, json: object | null): Promise<number> => {
      const loaded = await loadModel(folderWith(overrides, json));
      try {
        const rows = await generated(loaded, { eos: [] });
        return Math.max(...rows.map((row) => row.length)) - Math.max(...promptLengths);
      } finally {
        loaded.dispose();
      }
    };
    const known = expected.old_keys_in_config_json;
    expect(await newTokens({ max_length: 18 }, null)).toBe(known.max_length.new_tokens);
    expect(await newTokens({ max_length: 18 }, { eos_token_id: 1 })).toBe(
      known['max_length, beside a generation_config.json'].new_tokens,
    );
    const loaded = await loadModel(folderWith({ do_sample: true, temperature: 0.5 }, null));
    expect(loaded.model.generation).toMatchObject({ sample: true, temperature: 0.5, eos: [1] });
    loaded.dispose();
  });

  test.each(Object.entries(expected.sampling.cases))(
    'the first token has the published distribution for sampling with %s',
    async (name, settings) => {
      const tensors = await readHostTensors(join(folder, 'expected.safetensors'));
      const { model, dispose } = await loadModel(folderWith({}, settings));
      dispose();
      const sampling = completeSampling({ sample: true }, model.generation);
      const logits = tensors.first_step_logits;
      const values = tf.tidy(() => {
        const all = tf.tensor2d(logits.values as Float32Array, logits.shape as [number, number]);
        return tf.softmax(scoresOf(all, { sampling, key: tf.tensor1d([0, 0], 'int32') })).dataSync() as Float32Array;
      });
      const got = { dtype: 'float32' as const, shape: logits.shape, values };
      expect(largestDifference(got, tensors[`probabilities.${name}`])).toBeLessThan(1e-6);
    },
  );
});
