import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from '@graft/test-support';
import { BASE, PLUGIN } from '../../test/config-toys';
import { loadConfig, type ExperimentConfig } from './index';

const write = (folder: string, files: Record<string, string>): void => {
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
};

const load = async (folder: string, file?: string): Promise<ExperimentConfig> =>
  (await loadConfig({ file, plugins: [PLUGIN], workingFolder: folder })).config;

const REST = JSON.stringify({ ...BASE, name: undefined });

test('without a file name the config is searched in the folder and its parents', async () => {
  const folder = temporaryFolder();
  write(folder, { 'graft.config.json': JSON.stringify(BASE), 'deep/er/note.txt': '' });
  const config = await load(join(folder, 'deep', 'er'));
  expect(config.dataset.files).toBe(join(folder, 'data.txt'));
  expect(config.runs).toBe(join(folder, 'deep', 'er', 'runs'));
  write(folder, { 'deep/graft.config.yaml': 'a: [1\n' });
  await expect(load(join(folder, 'deep'))).rejects.toThrow(/deep\/graft\.config\.yaml cannot be read as a config: /);
  const empty = temporaryFolder();
  await expect(load(empty)).rejects.toMatchObject({ code: 'config.none', exitCode: 2 });
});

test('several bases are merged in order, and a base that two of them share is merged once', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'root.json': REST.replace('"steps":3', '"steps":3,"batchSize":1,"logEvery":1'),
    'size.yaml': 'extends: root.json\ntrain: { batchSize: 2, logEvery: 2 }\n',
    'data.yaml': 'extends: root.json\ntrain: { logEvery: 3 }\n',
    'own.yaml': 'extends: [size.yaml, data.yaml]\nname: own\n',
  });
  expect((await load(folder, 'own.yaml')).train).toMatchObject({ steps: 3, batchSize: 2, logEvery: 3 });
});

test('a config given as a value may extend files', async () => {
  const folder = temporaryFolder();
  write(folder, { 'base/root.json': REST });
  const value = { extends: 'base/root.json', name: 'x', train: { steps: 9 } };
  const { config } = await loadConfig({ value, plugins: [PLUGIN], workingFolder: folder });
  expect(config.train.steps).toBe(9);
  expect(config.dataset.files).toBe(join(folder, 'base', 'data.txt'));
  await expect(loadConfig({ value: { extends: 3 }, plugins: [], workingFolder: folder })).rejects.toThrow(
    'config: "extends" should be a file or a list of files, but holds 3.',
  );
});

test('a missing base is reported with the file that extends it', async () => {
  const folder = temporaryFolder();
  write(folder, { 'own.yaml': 'extends: gone.yaml\n' });
  await expect(load(folder, 'own.yaml')).rejects.toThrow(
    `${join(folder, 'gone.yaml')} cannot be read as a config: there is no such file (${join(folder, 'own.yaml')} extends it).`,
  );
  await expect(load(folder, '.')).rejects.toThrow(/cannot be read as a config: /);
});

test('a config in code may export a function, and an error that it throws is reported', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'a.ts': `export default async (): Promise<object> => (${JSON.stringify(BASE)});`,
    'b.mjs': `export default ${JSON.stringify(BASE)};`,
    'c.ts': `throw new Error('no luck.\\nmore');`,
  });
  expect((await load(folder, 'a.ts')).name).toBe('test');
  expect((await load(folder, 'b.mjs')).name).toBe('test');
  await expect(load(folder, 'c.ts')).rejects.toThrow(
    `c.ts cannot be read as a config: no luck (${join(folder, 'c.ts')}:1).`,
  );
});

test('YAML is read as JSON values, without dates and with all number notations', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'own.yaml': `
name: 2024-01-01
initializer: zeros
objective: squares
dataset: { use: lines, files: /x }
optimizer: { use: sgd, learningRate: 1e-4 }
train: { steps: 10 }
`,
    'merged.yaml': `
extends: own.yaml
optimizer: { <<: { learningRate: 3.0e-4 }, use: sgd }
`,
    'twice.yaml': 'name: a\nname: b\n',
    'tabs.json': `{\n\t"name": "x",\n\t"name2": 3,\n}`,
  });
  const config = await load(folder, 'own.yaml');
  expect(config.name).toBe('2024-01-01');
  expect(config.optimizer.learningRate).toBe(0.0001);
  expect((await load(folder, 'merged.yaml')).optimizer.learningRate).toBe(0.0003);
  await expect(load(folder, 'twice.yaml')).rejects.toThrow(
    /twice\.yaml cannot be read as a config: duplicated mapping key/,
  );
  await expect(load(folder, 'tabs.json')).rejects.toThrow(
    /tabs\.json cannot be read as a config: property name expected \(4:1\)/,
  );
});

test('any value that a config in code throws, and a syntax error in it, are reported', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'text.ts': "throw 'no luck.';",
    'call.ts': 'export default () => { throw null; };',
    'odd.ts': 'export default {\n  a: 1\n  b: 2 };\n',
  });
  await expect(load(folder, 'text.ts')).rejects.toThrow(/text\.ts cannot be read as a config: no luck\.$/);
  await expect(load(folder, 'call.ts')).rejects.toThrow('call.ts cannot be read as a config: it threw null, which');
  await expect(load(folder, 'odd.ts')).rejects.toThrow(
    `odd.ts cannot be read as a config: Unexpected token, expected "," (${join(folder, 'odd.ts')}:3:3).`,
  );
});

