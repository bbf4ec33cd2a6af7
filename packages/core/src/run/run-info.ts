import type { EvaluationConfig } from '../config';
import type { ComponentSpec, InitialModel, JsonValue, RunInfo } from '../interfaces';
import { maskedConfig } from '../secrets/mask';

/**
 * The facts about a run's config that components may know: typed, so that none of them reads the config itself. Secrets
 * are masked.
 */
export function configFacts(
  config: EvaluationConfig,
): Pick<RunInfo, 'config' | 'modelFamily' | 'totalSteps' | 'trainingObjective' | 'initial'> {
  const masked = maskedConfig(config);
  const { objective, initializer, model } = masked as Pick<EvaluationConfig, 'initializer' | 'model'> & {
    readonly objective?: ComponentSpec;
  };
  return {
    config: masked as JsonValue,
    modelFamily: config.model.use,
    totalSteps: config.train?.steps,
    trainingObjective: objective,
    initial: { initializer, model, seed: config.seed, ...initialParameters(config) },
  };
}

/** What of the first parameters `train.lora` keeps; the rule is that of `LoraModel.origin`. */
function initialParameters({ train }: EvaluationConfig): Pick<InitialModel, 'isKept' | 'adapter'> {
  const { from, modulesToSave = [] } = train?.lora ?? {};
  return { isKept: train?.lora !== undefined && from === undefined && modulesToSave.length === 0, adapter: from };
}
