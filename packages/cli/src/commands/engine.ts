import { Argument, type Command } from 'commander';
import { CommandLineError } from '../output/command-line-error';
import { installStages } from '../output/install-stages';
import { formatBytes, table } from '../output/table';
import type { CommandContext } from './shared/context';

/** What `graft engine install` fetches, and for PJRT plugins the device that they are for. */
const TARGETS = { tensorflow: undefined, cuda: 'cuda', 'pjrt-cpu': 'cpu' } as const;

interface EngineInstallOptions {
  verify?: boolean;
  wheel?: string;
  dryRun?: boolean;
}

export function addEngineCommand(program: Command, context: CommandContext): void {
  const engine = program.command('engine').description('manage the native libraries that compute');
  engine
    .command('install')
    .description('download native libraries with pip, check their hashes and unpack them into the cache; prints where')
    .addArgument(
      new Argument(
        '[what]',
        "tensorflow: for CPUs; cuda: XLA's plugin for NVIDIA's GPUs with the libraries that it needs; pjrt-cpu: XLA's plugin for CPUs, for tests",
      )
        .choices(Object.keys(TARGETS))
        .default('tensorflow'),
    )
    .option('--verify', 'read every byte of an installed library and compare hashes, not only sizes')
    .option('--wheel <path>', 'install from this wheel, or from the wheels in this folder, without a network')
    .option('--dry-run', 'print what would be downloaded and kept, and fetch nothing')
    .action(async (what: keyof typeof TARGETS, { dryRun, ...options }: EngineInstallOptions) => {
      const device = TARGETS[what];
      if (dryRun) {
        if (options.verify || options.wheel !== undefined)
          throw new CommandLineError('--dry-run fetches and reads nothing; leave --verify and --wheel out.');
        return printPlan(context, device);
      }
      const { installNativeLibrary, installPlugin } = await import('@graft/engine');
      const onProgress = installStages(context);
      if (device === undefined) context.print((await installNativeLibrary({ ...options, onProgress })).folder);
      else context.print(await installPlugin(device, { ...options, onProgress }));
    });
}

async function printPlan(context: CommandContext, device: 'cuda' | 'cpu' | undefined): Promise<void> {
  const { installationPlan } = await import('@graft/engine/internal');
  const plan = await installationPlan(device);
  const rows = plan.wheels.map(({ package: name, version, downloadBytes, installedBytes }) => [
    `${name} ${version}`,
    formatBytes(downloadBytes),
    formatBytes(installedBytes),
  ]);
  const total = ['total', formatBytes(plan.downloadBytes), formatBytes(plan.installedBytes)];
  const shown = rows.length > 1 ? [...rows, total] : rows;
  context.print(table(['wheel', 'download', 'kept'], shown, { right: [1, 2] }));
  context.print(`It goes to ${plan.folder}, and needs ${formatBytes(plan.neededBytes)} of disk while it is installed.`);
  if (plan.isInstalled) context.print('It is installed already; nothing would be downloaded.');
}
