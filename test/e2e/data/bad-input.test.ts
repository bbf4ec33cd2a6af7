import { readHostTensors, writeHostTensors } from '@graft/checkpoint';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { fixture, readJson, trajectoryConfig, write, type Outcome } from '../support/graft';
import { sharedProcess } from '../support/shared-process';

const { graft } = sharedProcess();
const folder = temporaryFolder();
const tiny = fixture('gemma2-tiny');

/** One clear complaint, no stack, and nothing on standard output. */
function expectComplaint({ status, stdout, stderr }: Outcome, expectedStatus: 1 | 2, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^graft: /m);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stderr).not.toContain('mistake in Graft');
  expect(stdout).toBe('');
  expect(status).toBe(expectedStatus);
}

/** A copy of a checkpoint to be spoilt. */
function copyOf(checkpoint: string, name: string): string {
  const copy = join(folder, name);
  cpSync(checkpoint, copy, { recursive: true });
  return copy;
}

/** Every entry below a folder. */
const entries = (at: string): string[] => readdirSync(at, { recursive: true }).map(String).sort();

async function expectAdaptRefuses(source: string, message: RegExp, status: 1 | 2 = 1): Promise<void> {
  const out = join(folder, 'adapted-from-bad');
  const before = entries(folder);
  expectComplaint(await graft(['adapt', '--encoder', source, '--out', out], folder), status, message);
  expect(existsSync(out)).toBe(false);
  expect(entries(folder)).toEqual(before);
}

/** Rewrites the header of a safetensors file, leaving its data. */
function editHeader(
  file: string,
  edit: (header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>) => void,
): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Parameters<typeof edit>[0];
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  write(file, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

describe('a faulty checkpoint', () => {
  it('a truncated checkpoint is refused', async () => {
    const copy = copyOf(tiny, 'truncated');
    truncateSync(join(copy, 'model.safetensors'), 40_000);
    await expectAdaptRefuses(copy, /model\.safetensors/);
  });

  it('a header with wrong offsets is refused', async () => {
    const copy = copyOf(tiny, 'lying');
    editHeader(join(copy, 'model.safetensors'), (header) => {
      header['model.norm.weight'].data_offsets = [0, 8];
    });
    await expectAdaptRefuses(copy, /model\.norm\.weight/);
  });

  it('a header that is absurdly long or not JSON is refused', async () => {
    const copy = copyOf(tiny, 'absurd');
    const file = join(copy, 'model.safetensors');
    write(file, Buffer.from([255, 255, 255, 255, 255, 255, 255, 127, 123, 125]));
    await expectAdaptRefuses(copy, /model\.safetensors/);
    write(file, Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 123, 123]));
    await expectAdaptRefuses(copy, /model\.safetensors/);
  });

  it('a checkpoint with a missing shard is refused', async () => {
    const copy = copyOf(fixture('gemma2-tiny-sharded-bf16'), 'shardless');
    rmSync(join(copy, 'model-00002-of-00004.safetensors'));
    await expectAdaptRefuses(copy, /model-00002-of-00004\.safetensors/);
  });

  it('a dtype that no weight can have is refused', async () => {
    const copy = copyOf(tiny, 'integers');
    editHeader(join(copy, 'model.safetensors'), (header) => {
      header['model.norm.weight'].dtype = 'I32';
    });
    await expectAdaptRefuses(copy, /model\.norm\.weight.*I32/);
    const inputs = join(tiny, 'expected.safetensors');
    const outcome = await graft(
      ['forward', '--model', copy, '--inputs', inputs, '--output', join(folder, 'never.safetensors')],
      folder,
    );
    expectComplaint(outcome, 1, /model\.norm\.weight.*I32/);
  });

  it('a missing checkpoint is refused', async () => {
    await expectAdaptRefuses(join(folder, 'nowhere'), /nowhere/, 2);
  });
});

describe('faulty inputs', () => {
  const forward = (inputs: string): Promise<Outcome> =>
    graft(
      [
        'forward',
        '--model',
        tiny,
        '--inputs',
        inputs,
        '--output',
        join(folder, 'never.safetensors'),
        '--engine',
        'portable',
      ],
      folder,
    );

  it.each([
    [
      'a float where ids belong',
      /input_ids.*integers/,
      { dtype: 'float32', shape: [1, 2], values: Float32Array.of(1, 2) },
    ],
    [
      'an id outside of the vocabulary',
      /input_ids.*512/,
      { dtype: 'int32', shape: [1, 2], values: Int32Array.of(1, 512) },
    ],
    ['a wrong rank', /input_ids.*shape/, { dtype: 'int32', shape: [2], values: Int32Array.of(1, 2) }],
  ] as const)('the inputs are refused because of %s', async (_, message, input_ids) => {
    const inputs = join(folder, 'inputs.safetensors');
    await writeHostTensors(inputs, { input_ids });
    expectComplaint(await forward(inputs), 2, message);
    expect(existsSync(join(folder, 'never.safetensors'))).toBe(false);
  });

  it('a missing file is refused', async () => {
    expectComplaint(await forward('missing.safetensors'), 2, /missing\.safetensors/);
  });
});

