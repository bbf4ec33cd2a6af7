import { temporaryFolder } from '@graft/test-support';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../program';

async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const status = await main(['node', 'graft', 'plugin', 'new', ...args], {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { status, stdout, stderr };
}

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

test('plugin new writes a package with a component, its test and its build', async () => {
  const out = join(temporaryFolder(), 'decay');
  const { status, stdout } = await run('@me/graft-plugin-step-decay', '--kind', 'schedule', '--out', out);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${out}\n` });
  expect(readdirSync(out, { recursive: true }).sort()).toEqual([
    '.gitignore',
    'README.md',
    'package.json',
    'src',
    join('src', 'index.ts'),
    join('src', 'step-decay.test.ts'),
    join('src', 'step-decay.ts'),
    'tsconfig.json',
  ]);
  expect(JSON.parse(read(out, 'package.json'))).toMatchObject({
    name: '@me/graft-plugin-step-decay',
    keywords: ['graft', 'graft-plugin'],
    peerDependencies: { '@graft/core': expect.stringMatching(/^\^\d/) as string, zod: expect.any(String) as string },
    scripts: { test: 'tsc && node --test dist/step-decay.test.js' },
  });
  expect(read(out, 'src', 'step-decay.ts')).toContain('export const stepDecay = defineComponent({');
  expect(read(out, 'README.md')).toContain("plugins: ['@me/graft-plugin-step-decay']\nschedule: { use: step-decay }");
  const everything = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => read(entry.parentPath, entry.name));
  expect(everything.join('\n')).not.toMatch(/my-?(plugin|package)/i);
});

test('plugin new refuses a folder that exists, even an empty one, and leaves it as it is', async () => {
  const out = join(temporaryFolder(), 'taken');
  mkdirSync(out);
  const { status, stderr } = await run('taken-away', '--out', out);
  expect(status).toBe(2);
  expect(stderr).toContain(`${out} exists already.`);
  expect(readdirSync(out)).toEqual([]);
});

test.each([
  ['Decay', 'npm takes lower-case letters'],
  ['../decay', 'npm takes lower-case letters'],
  ['.decay', 'npm takes lower-case letters'],
  ['a b', 'npm takes lower-case letters'],
  ['@me', 'npm takes lower-case letters'],
  ['a'.repeat(215), 'more than 214 characters'],
  ['@graft/decay', "Graft's own"],
  ['graft-plugin', 'taken'],
  ['index', 'taken'],
  ['graft-plugin-', 'taken'],
  ['graft-plugin-2x', 'begin with a letter'],
  ['graft-class', '"class" is a word of JavaScript'],
  ['graft-plugin-map', '"map" is a word of JavaScript'],
  ['graft-plugin-objective', 'two things named "Objective"'],
  ['graft-plugin-z', 'two things named "z"'],
  ['graft-plugin-pad-rows', 'two things named "padRows"'],
])('plugin new refuses the name %s', async (name, reason) => {
  const out = join(temporaryFolder(), 'new');
  const { status, stdout, stderr } = await run(name, '--out', out);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain('cannot be the name of a plugin package');
  expect(stderr).toContain(reason);
});

test('plugin new refuses an unknown kind and names those that exist', async () => {
  const { status, stderr } = await run('decay', '--kind', 'scheduler');
  expect(status).toBe(2);
  expect(stderr).toContain('Allowed choices are model, initializer, objective');
});
