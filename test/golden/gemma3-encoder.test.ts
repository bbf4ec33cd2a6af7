import { CheckpointReader, writeCheckpoint } from '@graft/checkpoint';
import type { HostFields } from '@graft/core';
import { openEngine, type Engine } from '@graft/engine';
import { Embedder, exportEncoder, loadAnyModel, runForward } from '@graft/gemma';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import { expectedTensors, fixture, largestDifference, readJson, TOLERANCE } from './reference';

type Json = Record<string, unknown>;

const folder = fixture('gemma3-encoder')!;
const base = temporaryFolder();
let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ mode: 'portable' });
});

/** A copy of a fixture with this config, and tensors named as given. */
async function copied(name: string, from: string, config: Json, rename: (tensor: string) => string): Promise<string> {
  const reader = await CheckpointReader.open(fixture(from)!);
  const out = join(base, name);
  const tensors = [...reader.tensors.keys()].map((tensor) => ({ ...reader.source(tensor), name: rename(tensor) }));
  await writeCheckpoint(out, { config, tensors });
  await reader.close();
  return out;
}

const withoutModel = (name: string): string => name.replace(/^model\./, '');

describe('the published bidirectional Gemma3TextModel', () => {
  test.each([
    ['last_hidden_state', 6, withoutModel],
    ['last_hidden_state_window5', 5, (name: string) => name],
  ])('its %s are those of Graft', async (states, window, rename) => {
    const config = { ...readJson<Json>(folder, 'config.json'), sliding_window: window };
    const loaded = await loadAnyModel(await copied(`window-${window}`, 'gemma3-tiny', config, rename));
    expect([loaded.model.kind, loaded.unknownTensors]).toEqual(['encoder-only', []]);
    const expected = await expectedTensors(folder);
    const { input_ids, attention_mask } = expected;
    const outputs = await runForward({ ...loaded, engine, inputs: { input_ids, attention_mask } });
    const { encoder_last_hidden_state: got } = outputs;
    expect(largestDifference(got, expected[states], attention_mask)).toBeLessThanOrEqual(TOLERANCE.states);
    if (window === 6) {
      const embedder = new Embedder(engine, loaded.model);
      const vectors = await embedder.embed(loaded.parameters, { input_ids, attention_mask }, { pool: 'mean' });
      expect(largestDifference(vectors, expected.mean_pooled)).toBeLessThanOrEqual(TOLERANCE.states);
      embedder.dispose();
    }
    loaded.dispose();
  });
});

describe('the encoder of a T5Gemma 2 alone', () => {
  test.each([
    [6, 'halved'],
    [5, undefined],
  ])('with a window of %d it computes what it computes in the pair', async (window, ownKey) => {
    const config = readJson<{ encoder: { text_config: Json } } & Json>(fixture('t5gemma2-tiny')!, 'config.json');
    config.encoder.text_config.sliding_window = window;
    const pair = await copied(`pair-${window}`, 't5gemma2-tiny', config, (name) => name);
    const out = join(base, `alone-${window}`);
    const { inexact, tensors } = await exportEncoder({ encoder: pair, out, dtype: 'float32' });
    expect(tensors).toBe(93);
    const written = readJson<Json>(out, 'config.json');
    expect(written).toMatchObject({
      model_type: 'gemma3_text',
      use_bidirectional_attention: true,
      sliding_window: window,
    });
    expect(written.encoder_window).toBe(ownKey);
    expect(inexact).toEqual(
      ownKey === undefined
        ? []
        : [
            'The format has no word for this window (halved, 6): other readers than Graft see |i - j| <= 3, which differs for sources of more than 3 tokens.',
          ],
    );
    const { input_ids, attention_mask, ...expected } = await expectedTensors(fixture('t5gemma2-tiny')!);
    const statesOf = async (path: string) => {
      const loaded = await loadAnyModel(path);
      const { decoder_input_ids } = expected;
      const inputs: HostFields = loaded.model.kind === 'encoder-only' ? {} : { decoder_input_ids };
      const outputs = await runForward({
        ...loaded,
        engine,
        inputs: { input_ids, attention_mask, ...inputs },
        outputs: ['encoder'],
      });
      loaded.dispose();
      return outputs.encoder_last_hidden_state;
    };
    // The source contains the token with an embedding of its own.
    const [ofPair, alone] = [await statesOf(pair), await statesOf(out)];
    expect(largestDifference(alone, ofPair, attention_mask)).toBeLessThanOrEqual(1e-5);
    if (window === 6)
      expect(largestDifference(alone, expected.encoder_last_hidden_state, attention_mask)).toBeLessThanOrEqual(
        TOLERANCE.states,
      );
  });
});
