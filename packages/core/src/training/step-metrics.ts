export interface StepMeasurements {
  /** Steps done, this one included. */
  readonly step: number;
  /** What the compiled step returned, by name. */
  readonly values: Readonly<Record<string, number>>;
  /** Tokens of the whole batch, all workers together. */
  readonly tokens: number;
  readonly seconds: number;
  /** Of these, waiting for data. */
  readonly waitSeconds: number;
  /** Of these, tracing and compiling: the first step of each shape, phase and variant. */
  readonly compileSeconds: number;
}

/** The line of metrics.jsonl for a step. */
export function stepMetrics({
  step,
  values,
  tokens,
  seconds,
  waitSeconds,
  compileSeconds,
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
  };
}
