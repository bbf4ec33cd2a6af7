import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a command; fails with what it printed. */
export async function printed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const shell = process.platform === 'win32';
  const { stdout } = await run(command, args, { cwd, shell, maxBuffer: 1 << 26 }).catch(
    (error: { stdout: string; stderr: string }) => {
      throw new Error(`${command} ${args.join(' ')} failed:\n${error.stdout}${error.stderr}`);
    },
  );
  return stdout;
}

/** The packed command of `installTarballs(home)`. */
export function packedGraft(home: string, args: readonly string[], cwd = home): Promise<string> {
  return printed(process.execPath, [join(home, 'node_modules', '@graft', 'cli', 'bin', 'graft.js'), ...args], cwd);
}
