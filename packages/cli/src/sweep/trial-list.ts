/** The trials of a sweep, for those who look before they run it. */
import type { Sweep, TrainingTrial } from '@graft/core';
import type { CommandContext } from '../commands/shared/context';
import { table } from '../output/table';
import { foundRuns } from './results';

/** Prints every trial with what has become of it. */
export async function printTrials(
  context: CommandContext,
  sweep: Sweep,
  { json }: { readonly json?: boolean },
): Promise<void> {
  const found = await foundRuns(sweep, context);
  const rows = sweep.trials.map(({ id, label, config, overrides }) => {
    const run = found.get(id);
    return { id, label, config, overrides, status: run?.record.status ?? 'new', run: run?.folder };
  });
  if (json) return context.print(JSON.stringify({ name: sweep.name, runs: sweep.runs, trials: rows }, undefined, 2));
  context.print(
    table(
      ['trial', 'settings', 'run', ...(sweep.kind === 'training' ? ['steps'] : [])],
      sweep.trials.map(({ id, label, kind, loaded }) => {
        const run = found.get(id);
        const facts = [id, label, run?.record.status ?? 'new'];
        if (kind === 'evaluation') return facts;
        const done = run?.record.steps ?? 0;
        const length = lengthText(loaded.config.train);
        return [...facts, loaded.config.train.steps === undefined ? `${done} (${length})` : `${done} of ${length}`];
      }),
      { right: sweep.trials.every(({ loaded }) => loaded.config.train?.steps !== undefined) ? [3] : [] },
    ),
  );
  for (const line of matchLines(sweep)) context.print(line);
  context.note(`${countLine(sweep)} Nothing was run.`);
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

type TrainLength = Partial<Pick<TrainingTrial['loaded']['config']['train'], 'steps' | 'tokens' | 'epochs'>>;

/** How long a training is: of tokens and epochs, only the run finds out how many steps they are. */
function lengthText({ steps, tokens, epochs }: TrainLength): string {
  if (steps !== undefined) return String(steps);
  return tokens === undefined ? `${epochs} epochs` : `${tokens.toLocaleString('en')} tokens`;
}

/** By what the points match, and what each of them has of it. */
function matchLines({ match, points, trials }: Sweep): string[] {
  if (!match) return [];
  const { by, tolerance, costs } = match;
  if (!costs) return ['', `Before the first trial, ${by} is measured, and must match within ${100 * tolerance} %.`];
  const title = by === 'parameters' ? 'parameters' : 'training FLOPs';
  const text = (cost: number): string => (by === 'parameters' ? cost.toLocaleString('en') : cost.toExponential(3));
  const rows = points.map((point, i) => {
    const { config } = trials.find((trial) => trial.point === i)!.loaded;
    return [
      point.arm!,
      ...point.varied.map(([, value]) => JSON.stringify(value)),
      text(costs[i]),
      lengthText(config.train ?? {}),
    ];
  });
  const varied = points[0].varied.map(([key]) => key);
  const right = [1, 2].map((column) => column + varied.length);
  return ['', table(['arm', ...varied, title, 'steps'], rows, { right }), `They match within ${100 * tolerance} %.`];
}

/** `6 trials: 3 settings with 2 seeds.` */
export function countLine({ trials, points }: Sweep): string {
  const seeds = trials.length / points.length;
  const same = trials.length - new Set(trials.map(({ id }) => id)).size;
  const few = same === 0 ? '' : ` ${same} of them ${same === 1 ? 'is' : 'are'} the same as others, and run once.`;
  const each = points.length === 1 ? 'with' : 'each with';
  return `${counted(trials.length, 'trial')}: ${counted(points.length, 'setting')}, ${each} ${seeds === 1 ? 'one seed' : `${seeds} seeds`}.${few}`;
}
