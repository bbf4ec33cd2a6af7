import { ConfigError, tf } from '@graft/engine';
import type { Model, OptimizerState, Parameters } from '../interfaces';

/** Parameters that are updated together, with their optimizer state and their own count of steps. */
export interface TrainedGroup {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Updates that these parameters had before this one, float32 scalar. */
  readonly step: tf.Scalar;
}

/**
 * What one step trains. During the warm-up of `warmupSteps` steps (paper, section 3.1) that is cross-attention alone.
 * Afterwards everything is trained, in two groups: parameters that begin later count their own steps, or Adam's bias
 * correction would take their moments, still zero, for settled ones and make the first updates three times too large.
 * Throws ConfigError where the model has no cross-attention: nothing would be trained.
 */
export function trainedGroups(
  model: Model,
  parameters: Parameters,
  state: OptimizerState,
  step: tf.Scalar,
  warmup?: { readonly steps: number; readonly onlyCrossAttention: boolean },
): TrainedGroup[] {
  if (!warmup) return [{ parameters, state, step }];
  const [early, late] = partition(parameters, crossAttentionNames(model));
  const belongsToLate = (key: string): boolean =>
    Object.keys(late).some((name) => key === name || key.endsWith(`/${name}`));
  const [lateState, earlyState] = partition(state, new Set(Object.keys(state).filter(belongsToLate)));
  const first = { parameters: early, state: earlyState, step };
  if (warmup.onlyCrossAttention) return [first];
  return [first, { parameters: late, state: lateState, step: tf.sub(step, warmup.steps) }];
}

function crossAttentionNames(model: Model): Set<string> {
  const names = model.parameters.filter(({ group }) => group === 'cross-attention').map(({ name }) => name);
  if (names.length === 0) {
    throw new ConfigError(
      `train.crossAttentionWarmupSteps trains cross-attention alone, and this model (${model.kind}) has none.`,
      { code: 'training.no-cross-attention', hint: 'Set it to 0, or train an encoder-decoder model.' },
    );
  }
  return new Set(names);
}

function partition<T>(
  record: Readonly<Record<string, T>>,
  names: ReadonlySet<string>,
): [Record<string, T>, Record<string, T>] {
  const entries = Object.entries(record);
  return [
    Object.fromEntries(entries.filter(([name]) => names.has(name))),
    Object.fromEntries(entries.filter(([name]) => !names.has(name))),
  ];
}
