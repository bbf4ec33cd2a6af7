import type { InstallProgress } from '@graft/engine';
import type { CommandContext } from '../commands/shared/context';

const STAGES = { download: 'Downloading', verify: 'Checking', unpack: 'Unpacking' } as const;

/** Prints one line for each stage of each wheel that is installed. */
export function installStages(context: CommandContext): (progress: InstallProgress) => void {
  let announced: string | undefined;
  return ({ stage, package: name, total }) => {
    if (`${stage} ${name}` === announced) return;
    announced = `${stage} ${name}`;
    context.note(`${STAGES[stage]} ${name}${total === undefined ? '' : `, ${Math.ceil(total / 1e6)} MB`} …`);
  };
}
