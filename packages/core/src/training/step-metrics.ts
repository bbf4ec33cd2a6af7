import type { ResourceUse } from './resource-use';

export interface StepMeasurements {
  /** Steps done, including this one. */
  readonly step: number;
  /** The results of the compiled step, by name. */
  readonly values: Readonly<Record<string, number>>;
  /** Tokens of the whole batch, over all workers. */
  readonly tokens: number;
  readonly seconds: number;
  /** Part of `seconds` spent waiting for data. */
  readonly waitSeconds: number;
  /** Part of `seconds` spent tracing and compiling: the first step of each shape, phase and variant. */
  readonly compileSeconds: number;
  /** Of this process, during the step. */
  readonly resources: ResourceUse;
}

/** The line of metrics.jsonl for a step. */
export function stepMetrics({
  step,
  values,
  tokens,
  seconds,
  waitSeconds,
  compileSeconds,
  resources,
}: StepMeasurements): Readonly<Record<string, number>> {
  const { loss, gradNorm, learningRate, ...others } = values;
  return {
    step,
    loss,
    gradNorm,
    learningRate,
    tokensPerSecond: tokens / seconds,
    ...others,
    seconds,
    waitSeconds,
    waitShare: waitSeconds / seconds,
    ...(compileSeconds > 0 && { compileSeconds }),
    ...resources,
  };
}
