import { checkLabels, type HostFields, type ObjectiveContext } from '@graft/core';
import { checkTokenIds, maskLabels } from './fields';
import { checkSegments } from './segments';

/**
 * The batch that the model receives: labels of weight 0 become ignored ones. Throws DataError if the model lacks one of
 * the ids, if no label counts, or if the model cannot keep the batch's segments apart. `where` names the batch in
 * errors.
 */
export function checkedBatch(batch: HostFields, where: string, context: ObjectiveContext): HostFields {
  const { model } = context;
  const masked = maskLabels(batch, where);
  for (const name of ['input_ids', 'decoder_input_ids'])
    if (masked[name]) checkTokenIds(masked[name], name, model, where);
  checkTokenIds(masked.labels, 'labels', model, where, true);
  checkLabels(masked, where, context);
  checkSegments(masked, model);
  return masked;
}
