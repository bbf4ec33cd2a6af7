import type { Command } from 'commander';
import type { CommandContext } from '../context';

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check this machine: Node, the native library, the engines; says what to do about what is missing')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => {
      context.print(String(options.json));
    });
}
