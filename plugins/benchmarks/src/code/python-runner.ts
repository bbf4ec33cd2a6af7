import { ConfigError, GraftError } from '@graft/core';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What a program may use. */
const LIMITS = {
  /** Of the processor. The published evaluation allows three seconds of the clock, on a machine without other work. */
  processorSeconds: 3,
  /** Of the clock, for programs that wait. */
  wallSeconds: 20,
  memoryKibibytes: 1024 * 1024,
  /** Largest file that it writes, in blocks of 512 bytes. */
  fileBlocks: 2048,
  /** Of its output; what is beyond ends the program. */
  outputBytes: 1 << 20,
} as const;

/**
 * Runs the program that it reads, and then says the word that it reads too: a program that ends itself, with whatever
 * status, does not get that far.
 */
const DRIVER = [
  'import sys, json',
  'given = json.loads(sys.stdin.buffer.read())',
  'scope = {"__name__": "__main__"}',
  'exec(compile(given["program"], "program", "exec"), scope)',
  'sys.stdout.flush()',
  'sys.stdout.write("\\n" + given["word"] + "\\n")',
  'sys.stdout.flush()',
].join('\n');

/** In its own namespaces of the network, without any interface, and of processes, which end with it. */
const ISOLATED = ['--net', '--pid', '--fork', '--kill-child', '--map-root-user'];

/**
 * Throws ConfigError unless the user has allowed that programs which a model writes run on this machine. `task` begins the
 * sentence.
 */
export function checkCodeAllowed(task: string, allowCode: boolean | undefined): void {
  if (allowCode === true) return;
  throw new ConfigError(`Task "${task}" runs programs that the model writes, which nobody has allowed.`, {
    code: 'benchmarks.code',
    exitCode: 2,
    hint: 'Allow it with --allow-code (allowCode: true): each runs in a process of its own without network, with limits of time and memory, but it may read your files.',
  });
}

/** Runs programs of Python, each in a process of its own without network, with limits of time and memory. */
export class PythonRunner {
  private constructor(private readonly python: string) {}

  /** Throws GraftError where there is no Python 3, or where a process cannot be without network. */
  static async open(): Promise<PythonRunner> {
    const run = promisify(execFile);
    const python = await run('python3', ['-c', 'import sys; print(sys.executable)']).catch((cause: unknown) => {
      throw new GraftError('Programs of Python cannot run: python3 does not start on this machine.', {
        code: 'benchmarks.no-python',
        exitCode: 2,
        hint: 'Install Python 3, or leave out the tasks that run programs.',
        cause,
      });
    });
    await run('unshare', [...ISOLATED, 'true']).catch((cause: unknown) => {
      throw new GraftError('Programs of a model do not run here: a process cannot be kept from the network.', {
        code: 'benchmarks.no-isolation',
        exitCode: 2,
        hint: 'It takes Linux with `unshare --net --map-root-user`, which containers may forbid; or leave out the tasks that run programs.',
        cause,
      });
    });
    return new PythonRunner(python.stdout.trim());
  }

  /** Whether the program runs to its end without an exception, within the limits. */
  async passes(program: string): Promise<boolean> {
    const folder = await mkdtemp(join(tmpdir(), 'graft-code-'));
    const word = randomBytes(16).toString('hex');
    try {
      const output = await this.outputOf(folder, JSON.stringify({ program, word }));
      return output.trimEnd().endsWith(word);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  private outputOf(folder: string, input: string): Promise<string> {
    const { processorSeconds, memoryKibibytes, fileBlocks, outputBytes, wallSeconds } = LIMITS;
    const limited = `ulimit -t ${processorSeconds}; ulimit -v ${memoryKibibytes}; ulimit -f ${fileBlocks}; ulimit -c 0; exec "$0" -I -c "$1"`;
    return new Promise((resolve, reject) => {
      const child = spawn('unshare', [...ISOLATED, 'sh', '-c', limited, this.python, DRIVER], {
        cwd: folder,
        // Nothing of the user's environment, which may hold secrets.
        env: { HOME: folder, PATH: '/usr/bin:/bin', PYTHONIOENCODING: 'utf-8' },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      let output = '';
      const stop = setTimeout(() => child.kill('SIGKILL'), wallSeconds * 1000);
      child.stdout.setEncoding('utf8').on('data', (piece: string) => {
        output += piece;
        if (output.length > outputBytes) child.kill('SIGKILL');
      });
      child.once('error', reject);
      child.once('close', () => {
        clearTimeout(stop);
        resolve(output);
      });
      // A program that ends early does not read it all.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
  }
}
