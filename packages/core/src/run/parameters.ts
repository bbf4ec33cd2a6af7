import { GraftError, type tf } from '@graft/engine';
import { listedProblems } from '@graft/errors';
import { elementCount } from '@graft/engine/internal';
import { failedComponent } from '../components/calls';
import type { Initializer, Model, Parameters, ParameterSpec } from '../interfaces';
import type { RandomStream } from '../random/streams';

/** Number of values in some or all of a model's parameters, counted as in published totals (tied tensors once). */
export function countParameters({
  parameters,
}: {
  readonly parameters: readonly Pick<ParameterSpec, 'shape'>[];
}): number {
  return parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * Collects the tensors of an initializer, in the model's order, and places each before the next one is made. Throws GraftError, leaving no tensor, naming the
 * parameters that are missing, came twice, are unknown to the model or have another shape or dtype.
 */
export async function fillParameters(
  model: Model,
  initializer: Initializer,
  random: RandomStream,
  place?: (name: string, value: tf.Tensor) => Promise<void>,
): Promise<Parameters> {
  const shapes = new Map(model.parameters.map(({ name, shape }) => [name, shape]));
  const received = new Map<string, tf.Tensor>();
  const held = new Set<tf.Tensor>();
  const problems: string[] = [];
  try {
    for await (const [name, value] of initializer.parameters(model, random)) {
      const shape = shapes.get(name);
      const twin = received.has(name);
      if (!shape) problems.push(`"${name}" is not a parameter of the model`);
      else if (twin) problems.push(`"${name}" came twice`);
      else if (shape.join() !== value.shape.join())
        problems.push(`"${name}" has shape [${value.shape.join(', ')}], expected [${shape.join(', ')}]`);
      else if (value.dtype !== 'float32') problems.push(`"${name}" is ${value.dtype}, expected float32`);
      if (!shape || twin) value.dispose();
      // Training takes ownership of each of them, and an initializer may yield one tensor under several names.
      else received.set(name, held.has(value) ? value.clone() : value);
      held.add(value);
      if (shape?.join() === value.shape.join() && !twin) await place?.(name, received.get(name)!);
    }
    for (const name of shapes.keys()) if (!received.has(name)) problems.push(`"${name}" is missing`);
    if (problems.length > 0) {
      throw new GraftError(`The initializer does not fit the model: ${listedProblems(problems)}.`, {
        code: 'run.initializer',
        hint: 'Compare the `initializer:` and `model:` sections of the config.',
      });
    }
  } catch (error) {
    for (const tensor of received.values()) tensor.dispose();
    throw failedComponent(initializer, 'The initializer', 'parameters', error);
  }
  // Whatever the initializer's order: checkpoints use the model's.
  return Object.fromEntries(model.parameters.map(({ name }) => [name, received.get(name)!]));
}
