import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { DoctorDevice } from '../../setup/doctor-check';
import { deviceOfPlugin, type FoundPlugin } from './find-plugin';
import type { ClientOptions } from './options';

/** What a plugin said of its devices; or the reason, a sentence, why it does not open. */
export type ProbedPlugin =
  | { readonly device: string; readonly version: string; readonly devices: readonly DoctorDevice[] }
  | { readonly reason: string; readonly advice?: string };

/** How `probePlugin` runs. */
export interface ProbeOptions {
  /** The compiled probe-child. */
  readonly child?: string;
  readonly timeoutMs?: number;
}

/** A TPU or a machine with many GPUs takes a while to open. */
const TIMEOUT_MS = 60_000;

/** Takes none of a GPU's memory beyond what the driver needs, and reports all of it. */
function probeOptions({ file }: FoundPlugin): ClientOptions {
  const device = deviceOfPlugin(file);
  return device === 'cuda' || device === 'rocm' ? { preallocate: false, memory_fraction: 1 } : {};
}

/**
 * Opens a plugin in a process of its own, because a plugin that does not fit the machine may crash or hang, and asks for
 * its devices. What it prints is dropped.
 */
export function probePlugin(
  plugin: FoundPlugin,
  { child = join(__dirname, 'probe-child.js'), timeoutMs = TIMEOUT_MS }: ProbeOptions = {},
): Promise<ProbedPlugin> {
  const started = fork(child, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [], env: process.env });
  let timer: NodeJS.Timeout | undefined;
  const answered = new Promise<ProbedPlugin>((resolve) => {
    const ended = (how: string): void => resolve({ reason: `The PJRT plugin ${plugin.file} ${how}.` });
    timer = setTimeout(() => {
      ended(`did not open its devices within ${timeoutMs / 1000} s`);
      started.kill('SIGKILL');
    }, timeoutMs);
    started.once('message', (answer) => resolve(answer as ProbedPlugin));
    started.once('error', (error) => ended(`cannot be tried: ${error.message}`));
    started.once('exit', (status, signal) =>
      ended(`ended the process that opened it (${signal === null ? `status ${status}` : `signal ${signal}`})`),
    );
  });
  started.send({ plugin, options: probeOptions(plugin) }, () => undefined);
  return answered.finally(() => clearTimeout(timer));
}
