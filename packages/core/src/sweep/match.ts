/** Makes the arms of a sweep comparable: at equal parameters, equal training, or equal latency. */
import { ConfigError } from '@graft/engine';
import type { LoadedExperiment } from '../config';
import { dryRun, type DryRun, type DryRunOptions } from '../run/dry-run';
import { didYouMean } from '../util/suggest';
import { pointTitles } from './labels';
import type { SweepPoint } from './points';
import type { MatchSection } from './schema';
import type { TrainingTrial } from './trial';

/** By what the points of a sweep match, and what each of them has of it. */
export interface MatchedCosts {
  readonly by: 'parameters' | 'training-flops' | 'latency';
  /** The label of the arm that the others match. Default: the first one. */
  readonly to?: string;
  /** Largest relative difference. */
  readonly tolerance: number;
  /** With `by: latency`: tokens of the input. Default 128. */
  readonly sourceTokens?: number;
  /** With `by: latency`: tokens to generate. Default 32. */
  readonly newTokens?: number;
  /** Parameters or training FLOPs of each point; undefined for latency, which is measured before the sweep runs. */
  readonly costs?: readonly number[];
}

/** A sweep whose points are to match. */
export interface MatchRequest {
  readonly file: string;
  readonly points: readonly SweepPoint[];
  readonly trials: readonly TrainingTrial[];
  readonly match: MatchSection;
  /** What the sweep sets in all points. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Default: `dryRun`. */
  readonly dryRun?: (loaded: LoadedExperiment, options: DryRunOptions) => Promise<Costs>;
}

/** What a dry run finds. */
type Costs = Pick<DryRun, 'steps' | 'flopsPerStep'> & { readonly model: Pick<DryRun['model'], 'parameters'> };

/** The cost of a point, and the name of the quantity for messages. */
interface Quantity {
  readonly name: string;
  readonly text: (value: number) => string;
}

const QUANTITIES: Readonly<Record<MatchSection['by'], Quantity>> = {
  parameters: { name: 'parameters', text: (value) => value.toLocaleString('en') },
  'training-flops': { name: 'training FLOPs', text: (value) => value.toExponential(3) },
  latency: { name: 'latency', text: (value) => `${(1000 * value).toFixed(1)} ms` },
};

/**
 * The points, of which those that do not belong to the arm `to` get a `train.steps` with `by: training-flops`, and
 * their costs. Throws ConfigError for points that do not match.
 */
export async function matchPoints(
  request: MatchRequest,
): Promise<{ readonly points: readonly SweepPoint[]; readonly costs?: readonly number[] }> {
  const { points, match, file, dryRun: costsOf = dryRun } = request;
  const references = referencesOf(request);
  if (match.by === 'latency') return { points };
  const first = points.map((_, index) => request.trials.find(({ point }) => point === index)!);
  // One after the other: each may read much.
  const found: Costs[] = [];
  for (const { loaded } of first)
    found.push(await costsOf(loaded, { batches: match.by === 'parameters' ? 1 : BATCHES }));
  if (match.by === 'parameters') {
    const costs = found.map(({ model }) => model.parameters);
    refuseUnmatched(request, costs);
    return { points, costs };
  }
  const steps = found.map((own) => own.steps);
  const perStep = found.map(({ flopsPerStep }, i) => {
    if (flopsPerStep !== undefined) return flopsPerStep;
    throw new ConfigError(
      `${file}: the model of "${first[i].label}" does not say how many FLOPs a training step takes.`,
      { code: 'sweep.match', hint: 'Match by parameters or latency, or give the model `flopsPerStep`.' },
    );
  });
  const matched = points.map((_, i) => {
    const { [i]: reference } = references;
    return reference === i ? steps[i] : Math.max(1, Math.round((steps[reference] * perStep[reference]) / perStep[i]));
  });
  const costs = matched.map((own, i) => own * perStep[i]);
  refuseUnmatched(request, costs);
  return {
    costs,
    points: points.map((point, i) => {
      if (references[i] === i) return point;
      refuseOwnSteps(point, request);
      const { tokens, epochs } = first[i].loaded.config.train;
      const replacedLength = tokens !== undefined ? 'tokens' : epochs !== undefined ? 'epochs' : undefined;
      return { ...point, steps: matched[i], replacedLength };
    }),
  };
}

/** Batches at equal intervals of the training, of which the last tenth has two: the paper's second stage. */
const BATCHES = 20;

/** What the sweep sets for all arms is for the one that the others match. */
function refuseOwnSteps({ arm, settings }: SweepPoint, { file, set = {} }: Pick<MatchRequest, 'file' | 'set'>): void {
  const isOwn = ([key, value]: SweepPoint['settings'][number]): boolean =>
    (key === 'train.steps' || key === 'train') && !(Object.hasOwn(set, key) && set[key] === value);
  if (!settings.some(isOwn)) return;
  throw new ConfigError(`${file}: "match" sets train.steps of the arm "${arm}", which sets it itself.`, {
    code: 'sweep.match',
    hint: 'Leave train.steps to the config of the arm that the others match.',
  });
}

/** For each point the index of the one that it must match: of the arm `to`, with the same varied settings. */
export function referencesOf({ points, match, file }: Pick<MatchRequest, 'points' | 'match' | 'file'>): number[] {
  const labels = [...new Set(points.map(({ arm }) => arm))];
  if (labels.length < 2)
    throw new ConfigError(`${file}: "match" compares the arms of a "list", and there are not two of them.`, {
      code: 'sweep.match',
    });
  const to = match.to ?? labels[0]!;
  if (!labels.includes(to))
    throw new ConfigError(
      `${file}: "match.to" is "${to}", which is not the label of an arm${didYouMean(to, labels as string[]) || '.'}`,
      { code: 'sweep.match' },
    );
  // Every arm has the same combinations in the same order.
  const perArm = points.length / labels.length;
  const first = labels.indexOf(to) * perArm;
  return points.map((_, i) => first + (i % perArm));
}

/** Throws ConfigError naming every point whose cost differs from its reference's by more than the tolerance. */
export function refuseUnmatched(
  request: Pick<MatchRequest, 'points' | 'match' | 'file'>,
  costs: readonly number[],
): void {
  const { points, match, file } = request;
  const references = referencesOf(request);
  const titles = pointTitles(points);
  const { name, text } = QUANTITIES[match.by];
  const percent = (share: number): string => `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
  const wrong = points.flatMap((_, i) => {
    const reference = costs[references[i]];
    const difference = costs[i] / reference - 1;
    if (Math.abs(difference) <= match.tolerance) return [];
    return [
      `"${titles[i]}" has ${text(costs[i])}, "${titles[references[i]]}" ${text(reference)} (${percent(difference)})`,
    ];
  });
  if (wrong.length === 0) return;
  throw new ConfigError(
    `${file}: not all arms match by ${name} within ${100 * match.tolerance} %: ${wrong.join('; ')}.`,
    {
      code: 'sweep.unmatched',
      hint:
        match.by === 'training-flops'
          ? 'Train for more steps, so that whole steps come closer, or raise match.tolerance.'
          : 'Change the sizes of their models, match by something else, or raise match.tolerance.',
    },
  );
}
