import type { Optimizer } from '@graft/core';
import { tf } from '@graft/engine';
import { brokenRules, finds } from '../../test/broken-rules';
import { conformance } from '../index';

describe('broken rules of optimizers', () => {
  const gradientDescent: Optimizer = {
    learningRate: 0.1,
    init: () => ({}),
    update: ({ parameters, gradients, learningRate }) => ({
      parameters: Object.fromEntries(
        Object.entries(parameters).map(([name, value]) => [name, tf.sub(value, tf.mul(gradients[name], learningRate))]),
      ),
      state: {},
    }),
  };
  test('the suite finds nothing in plain gradient descent', async () => {
    expect(await brokenRules(conformance.optimizer(() => gradientDescent))).toEqual([]);
  });
  const odd = (change: Partial<Optimizer>) => (): Optimizer => ({ ...gradientDescent, ...change });
  finds('an infinite learning rate', () => conformance.optimizer(odd({ learningRate: Infinity })), /learning rate/);
  finds(
    'a state that is a parameter',
    () => conformance.optimizer(odd({ init: ({ bias }) => ({ 'm/bias': bias }) })),
    /keyed by parameter/,
  );
  finds(
    'a state by position',
    () => conformance.optimizer(odd({ init: () => ({ 'm/0': tf.scalar(0) }) })),
    /keyed by parameter/,
  );
  finds(
    'a lost state',
    () => conformance.optimizer(odd({ init: () => ({ count: tf.scalar(0) }) })),
    /returns all parameters and states/,
  );
  finds(
    'an update that disposes what it is given',
    () => {
      const update: Optimizer['update'] = (given) => {
        const result = gradientDescent.update(given);
        tf.dispose(given.gradients);
        return result;
      };
      return conformance.optimizer(odd({ update }));
    },
    /pure/,
  );
  finds(
    'a division by 0',
    () => {
      const update: Optimizer['update'] = (given) => {
        const gradients = Object.fromEntries(
          Object.entries(given.gradients).map(([n, g]) => [n, tf.div(g, tf.norm(g))]),
        );
        return gradientDescent.update({ ...given, gradients });
      };
      return conformance.optimizer(odd({ update }));
    },
    /finite, also for gradients of 0/,
  );
  finds(
    'parameters that depend on each other',
    () => {
      const update: Optimizer['update'] = (given) => {
        const count = Object.keys(given.parameters).length;
        return gradientDescent.update({ ...given, learningRate: tf.div(given.learningRate, count) });
      };
      return conformance.optimizer(odd({ update }));
    },
    /whichever others/,
  );
  finds(
    'an update that reads a value',
    () => {
      const update: Optimizer['update'] = (given) =>
        given.gradientNorm.dataSync()[0] > 100 ? given : gradientDescent.update(given);
      return conformance.optimizer(odd({ update }));
    },
    /compiled/,
  );
});
