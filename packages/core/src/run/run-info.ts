import type { EvaluationConfig } from '../config';
import type { ComponentSpec, JsonValue, RunInfo } from '../interfaces';
import { maskedConfig } from '../secrets/mask';

/**
 * The facts about a run's config that components may know: typed, so that none of them reads the config itself. Secrets
 * are masked.
 */
export function configFacts(
  config: EvaluationConfig,
): Pick<RunInfo, 'config' | 'modelFamily' | 'totalSteps' | 'trainingObjective'> {
  const masked = maskedConfig(config);
  return {
    config: masked as JsonValue,
    modelFamily: config.model.use,
    totalSteps: config.train?.steps,
    trainingObjective: (masked as { readonly objective?: ComponentSpec }).objective,
  };
}
