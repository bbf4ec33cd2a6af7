/** Where a model's parameters are on a mesh: rules on their names, or on their shapes. */
import { ConfigError, type MeshAxes, type ShardingSpec } from '@graft/engine';
import { elementCount } from '@graft/engine/internal';
import type { ParameterSpec, TensorSplit } from '../interfaces';
import { matchesName } from '../util/match-name';
import { didYouMean, nearest } from '../util/suggest';

/** How a mesh is used; see `train.sharding` in docs/config.md. */
export type ShardingSetting = 'replicated' | 'fully-sharded' | 'tensor' | { readonly rules: readonly ShardingRule[] };

/** Parameters by name, and the axis, or axes, over which each of their dimensions is split. */
export interface ShardingRule {
  readonly names: readonly string[];
  readonly split: ShardingSpec;
}

/** Axes over which batches are split, too. */
const BATCH_AXES = ['data', 'fsdp'];
/** The axis over which `tensor` splits matrices. */
const MODEL_AXIS = 'model';

/** How parameters and batches are split over a mesh. */
export interface ShardingPlan {
  readonly parameters: ReadonlyMap<string, ShardingSpec>;
  /** Axes over which the rows of a batch are split. */
  readonly batchAxes: readonly string[];
  /** Parts of a batch. */
  readonly batchParts: number;
  /** Matrices that each device has completely, because none of their dimensions can be split evenly. */
  readonly whole: readonly string[];
}

export interface PlanRequest {
  readonly axes: MeshAxes;
  readonly sharding: ShardingSetting;
  readonly parameters: readonly Pick<ParameterSpec, 'name' | 'shape'>[];
  /** The model family's. Default: the last dimension that can be split. */
  readonly tensorSplits?: readonly TensorSplit[];
}

const refused = (message: string, hint: string): ConfigError =>
  new ConfigError(message, { code: 'training.sharding', exitCode: 2, hint });

/** Throws ConfigError if an axis is missing, useless or unknown, or a rule does not fit a parameter. */
export function planSharding(request: PlanRequest): ShardingPlan {
  const { axes, sharding, parameters } = request;
  checkAxes(axes, sharding);
  const batchAxes = BATCH_AXES.filter((axis) => Object.hasOwn(axes, axis));
  const batchParts = partsOver(axes, batchAxes);
  const whole: string[] = [];
  const specs = parameters.map(({ name, shape }): [string, ShardingSpec] => {
    const spec =
      typeof sharding === 'object' ? byRules(sharding.rules, name, shape, axes) : byPreset(request, name, shape);
    if (!spec) whole.push(name);
    return [name, spec ?? []];
  });
  if (typeof sharding === 'object') refuseIdleRules(sharding.rules, parameters);
  return { parameters: new Map(specs), batchAxes, batchParts, whole };
}

function checkAxes(axes: MeshAxes, sharding: ShardingSetting): void {
  const has = (axis: string): boolean => (axes[axis] ?? 1) > 1;
  if (typeof sharding === 'object') return;
  if (has(MODEL_AXIS) && sharding === 'replicated')
    throw refused(
      'train.mesh has the axis "model", but train.sharding: replicated splits only batches, over data and fsdp.',
      'Set train.sharding to tensor or fully-sharded, or make it an axis "data".',
    );
  if (has('fsdp') && sharding !== 'fully-sharded')
    throw refused(
      `train.mesh has the axis "fsdp", but train.sharding: ${sharding} splits no parameters over it.`,
      'Set train.sharding: fully-sharded, or make it an axis "data".',
    );
  if (!Object.hasOwn(axes, MODEL_AXIS) && sharding === 'tensor')
    throw refused(
      'train.sharding: tensor needs an axis "model" in train.mesh.',
      'For example: train.mesh: { model: 8 }',
    );
  if (sharding === 'fully-sharded' && !BATCH_AXES.some((axis) => Object.hasOwn(axes, axis)))
    throw refused(
      'train.sharding: fully-sharded needs an axis "data" or "fsdp" in train.mesh.',
      'For example: train.mesh: { data: 8 }',
    );
}