test.each([
  ['{\n  "seed": 3,,\n}', 'property name expected (2:13)'],
  ['{ "seed" 3 }', 'colon expected (1:10)'],
  ['{ "seed": nope }', 'invalid symbol (1:11)'],
  ['{ "seed": 3 } }', 'end of file expected (1:15)'],
  ['{ "a": [1 2] }', 'comma expected (1:11)'],
  ['{ "a": [1, 2', 'close bracket expected (1:13)'],
  ["{ 'a': 1 }", 'invalid symbol (1:3)'],
])('invalid JSON is reported with what was expected and where: %j', async (text, reason) => {
  const folder = temporaryFolder();
  write(folder, { 'odd.json': text });
  await expect(load(folder, 'odd.json')).rejects.toMatchObject({
    message: `${join(folder, 'odd.json')} cannot be read as a config: ${reason}.`,
    exitCode: 2,
  });
});

test.each([
  ['keys.yaml', 'name: x\nmodel: { { a: 1 }: 2 }\n', 'a key is an object; expected a text'],
  ['cycle.yaml', 'name: x\nmodel: &m { a: *m }\n', 'the anchor "m" (line 2) holds itself'],
  ['lists.yaml', 'name: x\nseed:\n  - &list\n    - [3, *list]\n', 'the anchor "list" (line 3) holds itself'],
  [
    'laughs.yaml',
    `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${[1, 2, 3, 4, 5, 6, 7, 8]
      .map(
        (i) =>
          `a${i}: &a${i} [${Array(9)
            .fill(`*a${i - 1}`)
            .join()}]\n`,
      )
      .join('')}`,
    'the anchor "a4" (line 5) stands for 66430 values: aliases of aliases multiply them',
  ],
  ['half.yaml', 'name: "a \\ud83d b"\n', '\\ud83d is half of a surrogate pair, not a character'],
  ['half.json', '{"name": "a \\ud83d b"}', '\\ud83d is half of a surrogate pair, not a character'],
  ['twice.json', '{"name": "a",\n"seed": 1, "name": "b"}', 'the key "name" is there twice (2:12)'],
  ['large.json', '{"seed": 1e400}', 'the number 1e400 is too large for a float64 (1:10)'],
  ['latin.yaml', Buffer.from('name: caf\xe9\n', 'latin1'), 'it is not UTF-8 (byte 0xe9 at offset 9)'],
  ['latin.json', Buffer.from('{"name": "caf\xe9"}', 'latin1'), 'it is not UTF-8 (byte 0xe9 at offset 13)'],
  [
    'deep.json',
    `${'['.repeat(1e5)}${']'.repeat(1e5)}`,
    'it has more than 500 objects and lists within each other (1:501)',
  ],
])(
  'content that YAML or JSON would silently change or never finish is rejected at once: %s',
  async (name, text, reason) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, name), text);
    await expect(load(folder, name)).rejects.toMatchObject({
      message: `${join(folder, name)} cannot be read as a config: ${reason}.`,
      exitCode: 2,
    });
  },
);

test('aliases and byte order marks are accepted', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'a.yaml': `\ufeff${REST.replace(/}$/, '')},\n"name": &n "x-1", "runs": *n }`,
    'b.json': `\ufeff${JSON.stringify(BASE)}`,
  });
  expect((await load(folder, 'a.yaml')).name).toBe('x-1');
  expect((await load(folder, 'b.json')).name).toBe('test');
});

test('--set rejects an alias that contains itself', async () => {
  const folder = temporaryFolder();
  write(folder, { 'a.json': JSON.stringify(BASE) });
  const loading = loadConfig({
    file: 'a.json',
    plugins: [PLUGIN],
    workingFolder: folder,
    overrides: ['model=&m { a: *m }'],
  });
  await expect(loading).rejects.toThrow('the anchor "m" (line 1) holds itself');
});

test('a config that is not a regular file is rejected at once', async () => {
  const folder = temporaryFolder();
  for (const name of ['pipe.yaml', 'pipe.ts', 'pipe']) execFileSync('mkfifo', [join(folder, name)]);
  mkdirSync(join(folder, 'inside.yaml'));
  for (const name of ['pipe.yaml', 'pipe.ts', 'pipe'])
    await expect(load(folder, name)).rejects.toMatchObject({
      message: `${join(folder, name)} cannot be read as a config: it is a FIFO, not a regular file.`,
      exitCode: 2,
    });
  await expect(load(folder, 'inside.yaml')).rejects.toThrow('cannot be read as a config: it is a folder.');
  await expect(load(folder, '/dev/zero')).rejects.toThrow('it is a device, not a regular file.');
  write(folder, { 'odd.txt': 'name: x', 'large.yaml': `name: ${'x'.repeat(17 << 20)}` });
  await expect(load(folder, 'odd.txt')).rejects.toThrow(
    'its name does not end in .yaml, .yml, .json, .ts, .mts, .cts, .js, .mjs or .cjs.',
  );
  await expect(load(folder, 'large.yaml')).rejects.toThrow('it has 17.0 MiB, expected at most 16.0 MiB.');
});

test('searching for a config reads no other files', async () => {
  const folder = temporaryFolder();
  write(folder, {
    'graft.config.json': JSON.stringify(BASE),
    '.config/config.cjs': `require('fs').writeFileSync(${JSON.stringify(join(folder, 'planted'))}, '')`,
    'import.json': JSON.stringify({ ...BASE, $import: './planted.yaml' }),
  });
  const before = process.cwd();
  try {
    process.chdir(folder);
    await load(folder);
    await load(folder, 'graft.config.json');
  } finally {
    process.chdir(before);
  }
  expect(existsSync(join(folder, 'planted'))).toBe(false);
  // A key of cosmiconfig's, which laid other files under the config.
  await expect(load(folder, 'import.json')).rejects.toThrow('$import');
});
