/**
 * What is checked of data on their way into a step, and which check decides. Each sees what the ones before cannot, and all are
 * cheap beside a step.
 *
 * 1. `checkSource` (loader.ts) compares declarations alone: what a Dataset gives and what an Objective takes. It decides whether
 *    a run begins. The run calls it with the names of both; a loader or an evaluator that is used without a run calls it itself.
 * 2. `checkFields` for each item (items.ts) holds a Dataset to its own declaration, and names the item.
 * 3. `Objective.prepare` decides on the meaning of examples and ready batches: ids, weights, segments, lengths. It alone knows
 *    the example at fault, and it is all that evaluators, the teacher's cache and programs go through.
 * 4. BatchLoader decides on what enters a training step, whoever wrote the objective: the declared fields, a label that counts,
 *    and ids within the vocabulary, since compiled code would silently read another row. An objective that checks well never
 *    fails here.
 * 5. Workers decide together whether any label of the whole batch counts (training/whole-batch.ts); one worker's part may have
 *    none, which `partOfBatch` says to 3 and 4.
 *
 * Models check nothing inside a step. What is given to one by hand is checked by the model's plugin.
 */
import { DataError } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import {
  IGNORED_LABEL,
  FIELDS,
  type FieldSpec,
  type HostFields,
  type Model,
  type ObjectiveContext,
} from '../interfaces';
import type { RandomStream } from '../random/streams';

/** Recognized by name, not by class: an array may come from another realm. */
const VALUES = { int32: 'Int32Array', float32: 'Float32Array' } as const;

/**
 * Checks arrays against their declaration. `where` begins the sentence: "The batch for step 3".
 * Throws DataError with the field, the expected value and the actual one.
 */
export function checkFields(fields: HostFields, specs: readonly FieldSpec[], where: string): void {
  const given = (fields ?? {}) as Partial<HostFields>;
  for (const { name, dtype, rank, optional } of specs) {
    const array = given[name];
    if (!array) {
      if (optional) continue;
      const got =
        Object.keys(given)
          .filter((key) => given[key])
          .join(', ') || 'nothing';
      throw new DataError(`${where} lacks the field "${name}" (${dtype}, ${rank} dimensions); it has ${got}.`, {
        code: 'data.missing-field',
      });
    }
    if (array.dtype !== dtype) {
      throw new DataError(`${where}: field "${name}" should be ${dtype}, but is ${array.dtype}.`, {
        code: 'data.dtype',
      });
    }
    if (array.shape.length !== rank) {
      throw new DataError(
        `${where}: field "${name}" should have ${rank} dimensions, but has shape [${array.shape.join(', ')}].`,
        {
          code: 'data.rank',
        },
      );
    }
    const kind = Object.prototype.toString.call(array.values).slice(8, -1);
    if (kind !== VALUES[dtype]) {
      throw new DataError(`${where}: field "${name}" says ${dtype}, but its values are a ${kind}.`, {
        code: 'data.dtype',
      });
    }
    const size = elementCount(array.shape);
    if (size !== array.values.length) {
      throw new DataError(
        `${where}: field "${name}" has shape [${array.shape.join(', ')}], but ${array.values.length} values.`,
        {
          code: 'data.size',
        },
      );
    }
  }
}

/** Size of the vocabulary of which a batch field has ids: `input_ids` are the encoder's where there is one. */
export function vocabularyOfField(model: Pick<Model, 'vocabularySize' | 'encoderTokens'>, field: string): number {
  return (field === FIELDS.inputIds ? model.encoderTokens?.vocabularySize : undefined) ?? model.vocabularySize;
}

/** Which vocabulary that is, for errors: `the model's vocabulary`, or the side's where the two differ. */
export function vocabularyName(model: Pick<Model, 'vocabularySize' | 'encoderTokens'>, field: string): string {
  const { vocabularySize, encoderTokens } = model;
  const isOne = encoderTokens === undefined || encoderTokens.vocabularySize === vocabularySize;
  return `the ${isOne ? 'model' : field === FIELDS.inputIds ? 'encoder' : 'decoder'}'s vocabulary`;
}

/** Whether any label counts; a batch without the field has labels of another kind. */
export function hasLabels(fields: HostFields): boolean {
  const labels = fields[FIELDS.labels];
  return !labels || labels.values.some((label) => label !== IGNORED_LABEL);
}

/**
 * Rejects a batch in which every label is ignored: its loss would be 0 without a gradient. An objective passes its
 * context: one worker's slice of a batch may lack labels, and the loop checks all slices.
 */
export function checkLabels(
  fields: HostFields,
  where: string,
  { partOfBatch = false }: { readonly partOfBatch?: boolean } = {},
): void {
  if (!partOfBatch && !hasLabels(fields)) throw allLabelsIgnored(where);
}

/** The error for a batch in which every label is ignored; `where` names the batch. */
export function allLabelsIgnored(where: string): DataError {
  return new DataError(`${where}: every label is ${IGNORED_LABEL} (ignored), so there is nothing to learn from.`, {
    code: 'data.all-labels-ignored',
    hint: 'Look at the target lengths, and at what masks the labels.',
  });
}

export const CONTRACT_HINT = 'Name another dataset or another objective in the config.';

/**
 * The fields of a Dataset must cover those that an Objective reads; both are declared, so this is checked before the
 * first step.
 */
export function checkContract(
  given: readonly FieldSpec[],
  wanted: readonly FieldSpec[],
  from: string,
  to: string,
): void {
  const lost = given.find(({ name, mustBeUsed }) => mustBeUsed && !wanted.some((field) => field.name === name));
  if (lost) {
    throw new DataError(
      `${from} gives the field "${lost.name}" (${lost.meaning ?? lost.dtype}), without which the others mean something else, but ${to} does not take it.`,
      { code: 'data.contract', exitCode: 2, hint: 'Change the option of the dataset that makes it, or the objective.' },
    );
  }
  for (const { name, dtype, rank, optional } of wanted) {
    const field = given.find((candidate) => candidate.name === name);
    if (!field) {
      if (optional) continue;
      throw new DataError(
        `${to} wants the field "${name}", which ${from} does not give (it gives ${given.map((f) => f.name).join(', ') || 'none'}).`,
        { code: 'data.contract', exitCode: 2, hint: CONTRACT_HINT },
      );
    }
    if (field.dtype !== dtype || field.rank !== rank) {
      throw new DataError(
        `${to} wants "${name}" as ${dtype} of ${rank} dimensions, but ${from} gives ${field.dtype} of ${field.rank}.`,
        { code: 'data.contract', exitCode: 2, hint: CONTRACT_HINT },
      );
    }
  }
}

/**
 * The stream for an objective's draws for the `index`-th example it was given: it is the same whichever worker has the
 * example, and however many examples precede it.
 */
export function exampleRandom({ random, firstExample = 0 }: ObjectiveContext, index: number): RandomStream {
  return random.fork(firstExample + index);
}
