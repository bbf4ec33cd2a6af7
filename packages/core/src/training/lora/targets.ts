/** Which parameters `train.lora` names. */
import { ConfigError } from '@graft/engine';
import { listed } from '@graft/errors';
import type { Model, ParameterSpec } from '../../interfaces';
import { matchesName } from '../../util/match-name';
import { nearest } from '../../util/suggest';
import { layerOf } from './pairs';
import type { LoraSettings } from '../../config/lora-section';

/** What of a model trains under `train.lora`: names of its parameters. */
export interface LoraChoice {
  /** Matrices that get a pair. */
  readonly targets: ReadonlySet<string>;
  /** Parameters that train completely. */
  readonly complete: ReadonlySet<string>;
}

const ALL_LINEAR = 'all-linear';

/** Whether a path is the name, or ends with it after a dot; in a name, `*` stands for any text. */
const endsIn = (path: string, name: string): boolean => matchesName(path, name) || matchesName(path, `*.${name}`);

const isComplete = (name: string, modules: readonly string[]): boolean => {
  const parts = layerOf(name).split('.');
  return modules.some((module) => parts.some((_, i) => endsIn(parts.slice(0, i + 1).join('.'), module)));
};

/**
 * Throws ConfigError, listing the nearest name, for a target or a module that the model does not have, and for a model
 * whose family names no linear layers.
 */
export function chooseParameters(
  { parameters, kind }: Pick<Model, 'parameters' | 'kind'>,
  { targets, modulesToSave = [] }: Pick<LoraSettings, 'targets' | 'modulesToSave'>,
): LoraChoice {
  const linear = parameters.filter((spec) => spec.linear);
  if (linear.length === 0) {
    throw new ConfigError(`train.lora needs linear layers, and the family of this ${kind} model names none.`, {
      code: 'lora.no-linear-layers',
      exitCode: 2,
      hint: 'The family marks their matrices with `linear: true` in `Model.parameters` (docs/lora.md).',
    });
  }
  const all = parameters.map(({ name }) => name);
  const complete = new Set(all.filter((name) => isComplete(name, modulesToSave)));
  for (const module of modulesToSave)
    if (!all.some((name) => isComplete(name, [module]))) throw unknown('modulesToSave', module, modulesOf(all));
  // As in PEFT, a module that trains completely has no pair.
  const free = linear.filter(({ name }) => !complete.has(name));
  const found = free.filter(({ name }) => isTarget(layerOf(name), targets));
  refuseIdle(targets, free, linear, all);
  return { targets: new Set(found.map(({ name }) => name)), complete };
}

function isTarget(layer: string, targets: LoraSettings['targets']): boolean {
  if (targets === ALL_LINEAR) return true;
  return typeof targets === 'string' ? expression(targets).test(layer) : targets.some((name) => endsIn(layer, name));
}

function expression(source: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (error) {
    throw new ConfigError(`train.lora.targets is not a regular expression: ${(error as Error).message}.`, {
      code: 'lora.target',
      exitCode: 2,
      hint: 'Write all-linear, a list of names such as [q_proj, v_proj], or a regular expression for whole names.',
    });
  }
}

/** Throws ConfigError for the first target that no linear layer without a pair matches. */
function refuseIdle(
  targets: LoraSettings['targets'],
  free: readonly ParameterSpec[],
  linear: readonly ParameterSpec[],
  all: readonly string[],
): void {
  for (const target of typeof targets === 'string' ? [targets] : targets) {
    const one = typeof targets === 'string' ? targets : [target];
    if (free.some(({ name }) => isTarget(layerOf(name), one))) continue;
    if (linear.some(({ name }) => isTarget(layerOf(name), one)))
      throw new ConfigError(`train.lora.targets names "${target}", which modulesToSave already trains completely.`, {
        code: 'lora.target',
        exitCode: 2,
        hint: 'Name it in one of the two lists.',
      });
    if (typeof targets === 'string' && linear.some(({ name }) => isTarget(layerOf(name), [target]))) {
      throw new ConfigError(
        `train.lora.targets: the expression "${target}" matches the whole name of no linear layer.`,
        {
          code: 'lora.target',
          exitCode: 2,
          hint: `Write a list, [${target}], for all layers whose name ends so.`,
        },
      );
    }
    if (all.some((name) => isTarget(layerOf(name), one)))
      throw new ConfigError(`train.lora.targets names "${target}", which is not a linear layer.`, {
        code: 'lora.target',
        exitCode: 2,
        hint: 'To train it completely, name it in train.lora.modulesToSave.',
      });
    throw unknown(
      'targets',
      target,
      linear.map(({ name }) => layerOf(name)),
    );
  }
}

const modulesOf = (names: readonly string[]): string[] => names.map(layerOf);

function unknown(key: 'targets' | 'modulesToSave', name: string, modules: readonly string[]): ConfigError {
  const ends = [...new Set(modules.map((module) => module.slice(module.lastIndexOf('.') + 1)))];
  const best = nearest(name, ends) ?? nearest(name, modules);
  const known = `The model has ${listed(ends, 12)}.`;
  return new ConfigError(
    `train.lora.${key}: no ${key === 'targets' ? 'linear layer' : 'module'} of the model is called "${name}".`,
    {
      code: 'lora.target',
      exitCode: 2,
      hint: best === undefined ? known : `Did you mean "${best}"? ${known}`,
    },
  );
}
