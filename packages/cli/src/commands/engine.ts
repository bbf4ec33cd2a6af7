import type { Command } from 'commander';
import type { CommandContext } from '../context';

export function addEngineCommand(program: Command, context: CommandContext): void {
  const engine = program.command('engine').description('the native TensorFlow library');
  engine
    .command('install')
    .description('fetch the native library, check its hash and unpack it into the cache')
    .option('--verify', 'check an installed library instead of trusting it')
    .action((options: { verify?: boolean }) => {
      context.print(String(options.verify));
    });
}
