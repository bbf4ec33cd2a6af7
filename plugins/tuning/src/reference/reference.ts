import {
  DataError,
  loadFrozenCheckpoint,
  loadInitialModel,
  pathOption,
  RUN,
  type ComponentContext,
  type FrozenModel,
  type Model,
  type Parameters,
} from '@graft/core';
import { checkpointFingerprint } from '@graft/objectives';
import { z } from 'zod';

/** The option `reference` of objectives. */
export const referenceOption = z
  .union([
    z.enum(['initial', 'none']),
    z.strictObject({ checkpoint: pathOption().describe("Folder of the reference's checkpoint.") }),
  ])
  .default('initial')
  .describe(
    'The model from which the log-ratios are taken: the one that the run begins with, one of a checkpoint (`{ checkpoint: FOLDER }`), or none.',
  );

/** The model of which a config says that it is the reference. */
export type ReferenceOption = z.output<typeof referenceOption>;

/**
 * The model that log-ratios are relative to. It never changes. Owns the parameters of a model of its own; under
 * `train.lora` the initial model is in the frozen weights of the one that trains, and takes no memory.
 */
export class Reference {
  private constructor(private readonly own?: FrozenModel) {}

  /** Throws DataError for an initial model that begins with an adapter. */
  static async open(option: Exclude<ReferenceOption, 'none'>, context: ComponentContext): Promise<Reference> {
    if (option !== 'initial') return new Reference(await loadFrozenCheckpoint(option.checkpoint, context));
    const { initial } = context.resolve(RUN);
    if (initial?.isKept) return new Reference();
    if (initial?.adapter !== undefined) {
      throw new DataError(
        `objective.reference is the model that the run begins with, but train.lora.from begins it with the adapter ${initial.adapter}, which is not loaded twice.`,
        {
          code: 'preferences.adapter',
          exitCode: 2,
          hint: 'Merge the adapter first (`graft merge`), and begin with the result and new pairs.',
        },
      );
    }
    return new Reference(await loadInitialModel(context));
  }

  /** A reference that is in memory already. */
  static of(model: FrozenModel): Reference {
    return new Reference(model);
  }

  /** Model and parameters of the reference, for a model that trains. Throws DataError unless both read the same batches. */
  for(model: Model, parameters: Parameters): Pick<FrozenModel, 'model' | 'parameters'> {
    const { own } = this;
    if (own) {
      checkAlike(own.model, model);
      return own;
    }
    const { origin } = model;
    if (!origin)
      throw new DataError('The model keeps nothing of what its training began with.', { code: 'preferences.origin' });
    return {
      model: origin,
      parameters: Object.fromEntries(origin.parameters.map(({ name }) => [name, parameters[name]])),
    };
  }

  dispose(): void {
    this.own?.dispose();
  }
}

function checkAlike(reference: Model, model: Model): void {
  const encoderVocabulary = ({ encoderTokens, vocabularySize }: Model): number =>
    encoderTokens?.vocabularySize ?? vocabularySize;
  if (reference.kind !== model.kind) {
    throw new DataError(`The reference is a ${reference.kind} model, but this model is ${model.kind}.`, {
      code: 'preferences.reference-kind',
      exitCode: 2,
    });
  }
  if (reference.vocabularySize !== model.vocabularySize || encoderVocabulary(reference) !== encoderVocabulary(model)) {
    throw new DataError(
      `The reference has a vocabulary of ${reference.vocabularySize} tokens, the model of ${model.vocabularySize}; both read the same batches.`,
      { code: 'preferences.vocabulary', exitCode: 2 },
    );
  }
}

/** Digests of the files of a reference, for `Objective.fileDigests`. */
export async function referenceDigests(option: ReferenceOption): Promise<Record<string, string>> {
  if (typeof option === 'string') return {};
  return { [`the reference ${option.checkpoint}`]: await checkpointFingerprint(option.checkpoint) };
}
