import { createRandom, type EvaluationContext, type Evaluator, type Model, type Parameters } from '@graft/core';
import { isMeasured } from '@graft/core/internal';
import { tf } from '@graft/engine';
import { check, type Check, type Make } from '../check';
import { randomParameters, toyModel } from '../toys/model';
import { tensorCount, valuesDifference, valuesOf } from '../values';

/** What an evaluator is tested with. */
export interface EvaluatorOptions {
  /** The model to evaluate. Default: `toyModel()`. */
  readonly model?: Make<Model>;
  /** Its parameters. Default: random ones. */
  readonly parameters?: (model: Model) => Parameters;
}

/** Checks of an Evaluator: it returns numbers, the same for the same seed, leaks nothing, and ends when it is aborted. */
export function evaluator(
  make: Make<Evaluator>,
  { model: makeModel = () => toyModel(), parameters: makeParameters = randomParameters }: EvaluatorOptions = {},
): readonly Check[] {
  /** Evaluates with parameters that are disposed afterwards. */
  const evaluating = async <T>(use: (context: EvaluationContext, made: Evaluator) => Promise<T>): Promise<T> => {
    const model = await makeModel();
    const parameters = makeParameters(model);
    const made = await make();
    try {
      return await use({ model, parameters, step: 3, random: createRandom(5) }, made);
    } finally {
      made.dispose?.();
      tf.dispose(parameters);
    }
  };
  const restarted = (context: EvaluationContext): EvaluationContext => ({ ...context, random: createRandom(5) });
  return [
    check('evaluator', 'evaluate', 'an evaluation returns named numbers', async (broken) => {
      const metrics = await evaluating((context, made) => made.evaluate(context));
      if (Object.keys(metrics).length === 0) broken('it returned no metrics.');
      for (const [name, value] of Object.entries(metrics))
        if (typeof value !== 'number') broken(`"${name}" is ${typeof value}.`);
    }),
    check('evaluator', 'metricNames', 'an evaluation returns what it names beforehand', async (broken) => {
      await evaluating(async (context, made) => {
        const names = made.metricNames;
        if (!names) return;
        for (const name of Object.keys(await made.evaluate(context)))
          if (!isMeasured(name, names)) broken(`it returned "${name}", which it does not name.`);
      });
    }),
    check('evaluator', 'evaluate', 'the same parameters and seed give the same numbers', async (broken) => {
      await evaluating(async (context, made) => {
        const [first, second] = [await made.evaluate(context), await made.evaluate(restarted(context))];
        for (const name of new Set([...Object.keys(first), ...Object.keys(second)]))
          if (!Object.is(first[name], second[name]))
            broken(`"${name}" was ${first[name]} first and ${second[name]} the second time.`);
      });
    }),
    check('evaluator', 'evaluate', 'an evaluation leaves no tensors behind', async (broken) => {
      await evaluating(async (context, made) => {
        // What the first one keeps (a compiled function, data) may stay until `dispose`.
        await made.evaluate(context);
        const before = tensorCount();
        await made.evaluate(restarted(context));
        if (tensorCount() !== before) broken(`the second evaluation left ${tensorCount() - before} tensors.`);
      });
      const before = tensorCount();
      await evaluating((context, made) => made.evaluate(context));
      if (tensorCount() !== before) broken(`after dispose, ${tensorCount() - before} tensors are left.`);
    }),
    check('evaluator', 'evaluate', 'the parameters are neither changed nor disposed', async (broken) => {
      await evaluating(async (context, made) => {
        const before = valuesOf(context.parameters);
        await made.evaluate(context);
        const lost = Object.keys(before).find((name) => context.parameters[name]?.isDisposed ?? true);
        if (lost !== undefined) broken(`the parameter "${lost}" was disposed.`);
        const difference = valuesDifference(before, valuesOf(context.parameters));
        if (difference !== undefined) broken(`the parameter ${difference}.`);
      });
    }),
    check('evaluator', 'evaluate', 'an evaluation whose signal is aborted is rejected', async (broken) => {
      await evaluating(async (context, made) => {
        const before = tensorCount();
        const stopped = await made
          .evaluate({ ...context, signal: AbortSignal.abort() })
          .then(() => false)
          .catch(() => true);
        if (!stopped) broken('it returned numbers as if nothing had happened.');
        if (tensorCount() !== before) broken(`it left ${tensorCount() - before} tensors.`);
      });
    }),
  ];
}
