import { failureOf, ROOT, temporaryFolder } from '@graft/test-support';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readTokenizerFiles } from '../folder/tokenizer-files';
import { CheckpointReader } from '../folder/checkpoint-reader';
import { readRecord } from '../folder/record';
import { checkpointPath } from './checkpoint-path';
import { announceConversions } from './converted-gguf';
import { modelFolder } from './named-models';

const FIXTURE = join(ROOT, 'test', 'golden', 'fixtures', 'gguf', 'gemma2.gguf');

const announced: string[] = [];
const before = process.env.GRAFT_CACHE;
let cache: string;

beforeEach(() => {
  cache = process.env.GRAFT_CACHE = join(temporaryFolder(), 'cache');
  announced.length = 0;
  announceConversions((sentence) => announced.push(sentence));
});

afterAll(() => {
  if (before === undefined) delete process.env.GRAFT_CACHE;
  else process.env.GRAFT_CACHE = before;
});

const conversions = (): string[] => readdirSync(join(cache, 'checkpoints')).filter((name) => name !== 'digests');

it('folders and files that are checkpoints already are where they are', async () => {
  for (const path of ['a/folder', '/a/model.safetensors', 'gguf', 'a.gguf/folder'])
    expect(await checkpointPath(path)).toBe(path);
});

it('a GGUF file is converted once, and found again by its content wherever it is', async () => {
  const moved = join(temporaryFolder(), 'moved.GGUF');
  copyFileSync(FIXTURE, moved);
  const folders = [await checkpointPath(FIXTURE), await checkpointPath(FIXTURE), await checkpointPath(moved)];
  expect(new Set(folders).size).toBe(1);
  expect(conversions()).toHaveLength(1);
  expect(announced).toEqual([`Converting ${FIXTURE} into ${folders[0]}, once.`]);
});

it('everything that reads a checkpoint folder reads a GGUF file', async () => {
  const reader = await CheckpointReader.open(FIXTURE);
  expect(await reader.config()).toMatchObject({ model_type: 'gemma2' });
  expect(await reader.generationConfig()).toMatchObject({ eos_token_id: 1 });
  expect(reader.tensors.get('model.norm.weight')?.shape).toEqual([32]);
  await reader.close();
  expect(Object.keys(await readTokenizerFiles(FIXTURE))).toEqual(['tokenizer.json', 'tokenizer_config.json']);
  expect(await readRecord(FIXTURE)).toMatchObject({ imported: { from: FIXTURE } });
});

it('conversions at the same time end with one folder', async () => {
  const copies = [1, 2, 3].map((i) => join(temporaryFolder(), `${i}.gguf`));
  for (const copy of copies) copyFileSync(FIXTURE, copy);
  const folders = await Promise.all([FIXTURE, FIXTURE, ...copies].map(checkpointPath));
  expect(new Set(folders).size).toBe(1);
  expect(conversions()).toHaveLength(1);
});

it('a file that changes under its name is converted again', async () => {
  const file = join(temporaryFolder(), 'a.gguf');
  copyFileSync(FIXTURE, file);
  const first = await checkpointPath(file);
  rmSync(file);
  copyFileSync(join(dirname(FIXTURE), 'qwen3.gguf'), file);
  const second = await checkpointPath(file);
  expect(second).not.toBe(first);
  const reader = await CheckpointReader.open(file);
  expect(await reader.config()).toMatchObject({ model_type: 'qwen3' });
  await reader.close();
});

it('what a killed process left of the same content does not stop a conversion', async () => {
  const folder = await checkpointPath(FIXTURE);
  rmSync(folder, { recursive: true });
  mkdirSync(`${folder}.unfinished`);
  writeFileSync(join(`${folder}.unfinished`, 'graft-unfinished.json'), '{"from":"/elsewhere/a.gguf"}');
  expect(await checkpointPath(FIXTURE)).toBe(folder);
  expect(conversions()).toHaveLength(1);
});

it('a damaged file is refused by name, and nothing stays in the cache', async () => {
  const file = join(temporaryFolder(), 'damaged.gguf');
  writeFileSync(file, 'GGUF and so on');
  await expect(CheckpointReader.open(file)).rejects.toThrow(file);
  expect(conversions()).toEqual([]);
  const missing = await failureOf(checkpointPath(join(temporaryFolder(), 'missing.gguf')));
  expect(missing).toMatchObject({ code: 'checkpoint.unreadable', exitCode: 2 });
  expect(missing.message).toMatch(/missing\.gguf cannot be read: there is no such file\./);
});

it('a cache that others can write to is not used', async () => {
  mkdirSync(cache, { recursive: true });
  chmodSync(cache, 0o777);
  const failure = await failureOf(checkpointPath(FIXTURE));
  expect(failure).toMatchObject({ code: 'checkpoint.cache' });
  expect(failure.message).toContain(`${cache} is not yours alone: every user can write to it`);
});

describe('models by name', () => {
  it('a model that has been fetched is a folder', async () => {
    const folder = modelFolder('smollm2-135m-instruct');
    mkdirSync(folder, { recursive: true });
    expect(await checkpointPath('model:smollm2-135m-instruct')).toBe(folder);
  });

  it('the error for a model that is not here names the command that fetches it', async () => {
    const failure = await failureOf(CheckpointReader.open('model:gemma-3-270m'));
    expect(failure).toMatchObject({
      code: 'checkpoint.model-missing',
      exitCode: 2,
      hint: 'Fetch it with `graft model get gemma-3-270m`.',
    });
    expect(failure.message).toMatch(/^The model gemma-3-270m is not here yet: /);
  });

  it('the error for an unknown name lists those that are known', async () => {
    const failure = await failureOf(readTokenizerFiles('model:gpt-5'));
    expect(failure).toMatchObject({ code: 'checkpoint.model-unknown', exitCode: 2 });
    expect(failure.message).toBe(
      'model:gpt-5 is not a model that Graft knows; there are model:gemma-3-270m, model:smollm2-135m-instruct.',
    );
  });
});
