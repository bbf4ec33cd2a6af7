import type { InstallProgress } from '@graft/engine';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';

export function addEngineCommand(program: Command, context: CommandContext): void {
  const engine = program.command('engine').description('the native TensorFlow library');
  engine
    .command('install')
    .description('fetch the native library through pip, check its hash, unpack it into the cache; prints its folder')
    .option('--verify', 'read every byte of what is installed and compare hashes, instead of sizes alone')
    .option('--wheel <file>', 'a wheel that is here already, for machines without a network')
    .action(async (options: { verify?: boolean; wheel?: string }) => {
      const { installNativeLibrary } = await import('@graft/engine');
      const library = await installNativeLibrary({ ...options, onProgress: announceStages(context) });
      context.print(library.folder);
    });
}

const STAGES = { download: 'Downloading', verify: 'Checking', unpack: 'Unpacking' } as const;

/** One line a stage. */
function announceStages(context: CommandContext): (progress: InstallProgress) => void {
  let announced: string | undefined;
  return ({ stage, total }) => {
    if (stage === announced) return;
    announced = stage;
    context.note(`${STAGES[stage]}${total === undefined ? '' : `, ${Math.ceil(total / 1e6)} MB`} …`);
  };
}
