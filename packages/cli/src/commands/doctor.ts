import type { Command } from 'commander';
import type { CommandContext } from './shared/context';

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check this machine: Node, disk, Python, the native library; suggests fixes')
    .option('--verify', 'read every byte of the native library and compare hashes')
    .option('--json', 'print JSON')
    .action(async ({ json, verify }: { json?: boolean; verify?: boolean }) => {
      const { doctor } = await import('@graft/engine');
      const report = await doctor({ verify });
      if (json) context.print(JSON.stringify(report, null, 2));
      else {
        for (const { name, status, detail, advice } of report.checks) {
          context.print(`${MARKS[status]}  ${name.padEnd(10)} ${detail}`);
          if (advice) context.print(`${' '.repeat(17)}${advice}`);
        }
      }
      if (!report.healthy) context.exitCode = 1;
    });
}