describe('a faulty config', () => {
  const run = (name: string, text: string, ...args: string[]): Promise<Outcome> =>
    graft(['run', write(join(folder, `${name}.yaml`), text), ...args], folder);

  it('all problems of a config are reported at once, and no run folder is created', async () => {
    const outcome = await run(
      'unknown-key',
      trajectoryConfig('sede: 3\n'),
      '--set',
      'optimizer.learningRat=1',
      '--set',
      'train.steps=-1',
    );
    expectComplaint(outcome, 2, /sede: unknown key; did you mean "seed"\?/);
    expect(outcome.stderr).toMatch(/optimizer\.learningRat: unknown key; did you mean "learningRate"\?/);
    expect(outcome.stderr).toMatch(/train\.steps/);
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });

  it('a config that is missing or not YAML is refused', async () => {
    expectComplaint(await graft(['run', 'nowhere.yaml'], folder), 2, /nowhere\.yaml/);
    expectComplaint(await run('no-yaml', 'name: [1,'), 2, /no-yaml\.yaml/);
  });

  it('a run with missing data ends with an error', async () => {
    const text = trajectoryConfig().replace('batches.safetensors', 'no-such-batches.safetensors');
    const outcome = await run('no-data', text);
    expectComplaint(outcome, outcome.status === 2 ? 2 : 1, /no-such-batches\.safetensors/);
  });

  it('a loss that is not finite ends the run with an error, and keeps earlier checkpoints', async () => {
    // One weight that is NaN makes every logit NaN from the first step on.
    const model = copyOf(fixture('t5gemma-tiny-balanced'), 'nan-weight');
    spoilOneWeight(join(model, 'model.safetensors'));
    const text = trajectoryConfig().replace(/path: .* }/, `path: ${model} }`);
    const outcome = await run('not-a-number', text, '--set', 'name=not-a-number', '--engine', 'portable');
    expectComplaint(outcome, 1, /step 1\b.*the loss is NaN/);
    const latest = join(folder, 'runs', 'not-a-number', 'latest');
    expect(readJson(join(latest, 'run.json'))).toMatchObject({ status: 'failed' });
    expect(existsSync(join(latest, 'checkpoints', 'step-1'))).toBe(false);
  });
});

/** Puts a NaN into the first value of the decoder's final norm. */
function spoilOneWeight(file: string): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  bytes.writeFloatLE(NaN, 8 + length + header['model.decoder.norm.weight'].data_offsets[0]);
  write(file, bytes);
}

describe('data that end too early', () => {
  it('a run for which they cannot suffice does not start, and the error names both numbers', async () => {
    const batches = await readHostTensors(fixture('train-trajectory', 'batches.safetensors'));
    await writeHostTensors(
      join(folder, 'two.safetensors'),
      Object.fromEntries(Object.entries(batches).filter(([name]) => /\.[01]$/.test(name))),
    );
    const text = trajectoryConfig().replace(/file: .* }/, 'file: two.safetensors }');
    const outcome = await graft(
      ['run', write(join(folder, 'short.yaml'), text), '--set', 'name=short', '--engine', 'portable'],
      folder,
    );
    expectComplaint(outcome, 2, /train\.steps is 10, but dataset "tensors" ends after 2 batches\./);
    expect(existsSync(join(folder, 'runs', 'short', 'latest'))).toBe(false);
  });
});

describe('external files that need too much memory or time', () => {
  it('a config.json with a hundred million layers is refused by every command that reads it', async () => {
    const copy = copyOf(tiny, 'deep');
    const config = readJson<Record<string, unknown>>(join(copy, 'config.json'));
    write(join(copy, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 1e8, layer_types: null }));
    const layers = /"num_hidden_layers" is 100000000; Graft takes at most 4096\./;
    await expectAdaptRefuses(copy, layers);
    const commands = [
      ['generate', '--model', copy, '--tokenizer', 'bytes', '--prompt', 'a', '--engine', 'portable'],
      [
        'embed',
        '--model',
        copy,
        '--tokenizer',
        'bytes',
        '--texts',
        write(join(folder, 'texts.txt'), 'a\n'),
        '--output',
        join(folder, 'states.safetensors'),
      ],
    ];
    for (const command of commands) expectComplaint(await graft(command, folder), 1, layers);
  });

  it('a run refuses layers without tensors before it builds the model', async () => {
    const copy = copyOf(tiny, 'deeper');
    const config = readJson<Record<string, unknown>>(join(copy, 'config.json'));
    write(join(copy, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 4000, layer_types: null }));
    const text = trajectoryConfig().replace(
      /initializer: .*/,
      `initializer: { use: load, path: ${JSON.stringify(copy)} }`,
    );
    const outcome = await graft(
      ['run', write(join(folder, 'deeper.yaml'), text), '--set', 'name=deeper', '--engine', 'portable'],
      folder,
    );
    expectComplaint(
      outcome,
      1,
      /does not describe the tensors beside it: "model\.layers\.\d+\.self_attn\.q_proj\.weight"/,
    );
  });

  it("a tokenizer's regular expression that does not end is stopped", async () => {
    const model = { type: 'WordLevel', unk_token: '<unk>', vocab: { '<unk>': 0, '<pad>': 1, '<eos>': 2, '<bos>': 3 } };
    const pattern = { type: 'Split', pattern: { Regex: '(a+)+b' }, behavior: 'Isolated', invert: false };
    const file = write(join(folder, 'slow', 'tokenizer.json'), JSON.stringify({ model, pre_tokenizer: pattern }));
    const outcome = await graft(['tokenizer', 'encode', file, 'a'.repeat(60)], folder);
    expectComplaint(
      outcome,
      1,
      /tokenizer\.json cannot be used on this text: .*"\(a\+\)\+b", whose search did not end/,
    );
  });
});
