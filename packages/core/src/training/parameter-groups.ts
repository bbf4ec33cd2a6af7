import { ConfigError, tf } from '@graft/engine';
import type { Model, OptimizerState, ModelPart, Parameters } from '../interfaces';
import { matchesName } from '../util/match-name';
import { nearest } from '../util/suggest';
import { trainable } from '../util/trainable';

/** How some parameters are trained; settings that are missing are as for all others. */
export interface ParameterGroupSettings {
  /** Parameters by name; `*` matches any text. With `parts`, both must match. */
  readonly names?: readonly string[];
  /** Parameters by their part of the model. */
  readonly parts?: readonly ModelPart[];
  /** Multiplies the learning rate. Default 1. */
  readonly learningRateFactor?: number;
  /** Multiplies the weight decay. Default 1. */
  readonly weightDecayFactor?: number;
  /** Steps at the start in which they stay frozen. Default 0. */
  readonly fromStep?: number;
  /** Step from which on they stay frozen; 0: they are never trained. Default: to the end. */
  readonly untilStep?: number;
}

export interface GroupingSettings {
  /** The first group that matches a parameter counts. */
  readonly groups?: readonly ParameterGroupSettings[];
  /** Steps at the start in which only cross-attention trains (paper, section 3.1). Default 0. */
  readonly crossAttentionWarmupSteps?: number;
}

interface Group extends Required<Omit<ParameterGroupSettings, 'names' | 'parts'>> {
  readonly names: readonly string[];
}

/** Parameters that are updated together, with their optimizer state and their own count of steps. */
export interface TrainedGroup {
  readonly parameters: Parameters;
  readonly state: OptimizerState;
  /** Steps in which these parameters trained before this one, including skipped ones: float32 scalar. */
  readonly step: tf.Scalar;
  readonly learningRateFactor: number;
  readonly weightDecayFactor: number;
}

/**
 * Which parameters train at which step, and at which rates. A compiled step belongs to one phase: the set of groups
 * that train at it. The name of a phase is the number of steps done before the first step that trains exactly these
 * groups.
 */
export class ParameterGroups {
  /** Numbers of steps done at which groups may start or stop training, in ascending order. */
  private readonly changes: readonly number[];

  private constructor(private readonly groups: readonly Group[]) {
    const changes = groups.flatMap(({ fromStep, untilStep }) => [fromStep, untilStep]);
    this.changes = [0, ...changes].sort((a, b) => a - b);
  }

  /**
   * Throws ConfigError if a group matches no parameter, if there is no cross-attention to warm up, or if one of the
   * first `steps` steps would train nothing.
   */
  static of(
    model: Model,
    { groups = [], crossAttentionWarmupSteps: warmup = 0 }: GroupingSettings,
    steps = 0,
  ): ParameterGroups {
    if (warmup > 0 && !trainable(model.parameters).some(({ part }) => part === 'cross-attention')) {
      throw new ConfigError(
        `train.crossAttentionWarmupSteps trains cross-attention alone, and this model (${model.kind}) has none.`,
        { code: 'training.no-cross-attention', hint: 'Set it to 0, or train an encoder-decoder model.' },
      );
    }
    const fits = ({ names, parts }: ParameterGroupSettings, name: string, part: ModelPart): boolean =>
      (!parts || parts.includes(part)) && (!names || names.some((pattern) => matchesName(name, pattern)));
    groups.forEach((settings, i) => refuseIdle(settings, i, model, groups.slice(0, i), fits));
    const byTerms = new Map<string, { terms: Omit<Group, 'names'>; names: string[] }>();
    for (const { name, part, frozen = false } of model.parameters) {
      const settings = groups.find((candidate) => fits(candidate, name, part)) ?? {};
      const { learningRateFactor = 1, weightDecayFactor = 1 } = settings;
      const untilStep = frozen ? 0 : (settings.untilStep ?? Infinity);
      const fromStep = Math.max(settings.fromStep ?? 0, part === 'cross-attention' ? 0 : warmup);
      const terms = { learningRateFactor, weightDecayFactor, fromStep, untilStep };
      const key = Object.values(terms).join();
      const known = byTerms.get(key);
      if (known) known.names.push(name);
      else byTerms.set(key, { terms, names: [name] });
    }
    const made = new ParameterGroups([...byTerms.values()].map(({ terms, names }) => ({ ...terms, names })));
    const idle = made.changes.find((step) => step < steps && !made.groups.some((group) => trainsAt(group, step)));
    if (idle !== undefined) throw allFrozen(`step ${idle + 1}`);
    return made;
  }

  /** The parameters that train at some step: only they need optimizer state. */
  everTrained<T>(byName: Readonly<Record<string, T>>): Record<string, T> {
    const names = this.groups.filter(({ fromStep, untilStep }) => fromStep < untilStep).flatMap((group) => group.names);
    const wanted = new Set(names);
    return Object.fromEntries(Object.entries(byName).filter(([name]) => wanted.has(name)));
  }

  /** The phase of the step after `step` done ones. */
  phaseAt(step: number): number {
    const isSame = (earlier: number): boolean =>
      this.groups.every((group) => trainsAt(group, earlier) === trainsAt(group, step));
    return this.changes.find(isSame)!;
  }

