import { CheckpointReader, readHostTensors, writeCheckpoint, writeHostTensors } from '@graft/checkpoint';
import { writtenBy } from '@graft/checkpoint/internal';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { fixture, readJson, readMetrics } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const PLUGIN = join(ROOT, 'examples', 'third-party-model', 'src', 'index.ts');
const WITH = ['--plugin', PLUGIN, '--engine', 'portable'];

/** A family that adapts checkpoints of the same model_type as the example's. */
const ADAPTING = `
import { defineComponent, definePlugin, type ModelFamily } from '@graft/core';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const family: ModelFamily = {
  modelTypes: ['prenorm'],
  build: () => { throw new Error('graft adapt builds nothing'); },
  exportEncoder: async ({ out, choices }) => {
    mkdirSync(out);
    return { out, notes: [\`Exported with \${choices.encoderAttention} attention.\`] };
  },
  adapt: async ({ out, encoder, dtype, choices, onProgress, resume }) => {
    mkdirSync(out);
    onProgress?.({ doneBytes: 1, bytes: 2 });
    writeFileSync(join(out, 'request.json'), JSON.stringify({ encoder, choices, resume }));
    return { out, notes: [\`The decoder is a copy of the encoder (\${dtype}, seed \${choices.seed}).\`] };
  },
};
const adapting = defineComponent({
  interface: 'model', id: 'adapting', description: 'adapts', options: z.strictObject({}), useFactory: () => family,
});
export const plugin = definePlugin({ name: 'adapting', components: [adapting] });
`;

