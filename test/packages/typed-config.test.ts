/** A config in TypeScript in a folder that has only @graft/cli, and nothing generated: from the build, as it is published. */
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from '../support';
import { write } from '../e2e/support/graft';

const folder = temporaryFolder();
const OPTIONS = { target: 'es2022', strict: true, noEmit: true, skipLibCheck: true, types: ['node'] };

/** What the compiler reports about files, one line for each error. */
function compile(module: string, moduleResolution: string, files: readonly string[]): string[] {
  const project = write(
    join(folder, `tsconfig.${moduleResolution}.json`),
    JSON.stringify({ compilerOptions: { ...OPTIONS, module, moduleResolution }, files }),
  );
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', project, '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return stdout.split('\n').filter((line) => /^\S/.test(line));
}

const wrong: readonly [config: string, problem: string][] = [
  ["objective: { use: 'ul3' }", `Type '"ul3"' is not assignable`],
  ["optimizer: { use: 'adamw', learningRat: 1 }", "'learningRat' does not exist"],
  ["optimizer: { use: 'adamw', learningRate: '1' }", "Type 'string' is not assignable to type 'number'"],
  ["dataset: { use: 'text', tokenizer: { use: 'huggingface', pth: 'x' } }", "'pth' does not exist"],
];

beforeAll(() => {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  write(
    join(folder, 'good.ts'),
    `import { defineExperiment } from '@graft/cli';
export default defineExperiment({
  name: 'typed',
  model: { preset: 's-s' },
  initializer: 'scratch',
  objective: { use: 'ul2' },
  optimizer: { use: 'adamw', learningRate: 1e-3 },
  dataset: { use: 'text', files: 'a.txt', tokenizer: 'bytes', lengthTokens: 32 },
  train: { steps: 7 },
});
`,
  );
  const lines = wrong.map(([config], i) => `export const c${i} = defineExperiment({ ${config} });\n`);
  write(join(folder, 'wrong.ts'), `import { defineExperiment } from '@graft/cli';\n${lines.join('')}`);
});

it.each([
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
])("with module %s and resolution %s, options of Graft's components are checked", (module, resolution) => {
  // None in the first.
  const errors = compile(module, resolution, ['good.ts', 'wrong.ts']);
  expect(errors).toHaveLength(wrong.length);
  for (const [i, [, problem]] of wrong.entries()) expect(errors[i]).toContain(problem);
});

it('the declarations that `graft plugins --types` writes for other plugins too go together with them', () => {
  write(
    join(folder, 'stairs.cjs'),
    `const { z } = require('zod');
exports.plugin = { name: 'stairs', components: [{ interface: 'schedule', id: 'stairs', description: 'stairs',
  options: z.strictObject({ every: z.number() }), useFactory: () => ({ factor: () => 1 }) }] };`,
  );
  const command = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');
  const { stdout } = spawnSync(process.execPath, [command, 'plugins', '--types', '--plugin', './stairs.cjs'], {
    cwd: folder,
    encoding: 'utf8',
  });
  // Not as a declaration file, in which `skipLibCheck` would hide what contradicts the other declarations.
  write(join(folder, 'graft-env.ts'), stdout);
  write(
    join(folder, 'both.ts'),
    `import { defineExperiment } from '@graft/cli';
export const good = defineExperiment({ schedule: { use: 'stairs', every: 2 }, objective: 'ul2' });
export const bad = defineExperiment({ schedule: { use: 'stairs', evry: 2 } });\n`,
  );
  const errors = compile('nodenext', 'nodenext', ['both.ts', 'graft-env.ts']);
  expect(errors).toEqual([expect.stringContaining("'evry' does not exist")]);
});

it('the command runs such a config', () => {
  const command = join(ROOT, 'packages', 'cli', 'bin', 'graft.js');
  const { stdout, stderr } = spawnSync(process.execPath, [command, 'config', 'good.ts'], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/^(Running code from .*\n)?$/);
  expect(stdout).toContain('typed');
});
