import { createRandom, type Initializer, type Model } from '@graft/core';
import { describeLost } from '@graft/core/internal';
import { tf } from '@graft/engine';
import { check, type Check, type Make } from '../check';
import { toyModel } from '../toys/model';
import { isFiniteList, tensorCount, valuesDifference, valuesOf, type Values } from '../values';

/** What an initializer is tested with. */
export interface InitializerOptions {
  /** The model to fill. Default: `toyModel()`. An initializer of one family needs a model of that family. */
  readonly model?: Make<Model>;
}

/** Checks of an Initializer: it yields every parameter once, reproducibly, and leaves no other tensors behind. */
export function initializer(
  make: Make<Initializer>,
  { model: makeModel = () => toyModel() }: InitializerOptions = {},
): readonly Check[] {
  const values = async (seed: number): Promise<Values> => {
    const found: Record<string, Values[string]> = {};
    for await (const [name, tensor] of (await make()).parameters(await makeModel(), createRandom(seed))) {
      Object.assign(found, valuesOf({ [name]: tensor }));
      tensor.dispose();
    }
    return found;
  };
  return [
    check(
      'initializer',
      'parameters',
      'every parameter of the model is yielded once, with its shape',
      async (broken) => {
        const model = await makeModel();
        const left = new Map(model.parameters.map((spec) => [spec.name, spec]));
        const before = tensorCount();
        for await (const [name, tensor] of (await make()).parameters(model, createRandom(1))) {
          const spec = left.get(name);
          if (!spec) {
            const known = model.parameters.some((parameter) => parameter.name === name);
            return broken(`"${name}" is ${known ? 'yielded twice' : 'not a parameter of the model'}.`);
          }
          left.delete(name);
          if (!(tensor instanceof tf.Tensor)) broken(`"${name}" is not a tensor.`);
          if (tensor.isDisposed) broken(`"${name}" was disposed by the initializer, but the consumer owns it.`);
          if (tensor.shape.join() !== spec.shape.join() || tensor.dtype !== 'float32')
            broken(
              `"${name}" is ${tensor.dtype} [${tensor.shape.join(', ')}], not float32 [${spec.shape.join(', ')}].`,
            );
          if (!isFiniteList(tensor.dataSync())) broken(`"${name}" has values that are not finite.`);
          tensor.dispose();
        }
        if (left.size > 0) broken(`nothing was yielded for ${[...left.keys()].join(', ')}.`);
        if (tensorCount() !== before) broken(`${tensorCount() - before} tensors were left besides the parameters.`);
      },
    ),
    check('initializer', 'parameters', 'the same random stream gives the same values', async (broken) => {
      const difference = valuesDifference(await values(7), await values(7));
      if (difference !== undefined) broken(`${difference} the second time.`);
    }),
    check('initializer', 'parameters', 'a consumer that stops early leaves no tensors behind', async (broken) => {
      const before = tensorCount();
      for await (const [, tensor] of (await make()).parameters(await makeModel(), createRandom(1))) {
        tensor.dispose();
        break;
      }
      if (tensorCount() !== before) broken(`${tensorCount() - before} tensors were left.`);
    }),
    check(
      'initializer',
      'checkpointConfig',
      'the configs of the checkpoint are JSON objects or undefined',
      async (broken) => {
        const made = await make();
        const configs = {
          checkpointConfig: await made.checkpointConfig(),
          generationConfig: await made.generationConfig?.(),
        };
        for (const [name, config] of Object.entries(configs)) {
          if (config === undefined) continue;
          const problem = typeof config === 'object' && config !== null ? describeLost(config) : `is ${typeof config}`;
          if (problem !== undefined) broken(`${name} ${problem}.`);
        }
      },
    ),
  ];
}
