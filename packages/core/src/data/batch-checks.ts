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
import { elementCount, DataError } from '@graft/engine';
import { IGNORED_LABEL, FIELDS, type FieldSpec, type HostFields, type ObjectiveContext } from '../interfaces';
import type { RandomStream } from '../random/streams';

/** Recognised by name, not by class: an array may come from another realm. */
const VALUES = { int32: 'Int32Array', float32: 'Float32Array' } as const;

/**
 * Checks arrays against their declaration. `where` begins the sentence: "The batch for step 3".
 * Throws DataError naming the field, what was expected and what came.
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

/** Whether any label counts; a batch without the field has labels of another kind. */
export function hasLabels(fields: HostFields): boolean {
  const labels = fields[FIELDS.labels];
  return !labels || labels.values.some((label) => label !== IGNORED_LABEL);
}

/**
 * Refuses a batch without a single label that counts: its loss would be 0 and teach nothing. An objective passes its context on:
 * one worker's part of a batch may lack them, and the loop looks at all parts.
 */
export function checkLabels(
  fields: HostFields,
  where: string,
  { partOfBatch = false }: { readonly partOfBatch?: boolean } = {},
): void {
  if (!partOfBatch && !hasLabels(fields)) throw allLabelsIgnored(where);
}

/** What a batch is refused with that has no label that counts; `where` names it. */
export function allLabelsIgnored(where: string): DataError {
  return new DataError(`${where}: every label is ${IGNORED_LABEL} (ignored), so there is nothing to learn from.`, {
    code: 'data.all-labels-ignored',
    hint: 'Look at the target lengths, and at what masks the labels.',
  });
}

export const CONTRACT_HINT = 'Name another dataset or another objective in the config.';

/** What a Dataset gives must cover what an Objective takes; both are declared, so this is known before the first step. */
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
 * The stream for what an objective draws for the `index`-th example it was given: the same whichever worker has the example,
 * and however many examples stand before it.
 */
export function exampleRandom({ random, firstExample = 0 }: ObjectiveContext, index: number): RandomStream {
  return random.fork(firstExample + index);
}
