import { checkLabels, type HostFields, type ObjectiveContext } from '@graft/core';
import { checkTokenIds, maskLabels } from './fields';
import { checkSegments } from './segments';

/**
 * A batch as the model gets it, its labels of weight 0 ignored. Throws DataError for ids that the model does not have, for labels of
 * which none counts, and for segments that the model cannot keep apart; `where` names the batch.
 */
export function checkedBatch(batch: HostFields, where: string, context: ObjectiveContext): HostFields {
  const { model } = context;
  const masked = maskLabels(batch, where);
  for (const name of ['input_ids', 'decoder_input_ids'])
    if (masked[name]) checkTokenIds(masked[name], name, model.vocabularySize, where);
  checkTokenIds(masked.labels, 'labels', model.vocabularySize, where, true);
  checkLabels(masked, where, context);
  checkSegments(masked, model);
  return masked;
}
