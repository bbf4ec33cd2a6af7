/**
 * The built command in one process for all tests of a file: a start takes longer than most of what these tests ask for. For
 * tests of what a command writes; those of processes and signals use `graft.ts`, which starts each command.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support';
import { expectSuccess, type Environment, type Outcome } from './graft';

type Command = (args: readonly string[], cwd: string, environment?: Environment) => Promise<Outcome>;

class CommandServer {
  /** Files, not pipes: what a command wrote is there when it has ended. */
  private readonly files: readonly string[];
  private readonly lengths = [0, 0];
  private readonly child: ChildProcess;
  private readonly ended: Promise<never>;

  constructor() {
    const folder = temporaryFolder();
    this.files = ['stdout', 'stderr'].map((name) => join(folder, name));
    const [stdout, stderr] = this.files.map((file) => openSync(file, 'a'));
    this.child = fork(join(__dirname, 'command-server.cjs'), { stdio: ['ignore', stdout, stderr, 'ipc'] });
    for (const descriptor of [stdout, stderr]) closeSync(descriptor);
    this.ended = once(this.child, 'exit').then((): never => {
      throw new Error(`The process of the commands has ended:\n${this.written(1)}`);
    });
    this.ended.catch(() => undefined);
  }

  async run(args: readonly string[], cwd: string, environment: Environment): Promise<Outcome> {
    this.child.send({ args, cwd, environment });
    const [status] = (await Promise.race([once(this.child, 'message'), this.ended])) as [number];
    return { status, stdout: this.written(0), stderr: this.written(1) };
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  /** What is new on a stream. */
  private written(stream: 0 | 1): string {
    const all = readFileSync(this.files[stream]);
    const text = all.subarray(this.lengths[stream]).toString();
    this.lengths[stream] = all.length;
    return text;
  }
}

/** `graft` and `graftSucceeds`, one command after the other; the process ends with the tests of the file. */
export function sharedProcess(): { readonly graft: Command; readonly graftSucceeds: Command } {
  let server: CommandServer | undefined;
  let last: Promise<unknown> = Promise.resolve();
  afterAll(() => server?.end());

  const graft: Command = (args, cwd, environment = {}) => {
    const outcome = last.then(() => (server ??= new CommandServer()).run(args, cwd, environment));
    last = outcome.catch(() => (server = undefined));
    return outcome;
  };
  return {
    graft,
    graftSucceeds: async (args, cwd, environment) => expectSuccess(args, await graft(args, cwd, environment)),
  };
}
