import { evaluatorSection, type EvaluationConfig } from '../config';
import type { NamedEvaluator } from '../evaluation/evaluations';
import type { ComponentFactory } from '../interfaces';
import { unlessStuck } from '../util/pending';
import type { ResourceScope } from './resource-scope';

/** The config's evaluators; `owned` disposes each of them. Abandons a factory that hangs after the signal. */
export async function createEvaluators(
  { evaluators }: Pick<EvaluationConfig, 'evaluators'>,
  components: ComponentFactory,
  owned: ResourceScope,
  signal?: AbortSignal,
): Promise<NamedEvaluator[]> {
  const created: NamedEvaluator[] = [];
  for (const section of evaluators) {
    const { name, every, component } = evaluatorSection(section);
    const evaluator = await unlessStuck(components.create('evaluator', component), signal);
    created.push({ name, every, evaluator: owned.add(`evaluator "${name}"`, evaluator) });
  }
  return created;
}