/** Undefined: a matrix that cannot be split evenly. Vectors are small, and stay whole. */
function byPreset(
  { axes, sharding, tensorSplits }: PlanRequest,
  name: string,
  shape: readonly number[],
): ShardingSpec | undefined {
  if (sharding === 'replicated' || shape.length < 2) return [];
  const split: (string | null)[] = shape.map(() => null);
  const dimensions = shape.map((_, dimension) => dimension);
  const firstOf = (candidates: readonly number[], axis: string): number | undefined =>
    candidates.find((dimension) => split[dimension] === null && shape[dimension] % axes[axis] === 0);
  let isWanted = sharding === 'fully-sharded';
  if (Object.hasOwn(axes, MODEL_AXIS)) {
    const candidates = tensorSplits
      ? tensorSplits.filter(({ names }) => names.some((pattern) => matchesName(name, pattern))).slice(0, 1)
      : [...dimensions].reverse().map((dimension) => ({ dimension }));
    isWanted ||= candidates.length > 0;
    const found = firstOf(
      candidates.map(({ dimension }) => dimension),
      MODEL_AXIS,
    );
    if (found !== undefined) split[found] = MODEL_AXIS;
  }
  if (sharding === 'fully-sharded') {
    const axis = Object.hasOwn(axes, 'fsdp') ? 'fsdp' : 'data';
    const largest = firstOf(
      [...dimensions].sort((a, b) => shape[b] - shape[a]),
      axis,
    );
    if (largest !== undefined) split[largest] = axis;
  }
  return isWanted && split.every((axis) => axis === null) ? undefined : split;
}

/** The first rule that matches counts. */
function byRules(rules: readonly ShardingRule[], name: string, shape: readonly number[], axes: MeshAxes): ShardingSpec {
  const at = rules.findIndex(({ names }) => names.some((pattern) => matchesName(name, pattern)));
  if (at < 0) return [];
  const { split } = rules[at];
  const where = `train.sharding.rules[${at}]`;
  if (split.length > shape.length)
    throw refused(
      `${where}.split has ${split.length} dimensions, but "${name}" is [${shape.join(', ')}].`,
      'Give each dimension an axis, a list of axes, or null.',
    );
  split.forEach((given, dimension) => {
    const names = axesOf(given);
    const unknown = names.find((axis) => !Object.hasOwn(axes, axis));
    if (unknown !== undefined)
      throw refused(
        `${where}.split names the axis "${unknown}", which train.mesh does not have.`,
        `Its axes are ${Object.keys(axes).join(', ')}${didYouMean(unknown, Object.keys(axes)) || '.'}`,
      );
    const parts = partsOver(axes, names);
    if (shape[dimension] % parts !== 0)
      throw refused(
        `${where} splits dimension ${dimension} of "${name}" [${shape.join(', ')}] into ${parts} parts, which are not equal.`,
        'Split another dimension, or put a rule with `split: []` for this parameter in front of it.',
      );
  });
  const all = split.flatMap(axesOf);
  const twice = all.find((axis, i) => all.indexOf(axis) !== i);
  if (twice !== undefined)
    throw refused(`${where}.split uses the axis "${twice}" twice.`, 'Each axis splits at most one dimension.');
  return split;
}

const axesOf = (given: ShardingSpec[number]): readonly string[] =>
  given === null ? [] : typeof given === 'string' ? [given] : given;

/** Into how many parts a spec splits a tensor. */
export const partsOfSpec = (spec: ShardingSpec, axes: MeshAxes): number => partsOver(axes, spec.flatMap(axesOf));

const partsOver = (axes: MeshAxes, names: readonly string[]): number =>
  names.reduce((product, axis) => product * axes[axis], 1);

function refuseIdleRules(rules: readonly ShardingRule[], parameters: PlanRequest['parameters']): void {
  rules.forEach(({ names }, i) => {
    const pattern = names.find((one) => !parameters.some(({ name }) => matchesName(name, one)));
    if (pattern === undefined) return;
    const near = nearest(
      pattern,
      parameters.map(({ name }) => name),
    );
    throw refused(
      `train.sharding.rules[${i}].names: "${pattern}" matches no parameter.`,
      near === undefined ? '`graft inspect` lists the names of a checkpoint.' : `Did you mean "${near}"?`,
    );
  });
}

/**
 * How a tensor that belongs to a parameter is split: like it if it has its shape, or its rows of packed numbers (a shorter
 * last dimension) if each device's are its own; otherwise along its largest dimension over the same axes, if that is
 * possible evenly.
 */
export function splitLike(
  spec: ShardingSpec,
  parameterShape: readonly number[],
  shape: readonly number[],
  axes: MeshAxes,
): ShardingSpec {
  if (shape.join() === parameterShape.join()) return spec;
  const hasSameRows = shape.length > 1 && shape.slice(0, -1).join() === parameterShape.slice(0, -1).join();
  const lastParts = partsOver(axes, axesOf(spec[shape.length - 1] ?? null));
  if (hasSameRows && shape[shape.length - 1] % lastParts === 0) return spec;
  const names = spec.flatMap(axesOf);
  const parts = partsOver(axes, names);
  if (parts === 1 || elementCount(shape) < parts) return [];
  const largest = shape.indexOf(Math.max(...shape));
  return shape[largest] % parts === 0 ? shape.map((_, dimension) => (dimension === largest ? names : null)) : [];
}
