/** Shapes: B pairs, S source length, T length of an answer, L length of a decoder-only row. */
import {
  checkFields,
  DataError,
  FIELDS,
  IGNORED_LABEL,
  modelInputSurplus,
  vocabularyName,
  vocabularyOfField,
  type BatchTensors,
  type FieldSpec,
  type HostArray,
  type HostFields,
  type Model,
  type ObjectiveContext,
} from '@graft/core';
import { tf, type RandomKey } from '@graft/engine';
import { CausalLm, Seq2Seq } from '@graft/objectives';

/** The fields of an example. */
export const PREFERENCE_FIELDS: readonly FieldSpec[] = [
  { name: 'source', dtype: 'int32', rank: 1, meaning: 'token ids of the prompt' },
  { name: 'chosen', dtype: 'int32', rank: 1, meaning: 'token ids of the better answer, end of sequence included' },
  { name: 'rejected', dtype: 'int32', rank: 1, meaning: 'token ids of the worse answer, end of sequence included' },
];

/** Begins the names of the rejected answer's fields. */
export const REJECTED = 'rejected_';

const field = (name: string, meaning: string, optional = false): FieldSpec => ({
  name,
  dtype: 'int32',
  rank: 2,
  meaning,
  ...(optional && { optional }),
});

/** Fields that the two answers have each. */
const OF_ANSWERS: readonly FieldSpec[] = [
  field(FIELDS.decoderInputIds, 'the answer, shifted to the right by one', true),
  field(FIELDS.decoderAttentionMask, '1 where a decoder input counts', true),
  field(FIELDS.labels, 'the answer; -100: no label'),
];

const asRejected = (spec: FieldSpec): FieldSpec => ({ ...spec, name: `${REJECTED}${spec.name}` });

/**
 * The fields of a batch: those of `seq2seq` (of `causal-lm` for a decoder-only model) with the chosen answer, and with
 * `rejected_` before their names those of the rejected one. The source of an encoder-decoder is there once.
 */
export const PREFERENCE_BATCH_FIELDS: readonly FieldSpec[] = [
  field(FIELDS.inputIds, 'the prompt; of a decoder-only model with the chosen answer'),
  field(FIELDS.attentionMask, '1 where a token of it counts'),
  ...OF_ANSWERS,
  ...OF_ANSWERS.map(asRejected),
  asRejected(field(FIELDS.inputIds, 'of a decoder-only model: the prompt with the rejected answer', true)),
  asRejected(field(FIELDS.attentionMask, '1 where a token of it counts', true)),
];

/** How sequences become a batch. */
export interface PreferenceBatchSettings {
  readonly maxSourceTokens?: number;
  readonly maxTargetTokens?: number;
  readonly truncate: boolean;
  readonly padToMultipleOf: number;
}

/**
 * Examples as a batch, in which both answers have one length. Throws DataError, naming the example, for what is empty,
 * too long or outside the vocabulary.
 *
 *     source [5, 6], chosen [8, 9, 1], rejected [7, 1], start token 2, pad 0, padToMultipleOf 1
 *       input_ids [5, 6]           labels          [8, 9, 1]   decoder_input_ids          [2, 8, 9]
 *                                  rejected_labels [7, 1, -100]  rejected_decoder_input_ids [2, 7, 1]
 */
export function preferenceBatch(
  examples: readonly HostFields[],
  settings: PreferenceBatchSettings,
  context: ObjectiveContext,
): HostFields {
  const { model } = context;
  const { padToMultipleOf } = settings;
  const read = examples.map((example, i) => checkedExample(example, settings, model, `Example ${i} of the batch`));
  const asBatch = (answer: 'chosen' | 'rejected'): HostFields => {
    const pairs = read.map(({ source, [answer]: target }) => ({ source, target }));
    // The shift to the right, start tokens and masks are theirs.
    const objective =
      model.kind === 'decoder-only'
        ? new CausalLm({ input: 'pairs', padToMultipleOf })
        : new Seq2Seq({ padToMultipleOf });
    return objective.prepare({ kind: 'examples', examples: pairs }, context);
  };
  const chosen = asBatch('chosen');
  const rejected = asBatch('rejected');
  const { inputIds, attentionMask } = FIELDS;
  const decodesAlone = model.kind === 'decoder-only';
  const ofAnswer = decodesAlone ? [inputIds, attentionMask, FIELDS.labels] : OF_ANSWERS.map(({ name }) => name);
  const length = Math.max(chosen.labels.shape[1], rejected.labels.shape[1]);
  const { pad } = model.specialTokens;
  const widened = (name: string, array: HostArray): HostArray =>
    padColumns(array, length, name === FIELDS.labels ? IGNORED_LABEL : name.endsWith('_ids') ? pad : 0);
  return {
    ...(!decodesAlone && { [inputIds]: chosen[inputIds], [attentionMask]: chosen[attentionMask] }),
    ...Object.fromEntries(ofAnswer.map((name) => [name, widened(name, chosen[name])])),
    ...Object.fromEntries(ofAnswer.map((name) => [`${REJECTED}${name}`, widened(name, rejected[name])])),
  };
}