  /**
   * What a step of that phase trains. Parameters that start later count their own steps; otherwise Adam's bias
   * correction would treat their moments, still zero, as settled and make the first updates three times too large.
   * Every group receives the state that belongs to no parameter; the update takes it from the first. Skips parameters
   * that are not given (another worker's); the first group stays even if it has none left. Throws ConfigError if the
   * phase trains nothing.
   */
  trained(phase: number, parameters: Parameters, state: OptimizerState, step: tf.Scalar): TrainedGroup[] {
    const active = this.groups.filter((group) => trainsAt(group, phase));
    if (active.length === 0) throw allFrozen('this step');
    const stateOf = keysByParameter(state, parameters);
    const shared = stateOf.get(undefined) ?? [];
    const given = active.map((group) => ({
      ...group,
      names: group.names.filter((name) => Object.hasOwn(parameters, name)),
    }));
    const left = given.filter(({ names }, i) => i === 0 || names.length > 0);
    return left.map(({ names, fromStep, learningRateFactor, weightDecayFactor }) => {
      const keys = [...shared, ...names.flatMap((name) => stateOf.get(name) ?? [])];
      return {
        parameters: Object.fromEntries(names.map((name) => [name, parameters[name]])),
        state: Object.fromEntries(keys.map((key) => [key, state[key]])),
        step: fromStep === 0 ? step : tf.sub(step, fromStep),
        learningRateFactor,
        weightDecayFactor,
      };
    });
  }
}

/** The parameters of which a run keeps a moving average: those that may train. */
export const averagedNames = ({ parameters }: Pick<Model, 'parameters'>): ReadonlySet<string> =>
  new Set(trainable(parameters).map(({ name }) => name));

/** Whether a group trains in the step after `step` done ones. */
function trainsAt({ fromStep, untilStep }: Group, step: number): boolean {
  return fromStep <= step && step < untilStep;
}

/** A line for the log if the warm-up of cross-attention leaves no step for the rest of the model. */
export function warmupWarning(
  { crossAttentionWarmupSteps: warmup = 0 }: GroupingSettings,
  steps: number,
): string | undefined {
  if (warmup < steps) return undefined;
  return `train.crossAttentionWarmupSteps is ${warmup}, but there are ${steps} steps: nothing but cross-attention is trained.`;
}

function allFrozen(when: string): ConfigError {
  return new ConfigError(`train.groups leaves no parameter to train at ${when}.`, {
    code: 'training.all-frozen',
    hint: 'Give one of the groups an earlier fromStep or a later untilStep, or end crossAttentionWarmupSteps earlier.',
  });
}

function refuseIdle(
  settings: ParameterGroupSettings,
  index: number,
  model: Model,
  earlier: readonly ParameterGroupSettings[],
  fits: (settings: ParameterGroupSettings, name: string, part: ModelPart) => boolean,
): void {
  const names = model.parameters.map(({ name }) => name);
  for (const pattern of settings.names ?? []) {
    if (names.some((name) => matchesName(name, pattern))) continue;
    const best = nearest(pattern, names);
    throw new ConfigError(`train.groups.${index}.names: no parameter of the model is called "${pattern}".`, {
      code: 'training.group-empty',
      hint: best ? `The nearest is "${best}".` : '`graft inspect` lists the names; `*` stands for any text.',
    });
  }
  const matching = model.parameters.filter(({ name, part }) => fits(settings, name, part));
  const own = trainable(matching);
  if (matching.length > 0 && own.length === 0) {
    throw new ConfigError(`train.groups.${index} fits only parameters that train.lora leaves frozen.`, {
      code: 'training.group-frozen',
      hint: 'Name pairs (`*.lora_A.weight`, `*.lora_B.weight`), or what train.lora.modulesToSave trains.',
    });
  }
  if (own.some(({ name, part }) => !earlier.some((other) => fits(other, name, part)))) return;
  if (own.length > 0) {
    throw new ConfigError(
      `train.groups.${index} is never used: earlier groups take all of its ${own.length} parameters.`,
      {
        code: 'training.group-hidden',
        hint: 'The first group that fits a parameter counts: put the narrower groups first.',
      },
    );
  }
  const parts = [...new Set(model.parameters.map(({ part }) => part))];
  throw new ConfigError(`train.groups.${index} fits no parameter of the model.`, {
    code: 'training.group-empty',
    hint: `The model's parts are ${parts.join(', ')}.`,
  });
}

/**
 * Keys of an optimizer's state by the parameter after one of their slashes; under undefined those without a parameter.
 */
function keysByParameter(state: OptimizerState, parameters: Parameters): Map<string | undefined, string[]> {
  const found = new Map<string | undefined, string[]>();
  for (const key of Object.keys(state)) {
    let name: string | undefined = key;
    while (name !== undefined && !Object.hasOwn(parameters, name)) {
      const slash: number = name.indexOf('/');
      name = slash < 0 ? undefined : name.slice(slash + 1);
    }
    const keys = found.get(name);
    if (keys) keys.push(key);
    else found.set(name, [key]);
  }
  return found;
}
