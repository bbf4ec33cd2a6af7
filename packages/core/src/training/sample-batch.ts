import { failedComponent } from '../components/calls';
import { checkFields, checkLabels } from '../data/batch-checks';
import type { LoadedBatch } from '../data/loader';
import type { Model, Parameters } from '../interfaces';
import type { TrainingContext, TrainingParts } from './loop-types';
import { withWidened } from './parameter-storage';

const THE_OBJECTIVE = 'The objective';

/**
 * The batch of the step after `step` ones, as the objective wants it once it has seen what the model writes
 * (`Objective.sample`); other objectives' batches stay as they are. `model` and `parameters` are those before the step.
 */
export async function sampledBatch(
  batch: LoadedBatch,
  { objective, engine }: Pick<TrainingParts, 'objective' | 'engine'>,
  { random, placement }: Pick<TrainingContext, 'random' | 'placement'>,
  { model, parameters, step }: { readonly model: Model; readonly parameters: Parameters; readonly step: number },
): Promise<LoadedBatch> {
  if (!objective.sample) return batch;
  const { slice } = placement;
  const rank = slice?.rank ?? 0;
  const variant = objective.variantAt?.(step, random.dropout.fork('variant'));
  try {
    const fields = await withWidened(parameters, (wide) =>
      objective.sample!(batch.fields, {
        ...{ engine, model, parameters: wide, step, variant, rank },
        random: random.sampling.fork('batches').fork(step),
      }),
    );
    const where = `The sampled batch for step ${step + 1}`;
    checkFields(fields, objective.batchFields, where);
    checkLabels(fields, where, { partOfBatch: (slice?.count ?? 1) > 1 });
    return { ...batch, fields, tokens: objective.countTokens?.(fields, variant) ?? batch.tokens };
  } catch (error) {
    throw failedComponent(objective, THE_OBJECTIVE, `sample of the batch for step ${step + 1}`, error);
  }
}
