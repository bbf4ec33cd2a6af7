import { placeSection } from '../components/config-place';
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
  for (const [i, section] of evaluators.entries()) {
    const { name, every, component } = evaluatorSection(section);
    placeSection(component, `evaluators.${i}`);
    const evaluator = await unlessStuck(components.create('evaluator', component), signal);
    created.push({ name, every, evaluator: owned.add(`evaluator "${name}"`, evaluator) });
  }
  return created;
}
