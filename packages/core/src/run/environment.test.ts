import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import { openEngine } from '@graft/engine';
import { temporaryFolder } from '@graft/test-support';
import { toyConfig, toyPlugin } from '../../test/toy-plugin';
import { loadConfig } from '../config';
import { gitState, hostFacts } from './environment';
import { runExperiment } from './experiment';

function repository(): { folder: string; git: (...words: string[]) => string } {
  const folder = temporaryFolder();
  const user = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org'];
  const git = (...words: string[]): string =>
    execFileSync('git', [...user, ...words], { cwd: folder, encoding: 'utf8', stdio: 'pipe' }).trim();
  git('init', '--initial-branch', 'trunk');
  return { folder, git };
}

it('git tells commit, branch and dirtiness, and files that it does not track do not count', async () => {
  const { folder, git } = repository();
  expect(await gitState(folder)).toBeUndefined();
  writeFileSync(join(folder, 'a.yaml'), 'a: 1');
  git('add', '.');
  git('commit', '-m', 'first');
  const commit = git('rev-parse', 'HEAD');
  writeFileSync(join(folder, 'other'), '');
  expect(await gitState(folder)).toEqual({ commit, branch: 'trunk', dirty: false });
  writeFileSync(join(folder, 'a.yaml'), 'a: 2');
  git('checkout', '--detach');
  expect(await gitState(folder)).toEqual({ commit, dirty: true });
  expect(await gitState(temporaryFolder())).toBeUndefined();
});

it("a repository's own monitor program is not run", async () => {
  const { folder, git } = repository();
  writeFileSync(join(folder, 'a'), '');
  git('add', '.');
  git('commit', '-m', 'first');
  const evidence = join(folder, 'evidence');
  git('config', 'core.fsmonitor', `touch ${evidence}; true`);
  expect(await gitState(folder)).toMatchObject({ dirty: false });
  expect(() => readFileSync(evidence)).toThrow();
});

it('the facts of the host are known', () => {
  expect(hostFacts()).toMatchObject({ node: process.versions.node });
  expect(hostFacts().cores).toBeGreaterThan(0);
  expect(hostFacts().memoryBytes).toBeGreaterThan(1e6);
});

it('a run keeps where it ran and what was logged, also after a resume', async () => {
  const runs = temporaryFolder();
  const engine = await openEngine({ mode: 'portable' });
  const load = (steps: number) =>
    loadConfig({ value: toyConfig(runs, { train: { steps, checkpointEvery: 2 } }), plugins: [toyPlugin] });
  // A quiet run logs to its file what it does not print.
  const { folder, id } = await runExperiment(await load(2), { engine });
  const logger = pino({ level: 'error' }, { write: () => undefined });
  await runExperiment(await load(4), { engine, resume: id, logger, quiet: false });
  const environments = JSON.parse(readFileSync(join(folder, 'environment.json'), 'utf8')) as unknown[];
  expect(environments).toHaveLength(2);
  expect(environments[1]).toMatchObject({
    startedAt: expect.any(String) as string,
    command: expect.stringContaining('jest') as string,
    workingFolder: process.cwd(),
    host: hostFacts(),
  });
  const lines = readFileSync(join(folder, 'log.txt'), 'utf8').trim().split('\n');
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z INFO {2}Run /);
  expect(lines.filter((line) => line.includes('The run is finished.'))).toHaveLength(2);
  expect(lines.find((line) => line.includes('Resuming'))).toContain(folder);
});

it("a failed run's log ends with its error", async () => {
  const runs = temporaryFolder();
  const engine = await openEngine({ mode: 'portable' });
  const value = toyConfig(runs, { evaluators: [{ use: 'norm', every: 2, failAt: 2 }] });
  await expect(runExperiment(await loadConfig({ value, plugins: [toyPlugin] }), { engine })).rejects.toThrow('no norm');
  const log = readFileSync(join(runs, 'toy', 'latest', 'log.txt'), 'utf8');
  expect(log.trim()).toMatch(/ERROR The run is failed: Evaluator "norm" at step 2 failed: no norm today\.$/);
});
