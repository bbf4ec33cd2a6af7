import { CheckpointReader, readHostTensors, writeHostTensors, type HostTensor } from '@graft/checkpoint';
import { createRandom } from '@graft/core';
import { openEngine, tf } from '@graft/engine';
import { GemmaClassifier, loadModel, saveClassifier } from '@graft/gemma';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { tinyGemma, writeTiny } from '../../../plugins/gemma/test-support/tiny-gemma';
import { fixture, graft as start, graftSucceeds as startSucceeds, readJson, write } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

/** Each command is started once as a user starts it; what it does with more options is asked of one process. */
const { graft, graftSucceeds } = sharedProcess();
const folder = temporaryFolder();

/** For what the engine has no part in: one call of each command keeps the default, which compiles for seconds. */
const PORTABLE = ['--engine', 'portable'];

/** Largest difference; `positions`: a 0/1 mask over all but the last axis. */
function largestDifference(a: HostTensor, b: HostTensor, positions?: HostTensor): number {
  expect(a.shape).toEqual(b.shape);
  const width = positions ? a.values.length / positions.values.length : 1;
  let largest = 0;
  a.values.forEach((value, i) => {
    if (positions && positions.values[Math.floor(i / width)] === 0) return;
    // Not Math.max, which a NaN on its other side would pass through unseen.
    const difference = Math.abs(value - b.values[i]);
    if (!(difference <= largest)) largest = difference;
  });
  return largest;
}

describe('graft forward', () => {
  it('forward writes only logits by default', async () => {
    const out = join(folder, 'logits.safetensors');
    const model = fixture('gemma2-tiny');
    await startSucceeds(
      ['forward', '--model', model, '--inputs', join(model, 'expected.safetensors'), '--output', out],
      folder,
    );
    const written = await readHostTensors(out);
    const expected = await readHostTensors(join(model, 'expected.safetensors'));
    expect(Object.keys(written)).toEqual(['logits']);
    expect(largestDifference(written.logits, expected.logits, expected.attention_mask)).toBeLessThan(1e-4);
  });

  it('forward writes encoder states, the loss and every gradient on request', async () => {
    const out = join(folder, 'all.safetensors');
    const model = fixture('t5gemma-tiny-balanced');
    const { stdout } = await graftSucceeds(
      // prettier-ignore
      ['forward', '--model', model, '--inputs', join(model, 'expected.safetensors'), '--output', out,
        '--with', 'encoder,loss,gradients', '--encoder-window', 'inclusive', ...PORTABLE],
      folder,
    );
    expect(stdout).toBe(`${out}\n`);
    const written = await readHostTensors(out);
    const expected = await readHostTensors(join(model, 'expected.safetensors'));
    const { loss } = readJson<{ loss: number }>(join(model, 'expected.json'));
    expect(Object.values(written).every(({ dtype }) => dtype === 'float32')).toBe(true);
    expect(
      largestDifference(written.encoder_last_hidden_state, expected.encoder_last_hidden_state, expected.attention_mask),
    ).toBeLessThan(1e-4);
    expect(largestDifference(written.logits, expected.logits, expected.decoder_attention_mask)).toBeLessThan(1e-4);
    expect(written.loss.shape).toEqual([]);
    expect(Math.abs(written.loss.values[0] - loss)).toBeLessThan(1e-5);
    const gradients = await readHostTensors(join(model, 'grads.safetensors'));
    expect(
      Object.keys(written)
        .filter((name) => name.startsWith('grad.'))
        .map((name) => name.slice('grad.'.length))
        .sort(),
    ).toEqual(Object.keys(gradients).sort());
    for (const [name, gradient] of Object.entries(gradients)) {
      const peak = Array.from(gradient.values).reduce((most: number, value) => Math.max(most, Math.abs(value)), 0);
      expect(largestDifference(written[`grad.${name}`], gradient)).toBeLessThanOrEqual(1e-4 * peak);
    }
  });

  it('the encoder window is strict by default, and decoder inputs are built from labels', async () => {
    const out = join(folder, 'strict.safetensors');
    const model = fixture('t5gemma-tiny-balanced');
    const expected = await readHostTensors(join(model, 'expected.safetensors'));
    const { input_ids, attention_mask, decoder_attention_mask, labels } = expected;
    const inputs = join(folder, 'no-decoder-inputs.safetensors');
    await writeHostTensors(inputs, { input_ids, attention_mask, decoder_attention_mask, labels });
    await graftSucceeds(
      ['forward', '--model', model, '--inputs', inputs, '--output', out, '--with', 'encoder,loss', ...PORTABLE],
      folder,
    );
    const written = await readHostTensors(out);
    const { loss_strict_window: loss } = readJson<{ loss_strict_window: number }>(join(model, 'expected.json'));
    expect(
      largestDifference(
        written.encoder_last_hidden_state,
        expected.encoder_last_hidden_state_strict_window,
        attention_mask,
      ),
    ).toBeLessThan(1e-4);
    expect(Math.abs(written.loss.values[0] - loss)).toBeLessThan(1e-5);
  });

  it('the portable engine computes the same logits', async () => {
    const out = join(folder, 'portable.safetensors');
    const model = fixture('gemma2-tiny');
    // prettier-ignore
    await graftSucceeds(['forward', '--model', model, '--inputs', join(model, 'expected.safetensors'), '--output', out, ...PORTABLE], folder);
    const expected = await readHostTensors(join(model, 'expected.safetensors'));
    expect(
      largestDifference((await readHostTensors(out)).logits, expected.logits, expected.attention_mask),
    ).toBeLessThan(1e-4);
  });
});

