import { execFile } from 'node:child_process';
import { arch, cpus, hostname, release, totalmem, type, userInfo } from 'node:os';
import { promisify } from 'node:util';
import type { GitState, HostFacts, RunEnvironment } from '../interfaces';
import { commandLine } from './command-line';

const GIT_LIMIT_MS = 5000;

/** Where and how this process works on a run. `config`: its secrets are masked in the command line. */
export async function runEnvironment(config: unknown): Promise<RunEnvironment> {
  const startedAt = new Date().toISOString();
  const workingFolder = folderOfProcess();
  return {
    startedAt,
    command: commandLine(process.argv, config),
    workingFolder,
    user: userName(),
    git: await gitState(workingFolder),
    host: hostFacts(),
  };
}

export function hostFacts(): HostFacts {
  const all = cpus();
  return {
    name: hostname(),
    system: `${type()} ${release()} ${arch()}`,
    // Some systems do not report a processor.
    cpu: all[0]?.model.trim() || 'unknown',
    cores: all.length,
    memoryBytes: totalmem(),
    node: process.versions.node,
  };
}

/**
 * Commit, branch and dirtiness of a folder; undefined outside a repository, before its first commit, and without git.
 * Ignores files that git does not track: the runs themselves are usually among them.
 */
export async function gitState(folder: string): Promise<GitState | undefined> {
  // The configuration of a repository may name a program as its monitor, which this command does not need.
  const safe = ['-c', 'core.fsmonitor=false', '--no-optional-locks'];
  const command = ['status', '--porcelain=v2', '--branch', '--untracked-files=no', '--ignore-submodules=dirty'];
  try {
    const { stdout } = await promisify(execFile)('git', [...safe, ...command], {
      cwd: folder,
      timeout: GIT_LIMIT_MS,
      maxBuffer: 1 << 26,
      windowsHide: true,
    });
    const lines = stdout.split('\n').filter((line) => line !== '');
    const header = (name: string): string | undefined =>
      lines.find((line) => line.startsWith(`# branch.${name} `))?.slice(`# branch.${name} `.length);
    const [commit, branch] = [header('oid'), header('head')];
    if (commit === undefined || !/^[\da-f]{40,64}$/.test(commit)) return undefined;
    const dirty = lines.some((line) => !line.startsWith('#'));
    return { commit, ...(branch !== '(detached)' && { branch }), dirty };
  } catch {
    return undefined;
  }
}

/** The working folder may have been deleted. */
function folderOfProcess(): string {
  try {
    return process.cwd();
  } catch {
    return process.env.PWD ?? 'a folder that was deleted';
  }
}

function userName(): string | undefined {
  try {
    return userInfo().username || undefined;
  } catch {
    return undefined; // A user id without an entry, as in containers.
  }
}
