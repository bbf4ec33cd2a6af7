import type {
  BatchTensors,
  FieldSpec,
  HostFields,
  LossOutput,
  Model,
  Objective,
  ObjectiveContext,
  ObjectiveSource,
  Parameters,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { countMaskedTokens, languageModelLoss, type LossSettings } from '../loss/language-model-loss';

/** An objective whose loss is the cross-entropy of tokens. Subclasses differ in how they make batches. */
export abstract class LanguageModelObjective<Options extends LossSettings = LossSettings> implements Objective {
  abstract readonly modelKind: Model['kind'];
  abstract readonly batchFields: readonly FieldSpec[];

  constructor(protected readonly options: Options) {}

  get chunkTokens(): number | undefined {
    return this.options.chunkTokens;
  }

  abstract inputFields(kind: ObjectiveSource['kind'], variant?: string): readonly FieldSpec[] | undefined;
  abstract prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields;

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    return languageModelLoss(model, parameters, batch, options, this.options);
  }

  countTokens(batch: HostFields): number {
    return countMaskedTokens(batch);
  }
}
