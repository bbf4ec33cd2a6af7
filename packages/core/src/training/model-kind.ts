import { ConfigError } from '@graft/engine';
import { componentName } from '../components/calls';
import type { Model, Objective } from '../interfaces';

/** Throws ConfigError if an objective is for the other kind of model: its loss would mean something else. */
export function checkModelKind({ kind }: Pick<Model, 'kind'>, objective: Objective): void {
  const { modelKind = kind } = objective;
  if (modelKind === kind) return;
  const who = componentName(objective, 'The objective');
  throw new ConfigError(`${who} trains ${modelKind} models, but the model is ${kind}.`, {
    code: 'config.model-kind',
    hint: `Name another objective, or a model that is ${modelKind}.`,
  });
}