describe('graft generate', () => {
  const model = fixture('t5gemma-tiny-balanced');
  const inputs = fixture('generation', 'inputs-t5gemma-tiny-balanced.safetensors');
  const expected = readJson<Record<string, Record<string, { sequences: number[][]; eos_token_id: number }>>>(
    fixture('generation', 'expected.json'),
  )['t5gemma-tiny-balanced'];

  it.each([
    ['greedy', []],
    ['greedy_eos', ['--eos', String(expected.greedy_eos.eos_token_id), ...PORTABLE]],
    ['beam4', ['--beams', '4', ...PORTABLE]],
    [
      'beam4_eos_lp0',
      ['--beams', '4', '--length-penalty', '0', '--eos', String(expected.beam4_eos_lp0.eos_token_id), ...PORTABLE],
    ],
  ])('generate writes the published sequences (%s)', async (name, options) => {
    const generate = name === 'greedy' ? startSucceeds : graftSucceeds;
    const out = join(folder, `${name}.safetensors`);
    // prettier-ignore
    await generate(['generate', '--model', model, '--inputs', inputs, '--output', out, '--max-new-tokens', '24', '--encoder-window', 'inclusive', ...options], folder);
    const { sequences } = await readHostTensors(out);
    expect(sequences.dtype).toBe('int32');
    expect([...sequences.values]).toEqual(expected[name].sequences.flat());
    expect(sequences.shape).toEqual([3, expected[name].sequences[0].length]);
  });

  it('generate prints the ids without --output', async () => {
    // prettier-ignore
    const { stdout } = await graftSucceeds(['generate', '--model', model, '--inputs', inputs, '--max-new-tokens', '24', '--encoder-window', 'inclusive', ...PORTABLE], folder);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ').map(Number)),
    ).toEqual(expected.greedy.sequences);
  });

  it('a seed repeats the drawn tokens, several sequences are drawn per row, and a stream is the same', async () => {
    const text = [
      'generate',
      '--model',
      model,
      '--prompt',
      'x',
      '--tokenizer',
      'bytes',
      '--max-new-tokens',
      '12',
      '--eos',
      '500',
    ];
    const drawn = [...text, '--temperature', '1.5', '--top-k', '100', ...PORTABLE];
    const print = async (...more: string[]): Promise<string> =>
      (await graftSucceeds([...drawn, ...more], folder)).stdout;
    const whole = await print('--seed', '1');
    expect(await print('--seed', '1', '--stream')).toBe(whole);
    expect(await print('--seed', '2')).not.toBe(whole);
    const out = join(folder, 'several.safetensors');
    // prettier-ignore
    await graftSucceeds(['generate', '--model', model, '--inputs', inputs, '--output', out, '--max-new-tokens', '5', '--sequences', '4', '--top-p', '0.9', ...PORTABLE], folder);
    expect((await readHostTensors(out)).sequences.shape).toEqual([12, 6]);
  });

  it.each([
    [['--beams', '3', '--top-k', '2'], /--beams follows the most probable sequences/],
    [['--length-penalty', '0'], /--length-penalty belongs to --beams/],
    [['--eos', '1,900'], /--eos 900: the model's tokens are those from 0 to \d+\./],
    [['--top-p', '2'], /Expected a number above 0 and at most 1/],
    [['--beams', '99999'], /beams should be an integer from 1 to the size of the vocabulary/],
  ])('the options %j are refused with a sentence', async (options, message) => {
    const base = ['generate', '--model', model, '--prompt', 'x', '--tokenizer', 'bytes', '--max-new-tokens', '2'];
    const { status, stderr } = await graft([...base, ...options, ...PORTABLE], folder);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('generate needs either a file or a prompt', async () => {
    const both = await graft(
      ['generate', '--model', model, '--prompt', 'x', '--inputs', inputs, '--max-new-tokens', '2'],
      folder,
    );
    const neither = await graft(['generate', '--model', model, '--max-new-tokens', '2'], folder);
    expect(both.status).toBe(2);
    expect(neither.status).toBe(2);
  });
});

describe('graft embed', () => {
  it('embed reads ids and texts', async () => {
    const model = fixture('t5gemma-tiny-balanced');
    const out = join(folder, 'embeddings.safetensors');
    const inputs = fixture('generation', 'inputs-t5gemma-tiny-balanced.safetensors');
    await startSucceeds(['embed', '--model', model, '--inputs', inputs, '--output', out, '--pool', 'last'], folder);
    expect((await readHostTensors(out)).embeddings.shape).toEqual([3, 64]);
    const texts = write(join(folder, 'texts.txt'), 'one\ntwo words\nthree\n');
    const base = ['embed', '--model', model, '--texts', texts, '--tokenizer', 'bytes', '--output', out, '--normalize'];
    const text = [...base, ...PORTABLE];
    await graftSucceeds([...text, '--batch-size', '2'], folder);
    const { embeddings } = await readHostTensors(out);
    expect(embeddings.shape).toEqual([3, 64]);
    expect(Math.hypot(...embeddings.values.slice(0, 64))).toBeCloseTo(1, 4);
    write(texts, 'one\n\nthree\n');
    expect(await graft(text, folder)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('texts.txt:2 is blank') as string,
    });
  });
});

describe('graft inspect --preset', () => {
  it('inspect counts the parameters of a published pair exactly, by part', async () => {
    const { stdout } = await graftSucceeds(['inspect', '--preset', '9b-2b'], folder);
    expect(stdout).toMatch(/^encoder +8,324,201,984 +917,504,000 /m);
    expect(stdout).toMatch(/^cross-attention +436,327,424 /m);
    expect(stdout).toContain('12,292,375,296 parameters, 24.6 GB');
    const json = JSON.parse((await graftSucceeds(['inspect', '--preset', 's-b', '--json'], folder)).stdout) as object;
    expect(json).toMatchObject({ kind: 'encoder-decoder', dtype: 'bfloat16' });
  });

  it('inspect estimates the memory of training, and 2B-2B fits a device of 80 GB as docs/performance.md says', async () => {
    const size = ['inspect', '--preset', '2b-2b', '--source-length', '1024', '--target-length', '1024'];
    const saving = ['--precision', 'bfloat16', '--rematerialize', '--chunk-tokens', '256'];
    const totalOf = async (...settings: string[]): Promise<number> => {
      const { stdout } = await graftSucceeds([...size, ...saving, ...settings], folder);
      return Number(/^total +([\d.]+) GiB$/m.exec(stdout)?.[1]);
    };
    const narrow = ['--parameter-dtype', 'bfloat16'];
    expect(await totalOf()).toBe(95.9);
    expect(await totalOf(...narrow, '--moments', 'bfloat16')).toBe(75.05);
    expect(await totalOf(...narrow, '--moments', 'int8')).toBe(64.79);
    expect(await totalOf(...narrow, '--optimizer', 'adafactor')).toBe(54.21);
    expect(await totalOf(...narrow, '--master-weights', 'none', '--moments', 'bfloat16')).toBe(54.2);
    expect(await totalOf(...narrow, '--master-weights', 'none', '--moments', 'int8')).toBe(43.94);
  });
});

describe('graft adapt', () => {
  it('adapt writes the published balanced checkpoint, byte for byte', async () => {
    const out = join(folder, 'adapted');
    const { stdout } = await startSucceeds(['adapt', '--encoder', fixture('gemma2-tiny'), '--out', out], folder);
    expect(stdout).toBe(`${out}\n`);
    const made = await CheckpointReader.open(out);
    const published = await CheckpointReader.open(fixture('t5gemma-tiny-balanced'));
    try {
      expect([...made.tensors.keys()].sort()).toEqual([...published.tensors.keys()].sort());
      for (const [name, { dtype, shape }] of published.tensors) {
        expect(made.tensors.get(name)).toMatchObject({ dtype, shape });
        const digest = async (reader: CheckpointReader): Promise<string> =>
          createHash('sha256')
            .update(await reader.readBytes(name))
            .digest('hex');
        expect([name, await digest(made)]).toEqual([name, await digest(published)]);
      }
    } finally {
      await made.close();
      await published.close();
    }
    const again = await graft(['adapt', '--encoder', fixture('gemma2-tiny'), '--out', out], folder);
    expect(again.status).not.toBe(0);
    expect(again.stderr).toContain(out);
  });
});

describe('--encoder-attention causal', () => {
  it('an adapted encoder gives the embeddings of its decoder-only source', async () => {
    const [source, adapted] = [fixture('gemma2-tiny'), fixture('t5gemma-tiny-balanced')];
    const embed = async (model: string, ...options: string[]): Promise<HostTensor> => {
      const out = join(folder, 'causal.safetensors');
      const inputs = join(source, 'expected.safetensors');
      await graftSucceeds(
        ['embed', '--model', model, '--inputs', inputs, '--output', out, ...options, ...PORTABLE],
        folder,
      );
      return (await readHostTensors(out)).embeddings;
    };
    const [plain, causal] = [await embed(source), await embed(adapted, '--encoder-attention', 'causal')];
    expect(largestDifference(plain, causal)).toBeLessThan(1e-5);
    expect(largestDifference(plain, await embed(adapted))).toBeGreaterThan(1e-2);
  });

  it('the option is refused for a model without an encoder', async () => {
    const args = ['--model', fixture('gemma2-tiny'), '--inputs', 'x', '--output', 'y'];
    const { status, stderr } = await graft(['embed', ...args, '--encoder-attention', 'causal'], folder);
    expect(status).toBe(2);
    expect(stderr).toMatch(/--encoder-attention is given, but .*gemma2-tiny is decoder-only and has no encoder\./);
  });
});

describe('the command graft', () => {
  it('inspect lists the tensors of a checkpoint', async () => {
    const { stdout } = await startSucceeds(['inspect', fixture('t5gemma-tiny-balanced')], folder);
    expect(stdout).toMatch(/^model\.decoder\.layers\.0\.cross_attn\.k_proj\.weight +F32 +\[32, 64\] +2,048$/m);
    expect(stdout).toMatch(/116 tensors, 412,288 elements/);
    expect(stdout).toMatch(/encoder-decoder, vocabulary 512/);
    const json = JSON.parse(
      (await graftSucceeds(['inspect', '--json', fixture('gemma2-tiny', 'model.safetensors')], folder)).stdout,
    ) as object;
    expect(json).toMatchObject({ dtypes: { F32: expect.any(Number) as number }, files: 1 });
  });

  it('plugins lists the components with their packages', async () => {
    const { stdout } = await startSucceeds(['plugins', '--json'], folder);
    const components = JSON.parse(stdout) as { interface: string; id: string; origin: string }[];
    expect(components).toContainEqual(
      expect.objectContaining({ interface: 'optimizer', id: 'adamw', origin: 'package @graft/optimizers' }),
    );
    expect(components).toContainEqual(expect.objectContaining({ interface: 'model', id: 'gemma' }));
  });

  it('plugins lists a component without a description too', async () => {
    const file = join(folder, 'terse.cjs');
    write(
      file,
      `const { z } = require(${JSON.stringify(require.resolve('zod'))});
       const terse = { interface: 'callback', id: 'terse', options: z.object({}), useFactory: () => ({}) };
       exports.plugin = { name: 'terse', components: [terse] };`,
    );
    const { stdout } = await graftSucceeds(['plugins', '--plugin', file], folder);
    expect(stdout).toMatch(/^callback +terse +\S+terse\.cjs *$/m);
  });

  it('every command has help', async () => {
    const { stdout } = await startSucceeds(['--help'], folder);
    for (const name of [
      'run',
      'evaluate',
      'report',
      'adapt',
      'average',
      'forward',
      'generate',
      'embed',
      'classify',
      'inspect',
      'data',
      'tokenizer',
      'plugins',
      'doctor',
      'engine',
    ]) {
      expect(stdout).toContain(`  ${name} `);
      expect((await startSucceeds([name, '--help'], folder)).stdout).toMatch(new RegExp(`^Usage: graft ${name} `));
    }
  });

  it.each([
    [['rnu'], /unknown command 'rnu'.*\n?.*run/],
    [['run', '--stes'], /unknown option '--stes'.*\n?.*--set/],
    [['adapt', '--encoder', 'x'], /--out/],
    [['forward', '--model', 'x', '--inputs', 'x', '--output', 'x', '--with', 'logit'], /"logit" is unknown/],
    [['run', 'x.yaml', '--engine', 'cuda'], /--engine/],
    [['run', 'x.yaml', '--set', 'steps'], /x\.yaml|--set/],
  ])('the arguments %j are refused with status 2', async (args, message) => {
    const outcome = await start(args, folder);
    expect(outcome).toMatchObject({ status: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/^graft: /);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr).not.toMatch(/^ +at /m);
  });

  it('only --debug prints a stack', async () => {
    const quiet = await start(['inspect', 'nowhere'], folder);
    const debug = await start(['inspect', 'nowhere', '--debug'], folder);
    expect(quiet.status).toBe(2);
    expect(quiet.stderr).toMatch(/^graft: nowhere .*there is no such file\.\n$/);
    expect(debug.stderr).toMatch(/^ +at /m);
  });
});

describe('graft classify', () => {
  it('classify prints the classes of texts, and writes those of ids', async () => {
    const folder = temporaryFolder();
    const model = fixture('seqcls-encdec');
    const texts = write(join(folder, 'texts.txt'), 'once\nupon\n');
    const { stdout } = await startSucceeds(
      ['classify', '--model', model, '--texts', texts, '--tokenizer', 'bytes'],
      folder,
    );
    expect(stdout.trim().split('\n')).toEqual(Array(2).fill(expect.stringMatching(/^LABEL_\d\t0\.\d{4}$/)));
    const out = join(folder, 'out.safetensors');
    const inputs = join(model, 'expected.safetensors');
    const ids = ['classify', '--model', model, '--inputs', inputs, '--output', out, '--encoder-window', 'inclusive'];
    await graftSucceeds([...ids, ...PORTABLE], folder);
    const [got, expected] = [await readHostTensors(out), await readHostTensors(inputs)];
    expect(largestDifference(got.logits, expected.logits)).toBeLessThan(5e-4);
  });

  it.each(['gemma2-tiny-it', 'gemma3-tiny', 'llama-tiny', 'qwen3-tiny', 't5gemma2-tiny'])(
    'a classifier that is made of %s is inspected and classifies',
    async (name) => {
      const folder = temporaryFolder();
      await openEngine({ mode: 'portable' });
      const source = await loadModel(fixture(name));
      const { config: model } = source.model;
      const classifier = new GemmaClassifier({ model, task: 'sequence', reads: 'decoder', labels: ['wet', 'dry'] });
      const head = classifier.freshHead(createRandom(1));
      const out = join(folder, 'classifier');
      await saveClassifier(out, classifier, { ...source.parameters, ...head });
      source.dispose();
      tf.dispose(head);
      const texts = write(join(folder, 'texts.txt'), 'It rains.\nNot a drop\n');
      const args = ['classify', '--model', out, '--texts', texts, '--tokenizer', 'bytes', ...PORTABLE];
      const { stdout } = await graftSucceeds(args, folder);
      expect(stdout.trim().split('\n')).toEqual(Array(2).fill(expect.stringMatching(/^(wet|dry)\t0\.\d{4}$/)));
      const inspected = (await graftSucceeds(['inspect', out], folder)).stdout;
      expect(inspected).toContain('Classifier: of a sequence, reads the decoder, 2 classes: wet, dry\n');
      expect(inspected).not.toMatch(/Ignored tensors|Not to be opened/);
      const strict = await graft([...args, '--encoder-window', 'strict'], folder);
      if (model.kind === 'encoder-decoder') expect(strict.status).toBe(0);
      else
        expect([strict.status, strict.stderr]).toEqual([2, expect.stringMatching(/decoder-only and has no encoder/)]);
    },
  );

  it('classify refuses a language model, and needs exactly one kind of input', async () => {
    const folder = temporaryFolder();
    const plain = await graft(['classify', '--model', fixture('t5gemma-tiny-balanced'), '--text', 'x'], folder);
    expect([plain.status, plain.stderr]).toEqual([2, expect.stringMatching(/holds no classifier/)]);
    const none = await graft(['classify', '--model', fixture('seqcls-encdec')], folder);
    expect([none.status, none.stderr]).toEqual([2, expect.stringMatching(/one of --text, --texts and --inputs/)]);
  });
});

describe('tensors that a model does not use', () => {
  it('every command that loads a model names unused tensors on standard error', async () => {
    const folder = temporaryFolder();
    await openEngine({ mode: 'portable' });
    const model = await writeTiny(join(folder, 'model'), {
      config: tinyGemma().config,
      extra: { 'adapter.left': [2, 3] },
    });
    const inputs = join(folder, 'in.safetensors');
    const ids = { dtype: 'int32' as const, shape: [1, 3], values: Int32Array.of(4, 5, 6) };
    await writeHostTensors(inputs, { input_ids: ids, decoder_input_ids: ids });
    for (const [command, ...further] of [['forward'], ['generate', '--max-new-tokens', '2'], ['embed']]) {
      const io = ['--model', model, '--inputs', inputs, '--output', join(folder, `${command}.safetensors`)];
      const { stderr } = await graftSucceeds([command, ...io, ...further, ...PORTABLE], folder);
      expect(stderr).toMatch(/holds 1 tensors that the model has no use for: adapter\.left\./);
    }
  });
});
