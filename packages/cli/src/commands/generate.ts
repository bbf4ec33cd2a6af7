import type { Command } from 'commander';
import type { CommandContext } from '../context';
export function addGenerateCommand(program: Command, context: CommandContext): void {
  program.command('generate').action(() => context.print('soon'));
}
