/** What the loop makes of its parts for the steps: where batches come from, and what computes them. */
import { componentName } from '../components/calls';
import { BatchLoader } from '../data/loader';
import { GradientCheck } from './gradient-check';
import type { ChangingModel } from './changing-model';
import type { TrainingContext, TrainingParts, TrainingSettings } from './loop-types';
import type { ParameterGroups } from './parameter-groups';
import { Stepper } from './stepper';

/** The batches from the one after `step` steps on; the caller closes it. */
export function createLoader(
  { objective, dataset, model }: TrainingParts,
  { batchSize }: TrainingSettings,
  { random, placement }: TrainingContext,
  step: number,
): BatchLoader {
  return new BatchLoader({
    dataset,
    objective,
    model,
    batchSize,
    random: random.data,
    step,
    variantAt: (at) => objective.variantAt?.(at, random.dropout.fork('variant')),
    batchSlice: placement.slice,
  });
}

/** The compiled step; the caller disposes it. `onTrace` gets the bytes of temporaries of a step that was traced. */
export function createStepper(
  parts: TrainingParts & { readonly changing: ChangingModel },
  settings: TrainingSettings,
  { logger, random, placement }: TrainingContext,
  groups: ParameterGroups,
  onTrace: (temporaryBytes: number) => void,
): Stepper {
  const gradients = new GradientCheck(componentName(parts.objective, 'The objective'), (message) =>
    logger.warn(message),
  );
  return new Stepper(
    { ...parts, random: random.dropout, rounding: random.rounding, placement },
    {
      ...settings,
      groups,
      skipNonFinite: settings.nonFinite === 'skip',
      onTrace: ({ temporaryBytes }) => onTrace(temporaryBytes),
      onGradients: (report) => gradients.check(report),
    },
  );
}
