import type { DoctorTarget } from '@graft/engine';
import type { Command } from 'commander';
import type { CommandContext } from './shared/context';

const MARKS = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check this machine: Node, disk, Python, the native library, the targets and devices; suggests fixes')
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
        printTargets(context, report.targets, report.auto);
      }
      if (!report.healthy) context.exitCode = 1;
    });
}

/** The targets below the checks; the reason of one that is not usable is on its line. */
function printTargets(context: CommandContext, targets: readonly DoctorTarget[], auto: DoctorTarget): void {
  context.print('\nTargets and devices:');
  for (const { target, device = '?', usable, detail, advice } of targets) {
    context.print(`${MARKS[usable ? 'ok' : 'warn']}  ${target.padEnd(10)} ${device.padEnd(6)} ${detail}`);
    if (!usable && advice) context.print(`${' '.repeat(24)}${advice}`);
  }
  context.print(`Without --engine and --device, \`auto\` computes on ${auto.target}, ${auto.device}.`);
}
