/** The trials of a sweep, for those who look before they run it. */
import type { Sweep } from '@graft/core';
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
        return [...facts, `${run?.record.steps ?? 0} of ${loaded.config.train.steps}`];
      }),
      { right: [3] },
    ),
  );
  for (const line of matchLines(sweep)) context.print(line);
  context.note(`${countLine(sweep)} Nothing was run.`);
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
      String(config.train?.steps),
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
  return `${trials.length} trials: ${points.length} settings, each with ${seeds === 1 ? 'one seed' : `${seeds} seeds`}.${few}`;
}
