/**
 * `graft plugin new` for every kind of component, against Graft's tarballs. One of the packages is built and tested by its own
 * scripts; the others, which have the same scripts, are compiled together, because that takes a tenth of the time.
 * `plugin-new.slow.test.ts` runs the scripts of all.
 */
import { INTERFACES } from '@graft/core';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { installTarballs } from '../../packages/outside';
import { temporaryFolder } from '../../support';
import { readJson, readMetrics, write } from '../support/graft';
import { packedGraft, printed } from '../support/outside';

const home = temporaryFolder();
const nameOf = (kind: string): string => `graft-plugin-first-${kind}`;
const PASSED = /^(#|ℹ) fail 0/m;

beforeAll(async () => {
  await installTarballs(home);
  for (const kind of INTERFACES) {
    const folder = (await packedGraft(home, ['plugin', 'new', nameOf(kind), '--kind', kind])).trimEnd();
    expect(realpathSync(folder)).toBe(join(realpathSync(home), nameOf(kind)));
  }
});

test('a new package passes its tests by its own scripts, and its tarball has neither sources nor tests', async () => {
  const folder = join(home, nameOf('objective'));
  const report = await printed('npm', ['test'], folder);
  expect(report).toMatch(PASSED);
  expect(report).toContain('labels are the inputs of the decoder one position later');
  const packed = JSON.parse(await printed('npm', ['pack', '--json', '--ignore-scripts'], folder)) as
    { files: { path: string }[] }[] | Record<string, { files: { path: string }[] }>;
  const [{ files }] = Object.values(packed);
  const built = ['index', 'first-objective'].flatMap((file) => [`dist/${file}.d.ts`, `dist/${file}.js`]);
  expect(files.map(({ path }) => path).sort()).toEqual(['README.md', ...built, 'package.json'].sort());
});

test('new packages of all kinds compile, pass their tests, and are listed by graft', async () => {
  const { compilerOptions } = readJson<{ compilerOptions: object }>(join(home, nameOf('model'), 'tsconfig.json'));
  const together = { ...compilerOptions, rootDir: '.', outDir: 'built' };
  write(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions: together, include: ['graft-plugin-*/src'] }));
  await printed(process.execPath, [join(home, 'node_modules', 'typescript', 'bin', 'tsc')], home);

  const built = (kind: string, file: string): string => join('built', nameOf(kind), 'src', file);
  const tests = INTERFACES.map((kind) => built(kind, `first-${kind}.test.js`));
  const report = await printed(process.execPath, ['--test', ...tests], home);
  expect(report).toMatch(PASSED);
  for (const kind of INTERFACES) expect(report).toContain(`first-${kind}`);

  const plugins = INTERFACES.flatMap((kind) => ['--plugin', `./${built(kind, 'index.js')}`]);
  const listed = JSON.parse(await packedGraft(home, ['plugins', '--json', ...plugins])) as object[];
  for (const kind of INTERFACES)
    expect(listed).toContainEqual(
      expect.objectContaining({ interface: kind, id: `first-${kind}`, plugin: nameOf(kind), version: '0.1.0' }),
    );
});

test('a run trains with new components of nine kinds at once', async () => {
  const use = (kind: string): { use: string } => ({ use: `first-${kind}` });
  const kinds = INTERFACES.filter((kind) => kind !== 'tokenizer');
  const config = {
    name: 'all-new',
    engine: 'portable',
    plugins: kinds.map((kind) => `./${nameOf(kind)}/src/index.ts`),
    model: { ...use('model'), vocabularySize: 24, width: 16 },
    initializer: use('initializer'),
    objective: use('objective'),
    dataset: { ...use('dataset'), lengthTokens: 16 },
    optimizer: { ...use('optimizer'), learningRate: 1 },
    schedule: { ...use('schedule'), halfLifeSteps: 30 },
    evaluators: [{ ...use('evaluator'), every: 10 }],
    trackers: [use('tracker')],
    callbacks: [use('callback')],
    train: { steps: 40, batchSize: 8 },
  };
  // JSON is YAML.
  write(join(home, 'all-new.yaml'), JSON.stringify(config));
  const folder = (await packedGraft(home, ['run', 'all-new.yaml'])).trimEnd();
  const lines = readMetrics(folder);
  expect(lines).toHaveLength(40);
  expect(lines[39].loss).toBeLessThan(lines[0].loss);
  expect(readJson(join(folder, 'evaluations.json'))).toHaveLength(4);
  const tracked = readFileSync(join(home, 'metrics.ndjson'), 'utf8').trimEnd().split('\n');
  // Start, 40 steps, 4 evaluations, end.
  expect(tracked).toHaveLength(46);
  expect(tracked.at(-1)).toContain('"status":"finished"');
});
