/** docs/own-project.md, from the packages' tarballs: its files are written to an empty folder, and its commands run there. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, temporaryFolder } from '../support';
import { readJson, write } from '../e2e/support/graft';
import { packAll } from './tarballs';

const run = promisify(execFile);
const project = join(temporaryFolder(), 'my-project');
const page = readFileSync(join(ROOT, 'docs', 'own-project.md'), 'utf8');

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's environment, not that of npm in this repository. The portable engine is everywhere. */
function command(name: string, ...args: readonly string[]): Promise<Outcome> {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith('npm_'));
  const env = { ...Object.fromEntries(own), ENGINE: 'portable' };
  return run(name, args, { cwd: project, env, maxBuffer: 1 << 26 });
}

const npx = (...args: readonly string[]): Promise<Outcome> => command('npx', '--no-install', ...args);

/** The files of the page: code whose first line is a comment with a name. */
function filesOfPage(): [name: string, text: string][] {
  return [...page.matchAll(/```\w+\n(?:\/\/|#) (\S+)\n([^`]*)```/g)].map(([, name, text]) => [name, text]);
}

beforeAll(async () => {
  const tarballs = await packAll(join(project, '..', 'tarballs'));
  write(join(project, 'package.json'), '{ "private": true }');
  const flags = ['--no-audit', '--no-fund', '--prefer-offline'];
  await command('npm', 'install', ...flags, 'typescript@5', 'zod@4', ...tarballs.map(({ file }) => file));
  for (const [name, text] of filesOfPage()) write(join(project, name), text);
  write(join(project, 'texts', 'a.txt'), 'The quick brown fox jumps over the lazy dog. '.repeat(40));
}, 600_000);

it('the page has the files that it lists', () => {
  expect(filesOfPage().map(([name]) => name)).toEqual(['graft.config.yaml', 'stairs.ts', 'tsconfig.json', 'longer.ts']);
});

it("options of Graft's own components are checked before anything is generated", async () => {
  const config = (optimizer: string): string =>
    `import { defineExperiment } from '@graft/cli';\nexport default defineExperiment({ optimizer: ${optimizer} });\n`;
  write(join(project, 'fresh', 'good.ts'), config("{ use: 'adamw', learningRate: 0.1 }"));
  write(join(project, 'fresh', 'bad.ts'), config("{ use: 'adamw', learningRat: 0.1 }"));
  write(join(project, 'fresh', 'tsconfig.json'), '{ "extends": "../tsconfig.json", "include": ["*.ts"] }');
  const { stdout } = (await npx('tsc', '-p', 'fresh').catch((error: unknown) => error)) as Outcome;
  expect(stdout.trim().split(/\n(?=\S)/)).toEqual([expect.stringContaining("'learningRat' does not exist")]);
});

it('types of all components, nested and foreign ones included, are generated and checked', async () => {
  const { stdout } = await npx('graft', 'plugins', '--plugin', './stairs.ts', '--types');
  write(join(project, 'graft-env.d.ts'), stdout);
  await npx('tsc');
  const wrong: readonly [config: string, problem: string][] = [
    ["schedule: { use: 'stairs', everyStep: 8 }", "'everyStep' does not exist"],
    ["schedule: { use: 'stares' }", `Did you mean '"stairs"'`],
    ["optimizer: { use: 'adamw', learningRate: '1' }", "Type 'string' is not assignable to type 'number'"],
    ["dataset: { use: 'text', tokenizer: { use: 'huggingface', pth: 'x' } }", "'pth' does not exist"],
    ["evaluators: [{ use: 'loss', evry: 3 }]", "'evry' does not exist"],
    ["trackers: [{ use: 'mlflow', token: { evn: 'A' } }]", "'evn' does not exist"],
  ];
  const lines = wrong.map(([config], i) => `export const c${i} = defineExperiment({ ${config} });\n`);
  write(join(project, 'wrong', 'a.ts'), `import { defineExperiment } from '@graft/core';\n${lines.join('')}`);
  write(
    join(project, 'wrong', 'tsconfig.json'),
    '{ "extends": "../tsconfig.json", "files": ["a.ts", "../graft-env.d.ts"] }',
  );
  const { stdout: found } = (await npx('tsc', '-p', 'wrong').catch((error: unknown) => error)) as Outcome;
  const errors = found.trim().split(/\n(?=\S)/);
  expect(errors).toHaveLength(wrong.length);
  for (const [i, [, problem]] of wrong.entries()) expect(errors[i]).toContain(problem);
});

it('the commands of the page run, and leave what the page says', async () => {
  await npx('graft', 'doctor');
  const first = (await npx('graft', 'run')).stdout.trim();
  expect(first).toContain(join(project, 'runs', 'first'));
  const environment = readJson<{ command: string; workingFolder: string }[]>(join(first, 'environment.json'));
  expect(environment).toMatchObject([{ command: 'graft run', workingFolder: project }]);
  await npx('graft', 'run', 'longer.ts', '--set', 'train.batchSize=2');
  const checkpoint = 'runs/longer/latest/checkpoints/step-20';
  const evaluated = (await npx('graft', 'evaluate', '--checkpoint', checkpoint)).stdout.trim().split('\n').pop()!;
  expect(readJson(join(evaluated, 'run.json'))).toMatchObject({ checkpointStep: 20, status: 'finished' });
  await npx('graft', 'report', 'runs/first', 'runs/longer', '--out', 'report.html');
  expect(existsSync(join(project, 'report.html'))).toBe(true);
});