describe('a model family from outside, with every command', () => {
  const folder = temporaryFolder();
  const ints = (rows: readonly (readonly number[])[]) => ({
    dtype: 'int32' as const,
    shape: [rows.length, rows[0].length],
    values: Int32Array.from(rows.flat()),
  });
  let run: string;
  let checkpoint: string;

  beforeAll(async () => {
    const pairs = Array.from({ length: 8 }, (_, i) => ({ source: `text ${i}`, target: `text ${i}` }));
    writeFileSync(join(folder, 'pairs.jsonl'), pairs.map((pair) => JSON.stringify(pair)).join('\n'));
    const shared = {
      plugins: [PLUGIN],
      dataset: { use: 'jsonl', files: 'pairs.jsonl', source: 'source', target: 'target', tokenizer: 'bytes' },
    };
    const model = { use: 'prenorm', width: 16, heads: 2, feedForward: 24, layers: 1 };
    const config = {
      ...shared,
      name: 'prenorm',
      model,
      initializer: 'scratch',
      objective: 'seq2seq',
      optimizer: { use: 'adamw', learningRate: 0.01 },
      train: { steps: 3, batchSize: 4, checkpointEvery: 3 },
      engine: { mode: 'portable' },
    };
    writeFileSync(join(folder, 'train.json'), JSON.stringify(config));
    const evaluators = [{ use: 'loss', dataset: shared.dataset, objective: 'seq2seq' }];
    // Of another family: that of the checkpoint counts.
    writeFileSync(
      join(folder, 'measure.json'),
      JSON.stringify({ name: 'measure', model: 'gemma', initializer: 'scratch', evaluators }),
    );
    const { stdout } = await graftSucceeds(['run', 'train.json'], folder);
    run = stdout.trim().split('\n').at(-1)!;
    checkpoint = join(run, 'checkpoints', 'step-3');
    await writeHostTensors(
      join(folder, 'batch.safetensors'),
      {
        input_ids: ints([[5, 6, 7]]),
        decoder_input_ids: ints([[2, 8]]),
        labels: ints([[8, 1]]),
      },
      writtenBy('a test'),
    );
  });

  it('trains from scratch, with gains that begin at 1', () => {
    expect(readMetrics(run).map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  it('inspect shows its kind, its parts and the commands that it is fit for', async () => {
    const { stdout } = await graftSucceeds(['inspect', checkpoint, '--plugin', PLUGIN], folder);
    expect(stdout).toContain('config: encoder-decoder, vocabulary 259, pad 0, start 2, eos 1');
    expect(stdout).toContain('family: prenorm (graft-model-prenorm)');
    expect(stdout).toContain('commands: forward, generate, embed');
    expect(stdout).not.toContain('Not to be opened');
  });

  it('forward writes logits, encoder states, loss and gradients', async () => {
    const inputs = ['--model', checkpoint, '--inputs', 'batch.safetensors'];
    await graftSucceeds(
      ['forward', ...inputs, '--output', 'out.safetensors', '--with', 'encoder,loss,gradients', ...WITH],
      folder,
    );
    const out = await readHostTensors(join(folder, 'out.safetensors'));
    expect(out.logits.shape).toEqual([1, 2, 259]);
    expect(out.encoder_last_hidden_state.shape).toEqual([1, 3, 16]);
    expect(out['grad.dec.0.cross.q'].shape).toEqual([16, 16]);
  });

  it.each([
    ['greedily', []],
    ['by sampling', ['--temperature', '1', '--seed', '3']],
    ['by beam search', ['--beams', '3']],
    ['as a stream', ['--stream']],
    ['as a chat', ['--chat']],
  ])('generates %s', async (_, options) => {
    const prompt = ['--prompt', 'text 1', '--tokenizer', 'bytes', '--max-new-tokens', '4'];
    await graftSucceeds(['generate', '--model', checkpoint, ...prompt, ...options, ...WITH], folder);
  });

  it('embeds texts', async () => {
    const texts = ['--texts', 'pairs.jsonl', '--tokenizer', 'bytes', '--output', 'vectors.safetensors'];
    await graftSucceeds(['embed', '--model', checkpoint, ...texts, ...WITH], folder);
    const { embeddings } = await readHostTensors(join(folder, 'vectors.safetensors'));
    expect(embeddings.shape).toEqual([8, 16]);
  });

  it('evaluate --checkpoint takes the family of the checkpoint', async () => {
    const { stdout } = await graftSucceeds(['evaluate', 'measure.json', '--checkpoint', checkpoint, ...WITH], folder);
    expect(stdout).toContain('loss');
  });

  it('classifies texts and rows with a head on its encoder', async () => {
    const reader = await CheckpointReader.open(checkpoint);
    const head = { 'score.weight': [2, 16], 'score.bias': [2] };
    const encoder = [...reader.tensors.values()].filter(({ name }) => !name.startsWith('dec.'));
    const values = new Map<string, Float32Array>();
    for (const { name } of encoder) values.set(name, await reader.readFloat32(name));
    await reader.close();
    const shapes = { ...Object.fromEntries(encoder.map(({ name, shape }) => [name, shape])), ...head };
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const size = shape.reduce((product, each) => product * each, 1);
      const drawn = Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1));
      const whole = values.get(name) ?? drawn;
      return {
        name,
        shape,
        dtype: 'F32' as const,
        data: () => new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength),
      };
    });
    const config = { ...readJson<object>(join(checkpoint, 'config.json')), labels: ['no', 'yes'] };
    await writeCheckpoint(join(folder, 'classifier'), { config, tensors });
    const { stdout } = await graftSucceeds(
      ['classify', '--model', 'classifier', '--texts', 'pairs.jsonl', '--tokenizer', 'bytes', ...WITH],
      folder,
    );
    expect(stdout.trim().split('\n')).toEqual(Array(8).fill(expect.stringMatching(/^(no|yes)\t[01]\.\d{4}$/)));
    const rows = ['--inputs', 'batch.safetensors', '--output', 'classes.safetensors'];
    await graftSucceeds(['classify', '--model', 'classifier', ...rows, ...WITH], folder);
    const { probabilities } = await readHostTensors(join(folder, 'classes.safetensors'));
    expect(probabilities.shape).toEqual([1, 2]);
    expect(probabilities.values[0] + probabilities.values[1]).toBeCloseTo(1, 5);
  });

  it('classify is refused for a checkpoint without a head, with what its config.json lacks', async () => {
    const text = ['--text', 'a', '--tokenizer', 'bytes', ...WITH];
    const { status, stderr } = await graft(['classify', '--model', checkpoint, ...text], folder);
    expect([status, stderr]).toEqual([2, expect.stringContaining('config.json has no "labels": a list of the names')]);
  });

  it('export is refused in a sentence that names family and command', async () => {
    const command = ['export', '--encoder', checkpoint, '--out', 'new', '--plugin', PLUGIN];
    expect(await graft(command, folder)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        'the model family "prenorm" (graft-model-prenorm), which exports no encoders.',
      ) as string,
    });
  });

  it('adapt is refused in a sentence that names family and command', async () => {
    const { status, stderr } = await graft(
      ['adapt', '--encoder', checkpoint, '--out', 'new', '--plugin', PLUGIN],
      folder,
    );
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(
        'graft: graft adapt does not work on the model family "prenorm" (graft-model-prenorm), which adapts no checkpoints.',
      ),
    ]);
  });

  it('export runs on a family that exports, with its choices and notes', async () => {
    const plugin = join(folder, 'exporting.ts');
    writeFileSync(plugin, ADAPTING);
    const command = ['export', '--encoder', checkpoint, '--out', 'exported', '--plugin', plugin];
    const { stdout, stderr } = await graftSucceeds([...command, '--encoder-attention', 'causal'], folder);
    expect([stdout.trim(), stderr]).toEqual(['exported', expect.stringContaining('Exported with causal attention.')]);
  });

  it('adapt runs on a family that adapts, with its choices, its notes and its progress', async () => {
    const plugin = join(folder, 'adapting.ts');
    writeFileSync(plugin, ADAPTING);
    const command = ['adapt', '--encoder', checkpoint, '--out', 'adapted', '--seed', '7', '--plugin', plugin];
    const { stdout, stderr } = await graftSucceeds([...command, '--dtype', 'bfloat16'], folder);
    expect(stdout.trim()).toBe('adapted');
    expect(stderr).toContain('The decoder is a copy of the encoder (bfloat16, seed 7).');
    expect(readJson(join(folder, 'adapted', 'request.json'))).toMatchObject({
      encoder: checkpoint,
      choices: { seed: 7 },
    });
  });

  it('without its plugin, the known types are listed with the plugins that bring them', async () => {
    const inputs = ['--model', checkpoint, '--inputs', 'batch.safetensors', '--output', 'none.safetensors'];
    const { status, stderr } = await graft(['forward', ...inputs, '--engine', 'portable'], folder);
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(
        /has the model_type "prenorm", which no loaded plugin reads; known are "gemma2" \(@graft\/gemma\), .*"t5gemma" \(@graft\/gemma\)/,
      ),
    ]);
  });

  it('an option that its family lacks is named as one of the command line', async () => {
    const inputs = ['--model', checkpoint, '--inputs', 'batch.safetensors', '--output', 'none.safetensors'];
    const { status, stderr } = await graft(['forward', ...inputs, '--encoder-window', 'strict', ...WITH], folder);
    expect([status, stderr]).toEqual([2, expect.stringContaining('--encoder-window: The options of model')]);
  });

  it('a checkpoint of Gemma still opens beside it', async () => {
    const { stdout } = await graftSucceeds(['inspect', fixture('t5gemma-tiny-balanced'), '--plugin', PLUGIN], folder);
    expect(stdout).toContain('encoder-decoder');
  });
});
