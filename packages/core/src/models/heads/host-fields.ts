/**
 * Checks the inputs that a user provides for a model, on the host. Shapes: B batch, T target length, S source length.
 */
import { DataError } from '@graft/engine';
import { hasLabels, vocabularyOfField } from '../../data/batch-checks';
import { shiftRight } from '../../data/shift-right';
import { IGNORED_LABEL, type HostArray, type HostFields, type Model } from '../../interfaces';

/** The error for invalid input of a user: exit code 2. */
function fail(message: string, code = 'inputs.field', hint?: string): DataError {
  return new DataError(message, { code, exitCode: 2, hint });
}

/** An int32 field [B, length]. Throws DataError that describes the actual value. */
function integers(fields: HostFields, name: string, where: string, batch?: number): HostArray {
  const field = fields[name];
  if (!field) {
    throw fail(`${where}: the field "${name}" is missing; there is ${Object.keys(fields).join(', ') || 'nothing'}.`);
  }
  const { dtype, shape } = field;
  if (dtype !== 'int32') throw fail(`${where}: "${name}" should hold integers (I32 or I64), but holds ${dtype}.`);
  if (shape.length !== 2 || shape.some((size) => size < 1) || (batch !== undefined && shape[0] !== batch)) {
    throw fail(`${where}: "${name}" has shape [${shape.join(', ')}], expected [${batch ?? 'batch'}, length].`);
  }
  return field;
}

function sameShape(field: HostArray, name: string, other: HostArray, otherName: string, where: string): void {
  if (field.shape.join() !== other.shape.join()) {
    throw fail(
      `${where}: "${name}" has shape [${field.shape.join(', ')}], but "${otherName}" has [${other.shape.join(', ')}].`,
    );
  }
}

/** Checks ids [B, length] against the vocabulary, and their mask, if there is one, against the ids. */
export function checkIdsAndMask(
  fields: HostFields,
  idsName: string,
  maskName: string,
  model: Pick<Model, 'vocabularySize' | 'encoderTokens'>,
  where: string,
  batch?: number,
): void {
  const ids = integers(fields, idsName, where, batch);
  const vocabularySize = vocabularyOfField(model, idsName);
  const bad = ids.values.findIndex((id) => id < 0 || id >= vocabularySize);
  if (bad >= 0) {
    throw fail(
      `${where}: "${idsName}" holds token ${ids.values[bad]}, but the vocabulary has ${vocabularySize} tokens.`,
      'inputs.token-range',
      'Take the tokenizer that belongs to the checkpoint.',
    );
  }
  if (fields[maskName]) sameShape(integers(fields, maskName, where), maskName, ids, idsName, where);
}

/** Checks labels [B, T] against logits of the same shape; at least one must count. */
export function checkLabelIds(
  fields: HostFields,
  expected: HostArray,
  expectedName: string,
  model: Model,
  where: string,
): HostArray {
  const labels = integers(fields, 'labels', where);
  sameShape(labels, 'labels', expected, expectedName, where);
  if (!hasLabels({ labels })) {
    throw fail(
      `${where}: every label is ${IGNORED_LABEL} (ignored), so that there is no loss.`,
      'inputs.all-labels-ignored',
    );
  }
  const bad = labels.values.find((label) => label !== IGNORED_LABEL && (label < 0 || label >= model.vocabularySize));
  if (bad !== undefined) {
    throw fail(
      `${where}: "labels" holds ${bad}, but the vocabulary has ${model.vocabularySize} tokens.`,
      'inputs.token-range',
    );
  }
  return labels;
}

/**
 * The fields that `model.forward` takes, checked and completed: without `decoder_input_ids`, labels are shifted right
 * after the start token; with both, `decoder_input_ids` are used unchanged.
 */
export function modelFields(model: Model, given: HostFields, where: string): Record<string, HostArray> {
  checkIdsAndMask(given, 'input_ids', 'attention_mask', model, where);
  const fields: Record<string, HostArray> = { input_ids: given.input_ids };
  if (given.attention_mask) fields.attention_mask = given.attention_mask;
  if (model.kind !== 'encoder-decoder') return fields;
  const batch = given.input_ids.shape[0];
  const { start, pad } = model.specialTokens;
  if (!given.decoder_input_ids && !given.labels) {
    throw fail(
      `${where}: an encoder-decoder needs "decoder_input_ids", or "labels" to make them of; there is ${Object.keys(given).join(', ')}.`,
    );
  }
  const target = given.decoder_input_ids ?? shiftRight(integers(given, 'labels', where, batch), start, pad);
  const decoder = { decoder_input_ids: target, decoder_attention_mask: given.decoder_attention_mask };
  checkIdsAndMask(decoder, 'decoder_input_ids', 'decoder_attention_mask', model, where, batch);
  fields.decoder_input_ids = target;
  if (decoder.decoder_attention_mask) fields.decoder_attention_mask = decoder.decoder_attention_mask;
  return fields;
}
