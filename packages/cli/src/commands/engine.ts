import type { InstallProgress } from '@graft/engine';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';

export function addEngineCommand(program: Command, context: CommandContext): void {
  const engine = program.command('engine').description('manage the native TensorFlow library');
  engine
    .command('install')
    .description('download the native library with pip, check its hash and unpack it into the cache; prints its folder')
    .option('--verify', 'read every byte of an installed library and compare hashes, not only sizes')
    .option('--wheel <file>', 'install from this wheel, without a network')
    .action(async (options: { verify?: boolean; wheel?: string }) => {
      const { installNativeLibrary } = await import('@graft/engine');
      const library = await installNativeLibrary({ ...options, onProgress: announceStages(context) });
      context.print(library.folder);
    });
}

const STAGES = { download: 'Downloading', verify: 'Checking', unpack: 'Unpacking' } as const;

/** One line per stage. */
function announceStages(context: CommandContext): (progress: InstallProgress) => void {
  let announced: string | undefined;
  return ({ stage, total }) => {
    if (stage === announced) return;
    announced = stage;
    context.note(`${STAGES[stage]}${total === undefined ? '' : `, ${Math.ceil(total / 1e6)} MB`} …`);
  };
}
