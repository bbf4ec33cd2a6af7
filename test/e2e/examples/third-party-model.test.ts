import { readHostTensors, writeHostTensors } from '@graft/checkpoint';
import { writtenBy } from '@graft/checkpoint/internal';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { fixture, readMetrics } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft, graftSucceeds } = sharedProcess();
const PLUGIN = join(ROOT, 'examples', 'third-party-model', 'src', 'index.ts');
const WITH = ['--plugin', PLUGIN, '--engine', 'portable'];

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

  it.each([
    [
      'graft classify',
      ['classify', '--model'],
      ['--text', 'a', '--tokenizer', 'bytes', ...WITH],
      'reads no classifiers',
    ],
    ['graft adapt', ['adapt', '--encoder'], ['--out', 'new', '--plugin', PLUGIN], 'adapts no checkpoints'],
  ])('%s is refused in a sentence that names family and command', async (command, before, after, lacks) => {
    expect(await graft([...before, checkpoint, ...after], folder)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        `graft: ${command} does not work on the model family "prenorm" (graft-model-prenorm), which ${lacks}.`,
      ) as string,
    });
  });

  it('without its plugin, the known types are listed with the plugins that bring them', async () => {
    const inputs = ['--model', checkpoint, '--inputs', 'batch.safetensors', '--output', 'none.safetensors'];
    const { status, stderr } = await graft(['forward', ...inputs, '--engine', 'portable'], folder);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(
        'has the model_type "prenorm", which no loaded plugin reads; known are "gemma2" (@graft/gemma), "t5gemma" (@graft/gemma).',
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
