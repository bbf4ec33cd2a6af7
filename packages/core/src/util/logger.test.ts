import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const run = (code: string): { stdout: string; stderr: string } => {
  const register = join(__dirname, '..', '..', 'test', 'register-typescript.cjs');
  const script = `const { createLogger, silentLogger } = require(${JSON.stringify(join(__dirname, 'logger.ts'))}); ${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--require', register, '-e', script], { encoding: 'utf8' });
  return { stdout, stderr };
};

test('lines at or above the level go to standard error at once, without colours outside a terminal', () => {
  const { stdout, stderr } = run(
    `const logger = createLogger({ level: 'warn' }); logger.info('quiet'); logger.warn('loud'); process.exit(0);`,
  );
  expect(stdout).toBe('');
  expect(stderr).toBe('WARN: loud\n');
});

test('a silent logger writes nothing', () => {
  expect(run(`silentLogger().error('x');`)).toEqual({ stdout: '', stderr: '' });
});
