import { CheckpointReader, writeCheckpoint } from '@graft/checkpoint';
import { openEngine, type Engine, type EngineMode } from '@graft/engine';
import { exportEncoder, loadAnyModel, runForward, type EncoderWindow } from '@graft/gemma';
import { join } from 'node:path';
import { temporaryFolder } from '../support';
import {
  expectedTensors,
  fixture,
  largestDifference,
  NATIVE_MODES,
  readJson,
  SLOW_PJRT_MODES,
  TOLERANCE,
} from './reference';

/** config.json as the published implementation writes it with a donor's decoder, with its default decoder, and without one. */
const FORMS = ['config.json', 'config.default-decoder.json', 'config.no-decoder.json'];
const WINDOWS: readonly (readonly [EncoderWindow, string])[] = [
  ['inclusive', 'last_hidden_state'],
  ['strict', 'last_hidden_state_strict_window'],
];

describe('the published T5GemmaEncoderModel', () => {
  const folder = fixture('t5gemma-encoder')!;
  const base = temporaryFolder();
  let weights: string;
  beforeAll(async () => {
    // Its weights are those of this fixture's encoder, stored in bfloat16.
    weights = join(base, 'exported');
    await exportEncoder({ encoder: fixture('t5gemma-tiny-balanced')!, out: weights, dtype: 'bfloat16' });
  });

  /** A folder with these weights, this config.json, and tensor names as given. */
  async function made(
    name: string,
    config: Record<string, unknown>,
    rename = (tensor: string) => tensor,
  ): Promise<string> {
    const reader = await CheckpointReader.open(weights);
    const out = join(base, name);
    const tensors = [...reader.tensors.keys()].map((tensor) => ({ ...reader.source(tensor), name: rename(tensor) }));
    await writeCheckpoint(out, { config, tensors });
    await reader.close();
    return out;
  }

  async function check(engine: Engine, checkpoint: string): Promise<void> {
    const expected = await expectedTensors(folder);
    const { input_ids, attention_mask } = expected;
    for (const [encoderWindow, name] of WINDOWS) {
      const loaded = await loadAnyModel(checkpoint, { encoderWindow });
      expect(loaded.model.kind).toBe('encoder-only');
      expect(loaded.unknownTensors).toEqual([]);
      const outputs = await runForward({ ...loaded, engine, inputs: { input_ids, attention_mask } });
      loaded.dispose();
      expect(Object.keys(outputs)).toEqual(['encoder_last_hidden_state']);
      const difference = largestDifference(outputs.encoder_last_hidden_state, expected[name], attention_mask);
      expect(difference).toBeLessThanOrEqual(TOLERANCE.states);
    }
  }

  test.each<EngineMode>([...NATIVE_MODES, 'portable', ...SLOW_PJRT_MODES])(
    'the states of an exported encoder are the published ones on %s, with both windows',
    async (mode) => {
      await check(await openEngine({ mode }), weights);
    },
  );

  test.each(FORMS)('the published config %s is read, with both forms of tensor names', async (form) => {
    const engine = await openEngine({ mode: 'portable' });
    const config = readJson<Record<string, unknown>>(folder, form);
    await check(engine, await made(form, config));
    await check(engine, await made(`${form}-model`, config, (tensor) => `model.${tensor}`));
  });

  test('an exported folder has the published tensor names and config', async () => {
    const reader = await CheckpointReader.open(weights);
    const names = [...reader.tensors.keys()];
    await reader.close();
    expect(names.every((name) => name.startsWith('encoder.'))).toBe(true);
    // Its config, read and written again, is that of the exported folder but for what describes nothing.
    const [theirs, ours] = [
      readJson<Record<string, unknown>>(folder, 'config.no-decoder.json'),
      readJson<Record<string, unknown>>(weights, 'config.json'),
    ];
    const { encoder: own, encoder_window: window, ...rest } = ours;
    const { encoder: published, transformers_version: _version, ...whole } = theirs;
    expect(window).toBe('strict');
    expect(rest).toEqual(whole);
    const { dtype: _dtype, ...side } = published as Record<string, unknown>;
    expect(own).toEqual(expect.objectContaining(side));
  });
});
