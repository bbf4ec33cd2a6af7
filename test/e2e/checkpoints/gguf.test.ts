import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../../support';
import { sharedProcess } from '../support/shared-process';

const FIXTURES = join(ROOT, 'test', 'golden', 'fixtures', 'gguf');
const GEMMA2 = join(FIXTURES, 'gemma2.gguf');

const { graft, graftSucceeds } = sharedProcess();
const base = temporaryFolder();
const environment = { GRAFT_CACHE: join(base, 'cache') };

describe('graft import', () => {
  it('the command writes a folder, prints its name, and says what was in the file', async () => {
    const { stdout, stderr } = await graftSucceeds(
      ['import', join(FIXTURES, 'gemma3.gguf'), '--out', 'gemma3', '--dtype', 'bfloat16'],
      base,
      environment,
    );
    expect(stdout).toBe('gemma3\n');
    expect(stderr).toContain('gemma3_text: 93 tensors (50 Q4_0, 43 F32), 96,640 parameters, 193.3 kB in bfloat16.');
    const config = JSON.parse(readFileSync(join(base, 'gemma3', 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({ model_type: 'gemma3_text', dtype: 'bfloat16' });
    const again = await graft(['import', GEMMA2, '--out', 'gemma3'], base, environment);
    expect(again).toMatchObject({ status: 2, stdout: '' });
    expect(again.stderr).toContain('gemma3 exists already.');
  });

  it('what cannot be imported is named, with status 2', async () => {
    const { status, stderr } = await graft(['import', join(FIXTURES, 'blocks.gguf'), '--out', 'x'], base, environment);
    expect(status).toBe(2);
    expect(stderr).toContain(
      'blocks.gguf cannot be imported: its architecture is "none"; Graft reads gemma2, gemma3, llama, qwen3.',
    );
  });
});

describe('a GGUF file as a checkpoint', () => {
  const portable = ['--engine', 'portable', '--prompt', 'the hen and', '--max-new-tokens', '4'];

  it('text is generated as by the imported folder', async () => {
    await graftSucceeds(['import', GEMMA2, '--out', 'gemma2'], base, environment);
    const [one, two] = [
      await graftSucceeds(['generate', '--model', 'gemma2', ...portable], base, environment),
      await graftSucceeds(['generate', '--model', GEMMA2, ...portable], base, environment),
    ];
    expect(two.stdout).toBe(one.stdout);
    expect(two.stderr).toMatch(/Converting .*gemma2\.gguf into .*cache.checkpoints.[0-9a-f]{32}-1, once\./);
    const third = await graftSucceeds(['generate', '--model', GEMMA2, ...portable], base, environment);
    expect(third.stderr).not.toContain('Converting');
  });

  it('its tokenizer is audited, inspected and adapted like that of a folder', async () => {
    const { stdout } = await graftSucceeds(['tokenizer', 'encode', GEMMA2, 'the  hen\n', '--ids'], base, environment);
    const folder = await graftSucceeds(['tokenizer', 'encode', 'gemma2', 'the  hen\n', '--ids'], base, environment);
    expect(stdout).toBe(folder.stdout);
    expect((await graftSucceeds(['inspect', GEMMA2], base, environment)).stdout).toContain(
      '24 tensors, 34,336 elements',
    );
    await graftSucceeds(['adapt', '--encoder', GEMMA2, '--out', 'adapted'], base, environment);
    expect(existsSync(join(base, 'adapted', 'tokenizer.json'))).toBe(true);
  });
});

describe('graft model', () => {
  it('the list says what the models are, and which are here', async () => {
    mkdirSync(join(environment.GRAFT_CACHE, 'models', 'smollm2-135m-instruct'), { recursive: true });
    const { stdout } = await graftSucceeds(['model', 'list'], base, environment);
    expect(stdout).toMatch(/gemma-3-270m .* 268 M +238\.2 MB +1\.09 GB +Gemma Terms of Use +not fetched\n/);
    expect(stdout).toMatch(/smollm2-135m-instruct .* Apache-2\.0 +.*models.smollm2-135m-instruct\n/);
  });

  it('a model that is here is not fetched again', async () => {
    const { stdout, stderr } = await graftSucceeds(['model', 'get', 'smollm2-135m-instruct'], base, environment);
    expect(stdout).toBe(`${join(environment.GRAFT_CACHE, 'models', 'smollm2-135m-instruct')}\n`);
    expect(stderr).toContain('SmolLM2-135M-Instruct is published under the Apache License, version 2.0.');
  });

  it('a model with terms is fetched only if they are accepted', async () => {
    const { status, stderr } = await graft(['model', 'get', 'gemma-3-270m'], base, environment);
    expect(status).toBe(2);
    expect(stderr).toContain('Gemma is provided under and subject to the Gemma Terms of Use');
    expect(stderr).toContain(
      'gemma-3-270m has terms (Gemma Terms of Use); read them, and accept them with --accept-license.',
    );
  });

  it('unknown names are answered with the nearest one and the list', async () => {
    const { status, stderr } = await graft(['model', 'get', 'gemma-3-27m'], base, environment);
    expect(status).toBe(2);
    expect(stderr).toContain(
      'There is no model "gemma-3-27m". Did you mean "gemma-3-270m"? There are gemma-3-270m and smollm2-135m-instruct.',
    );
  });

  it.each([
    ['inspect', 'model:gemma-3-270m'],
    ['tokenizer', 'encode', 'model:gemma-3-270m', 'x'],
    ['generate', '--model', 'model:gemma-3-270m', '--prompt', 'x', '--engine', 'portable'],
    ['adapt', '--encoder', 'model:gemma-3-270m', '--out', 'y'],
    ['export', '--encoder', 'model:gemma-3-270m', '--out', 'y'],
    ['average', 'model:gemma-3-270m', 'gemma2', '--out', 'y'],
  ])('graft %s with a model that is not here names the command that fetches it', async (...args) => {
    const { status, stderr } = await graft(args, base, environment);
    expect(status).toBe(2);
    expect(stderr).toContain('The model gemma-3-270m is not here yet');
    expect(stderr).toContain('Fetch it with `graft model get gemma-3-270m`.');
  });
});