/** An array [B, n] with more columns of `filler` on the right. */
function padColumns(array: HostArray, length: number, filler: number): HostArray {
  const [rows, width] = array.shape;
  if (width === length) return array;
  const values = new Int32Array(rows * length).fill(filler);
  for (let row = 0; row < rows; row++)
    values.set((array.values as Int32Array).subarray(row * width, (row + 1) * width), row * length);
  return { dtype: 'int32', shape: [rows, length], values };
}

function checkedExample(
  example: HostFields,
  { maxSourceTokens, maxTargetTokens, truncate }: PreferenceBatchSettings,
  model: Model,
  where: string,
): HostFields {
  checkFields(example, PREFERENCE_FIELDS, where);
  const surplus = modelInputSurplus(model);
  const limited = (name: string, limit: number | undefined, option: string, around: number): HostArray => {
    const { values } = example[name];
    if (values.length === 0) throw new DataError(`${where}: "${name}" is empty.`, { code: 'data.empty' });
    const vocabulary = vocabularyOfField(model, name === 'source' ? FIELDS.inputIds : FIELDS.labels);
    const odd = values.find((id) => id < 0 || id >= vocabulary);
    if (odd !== undefined) {
      throw new DataError(
        `${where}: "${name}" holds the id ${odd}, but ${vocabularyName(model, name === 'source' ? FIELDS.inputIds : FIELDS.labels)} has ${vocabulary} tokens.`,
        { code: 'data.token-range', exitCode: 2, hint: "Take the checkpoint's own tokenizer." },
      );
    }
    if (limit === undefined || values.length + around <= limit) return example[name];
    if (truncate && limit > around) {
      const cut = (values as Int32Array).subarray(0, limit - around);
      return { dtype: 'int32', shape: [cut.length], values: cut };
    }
    throw new DataError(
      `${where}: "${name}" has ${values.length} tokens${around > 0 ? ` and ${around} special tokens around` : ''}, but objective.${option} is ${limit}.`,
      {
        code: 'data.too-long',
        exitCode: 2,
        hint: `Set objective.${option} to ${values.length + around} or more, or set objective.truncate: true.`,
      },
    );
  };
  const read = {
    source: limited('source', maxSourceTokens, 'maxSourceTokens', surplus),
    chosen: limited('chosen', maxTargetTokens, 'maxTargetTokens', 0),
    rejected: limited('rejected', maxTargetTokens, 'maxTargetTokens', 0),
  };
  if (read.chosen.values.join() !== read.rejected.values.join()) return read;
  const isCut = example.chosen.values.join() !== example.rejected.values.join();
  throw new DataError(
    `${where}: the two answers are the same${isCut ? ` in their first ${maxTargetTokens} tokens` : ''}, so neither is to be preferred.`,
    {
      code: 'preferences.same',
      exitCode: 2,
      hint: isCut ? 'Raise objective.maxTargetTokens.' : 'Remove the pair from the data.',
    },
  );
}

/** Two answers to each source, for one call of a model: the fields, and the labels [2B, T], chosen and rejected in turn. */
export interface AnswerRows {
  readonly fields: BatchTensors;
  readonly labels: tf.Tensor;
}

/** The rows of both answers. The encoder reads a source once, if the model can; otherwise once for each. Traceable. */
export function answerRows(batch: BatchTensors, model: Model): AnswerRows {
  const both = (name: string): tf.Tensor => inTurn(batch[name], batch[`${REJECTED}${name}`]);
  const labels = both(FIELDS.labels);
  const { inputIds, attentionMask, decoderInputIds, decoderAttentionMask } = FIELDS;
  if (model.kind === 'decoder-only')
    return { labels, fields: { [inputIds]: both(inputIds), [attentionMask]: both(attentionMask) } };
  const source = (name: string): tf.Tensor =>
    model.readsSeveralTargets ? batch[name] : inTurn(batch[name], batch[name]);
  return {
    labels,
    fields: {
      [inputIds]: source(inputIds),
      [attentionMask]: source(attentionMask),
      [decoderInputIds]: both(decoderInputIds),
      [decoderAttentionMask]: both(decoderAttentionMask),
    },
  };
}

/** Rows of a [B, n] and b [B, n] in turn: [2B, n]. Rows of one device of a mesh stay there. */
const inTurn = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.reshape(tf.stack([a, b], 1), [2 * a.shape[0], a.shape[1]!]);

/**
 * The key of a call with the rows of `answerRows`: a key of a step says the batch's first row in the whole batch, and
 * where the model reads each source twice, each of its rows is two.
 */
export function keyOfAnswers(key: tf.Tensor | undefined, model: Model): tf.Tensor | undefined {
  const isOnce = model.kind !== 'decoder-only' && model.readsSeveralTargets;
  if (!key || key.shape[0] !== 3 || isOnce) return key;
  return tf.mul(key, tf.tensor1d([1, 1, 2], 'int32')) as RandomKey;
}
