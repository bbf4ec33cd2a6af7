import {
  checkFields,
  DataError,
  FIELDS,
  IGNORED_LABEL,
  SEGMENT_FIELDS,
  vocabularyName,
  vocabularyOfField,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type Model,
} from '@graft/core';

const ids = (name: string, rank: number, meaning: string): FieldSpec => ({ name, dtype: 'int32', rank, meaning });

/** Batch fields, each int32 [batch, length]. */
export const BATCH_FIELDS = {
  inputIds: ids(FIELDS.inputIds, 2, 'token ids that the encoder reads, or a decoder-only model'),
  attentionMask: ids(FIELDS.attentionMask, 2, '1 for a token, 0 for padding'),
  decoderInputIds: ids(FIELDS.decoderInputIds, 2, 'token ids that the decoder reads'),
  decoderAttentionMask: ids(FIELDS.decoderAttentionMask, 2, '1 for a token, 0 for padding'),
  labels: ids(FIELDS.labels, 2, `token ids to predict, one for each position; ${IGNORED_LABEL} is ignored`),
} as const;

/** How much each label counts. Only losses over labels read it. */
export const LABEL_WEIGHTS: FieldSpec = {
  name: 'label_weights',
  dtype: 'float32',
  rank: 2,
  optional: true,
  meaning: 'how much each label counts in the mean; 0: not at all',
};

/** The same for an example: one weight for each token of `target`, or of `tokens`. */
export const EXAMPLE_WEIGHTS: FieldSpec = {
  name: 'weights',
  dtype: 'float32',
  rank: 1,
  optional: true,
  meaning: 'how much each token counts as a label; 0: not at all',
};

/** Batch fields of rows that contain several sequences, each int32 [batch, length]. */
export const BATCH_SEGMENTS = {
  segmentIds: optional(ids(SEGMENT_FIELDS.segmentIds, 2, 'segment of each position of input_ids, from 1 on; 0: none')),
  decoderSegmentIds: optional(ids(SEGMENT_FIELDS.decoderSegmentIds, 2, 'the same of decoder_input_ids and labels')),
} as const;

/** Example fields, each int32 [length]. */
export const EXAMPLE_FIELDS = {
  tokens: ids('tokens', 1, 'token ids of one piece of text'),
  source: ids('source', 1, 'token ids to read'),
  target: ids('target', 1, 'token ids to write, end of sequence included'),
} as const;

/** Segments of an example that contains several sequences, each int32 [length]: numbers from 1 on, 0 for padding. */
export const EXAMPLE_SEGMENTS = {
  tokens: optional(ids('segments', 1, 'segment of each token, from 1 on; 0: filling')),
  source: optional(ids('source_segments', 1, 'segment of each token of the source')),
  target: optional(ids('target_segments', 1, 'segment of each token of the target')),
} as const;

/** The fields of a text example, which contains one sequence, or several in a row. */
export const TEXT_FIELDS: readonly FieldSpec[] = [EXAMPLE_FIELDS.tokens, EXAMPLE_WEIGHTS, EXAMPLE_SEGMENTS.tokens];

/** The fields that an encoder-decoder batch may have. */
export const ENCODER_DECODER_FIELDS: readonly FieldSpec[] = [
  ...Object.values(BATCH_FIELDS),
  LABEL_WEIGHTS,
  ...Object.values(BATCH_SEGMENTS),
];

export function optional(spec: FieldSpec): FieldSpec {
  return { ...spec, optional: true };
}

/**
 * Throws DataError for a token id outside the model's tables: a compiled lookup would silently use another row. `name`:
 * `input_ids` and `source` are of the encoder's vocabulary, all others of the decoder's.
 */
export function checkTokenIds(
  array: HostArray,
  name: string,
  model: Pick<Model, 'vocabularySize' | 'encoderTokens'>,
  where: string,
  ignored = false,
): void {
  const vocabularySize = vocabularyOfField(model, name);
  for (const id of array.values) {
    if ((id >= 0 && id < vocabularySize) || (ignored && id === IGNORED_LABEL)) continue;
    throw new DataError(
      `${where}: "${name}" holds ${id}, but ${vocabularyName(model, name)} has ${vocabularySize} tokens (0 to ${vocabularySize - 1}).`,
      { code: 'data.token-range', exitCode: id < 0 ? 1 : 2, hint: rangeHint(id, name) },
    );
  }
}

function rangeHint(id: number, name: string): string | undefined {
  if (id >= 0) return "Set model.vocabularySize to that of the dataset's tokenizer, or take the model's own tokenizer.";
  return id === IGNORED_LABEL ? `${IGNORED_LABEL} marks ignored labels; it has no meaning in "${name}".` : undefined;
}

/**
 * Throws DataError unless a text example has at least `least` tokens, and one valid weight for each if it has weights.
 * `need` begins the reason in the error: `denoising needs`.
 */
export function checkText(example: HostFields, need: string, where: string, least = 2): void {
  checkFields(example, TEXT_FIELDS, where);
  const { tokens, weights } = example;
  const { length } = tokens.values;
  if (length < least) {
    throw new DataError(`${where}: "tokens" has length ${length}, but ${need} at least ${least}.`, {
      code: 'data.too-short',
    });
  }
  if (weights) checkWeights(weights, length, 'tokens', where);
}

/** Throws DataError unless an example's weights are finite numbers >= 0, one for each of `length` tokens. */
export function checkWeights({ values }: HostArray, length: number, of: string, where: string): void {
  if (values.length !== length) {
    throw new DataError(`${where}: "weights" has length ${values.length}, but "${of}" has ${length} tokens.`, {
      code: 'data.weights',
    });
  }
  checkWeightValues(values, 'weights', where);
}

/**
 * Replaces labels of weight 0 by ignored ones. Call it after the shift to the right, because the decoder still reads
 * these tokens. Throws DataError if weights are not finite numbers >= 0, or do not have the shape of the labels.
 */
export function maskLabels<B extends HostFields>(batch: B, where: string): B {
  const { labels, [LABEL_WEIGHTS.name]: weights } = batch;
  if (!weights) return batch;
  checkSameShape(batch, LABEL_WEIGHTS.name, 'labels', where);
  checkWeightValues(weights.values, LABEL_WEIGHTS.name, where);
  const values = Int32Array.from(labels.values, (label, i) => (weights.values[i] === 0 ? IGNORED_LABEL : label));
  return { ...batch, labels: { ...labels, values } };
}

function checkWeightValues(values: HostArray['values'], name: string, where: string): void {
  const wrong = values.find((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (wrong === undefined) return;
  throw new DataError(`${where}: "${name}" holds ${wrong}; a weight is a number of at least 0.`, {
    code: 'data.weights',
  });
}

/** Throws DataError if the arrays `name` and `as` differ in shape. A missing array is not an error. */
export function checkSameShape(fields: HostFields, name: string, as: string, where: string): void {
  const [a, b] = [fields[name], fields[as]];
  if (a && b && a.shape.join() !== b.shape.join()) {
    throw new DataError(
      `${where}: "${name}" has shape [${a.shape.join(', ')}], but "${as}" has [${b.shape.join(', ')}].`,
      {
        code: 'data.shape',
      },
    );
  }
}

/** Throws DataError unless the model is of the kind that the objective trains. */
export function requireModelKind(model: Model, expected: Model['kind'], objective: string, alternative: string): void {
  if (model.kind !== expected) {
    throw new DataError(`The objective "${objective}" trains ${expected} models, but this model is ${model.kind}.`, {
      code: 'objective.model-kind',
      exitCode: 2,
      hint: alternative,
    });
  }
}
