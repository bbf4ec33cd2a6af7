import type { Evaluator } from '@graft/core';
import { tf } from '@graft/engine';
import { finds } from '../../test/broken-rules';
import { conformance } from '../index';

describe('broken rules of evaluators', () => {
  const odd = (evaluate: Evaluator['evaluate']) => conformance.evaluator(() => ({ evaluate }));
  finds('a text among the numbers', () => odd(async () => ({ loss: '1' as never })), /named numbers/);
  finds(
    'a number that it does not name',
    () => conformance.evaluator(() => ({ metricNames: ['tokens', 'loss/*'], evaluate: async () => ({ loss: 1 }) })),
    /names beforehand/,
  );
  finds('numbers that differ', () => odd(async () => ({ loss: Math.random() })), /same numbers/);
  finds('a leak', () => odd(async () => (tf.scalar(1), { loss: 1 })), /no tensors behind/);
  finds(
    'a parameter that is gone',
    () => odd(async ({ parameters }) => (parameters.embedding.dispose(), { loss: 1 })),
    /neither changed nor disposed/,
  );
  finds('a signal that is ignored', () => odd(async () => ({ loss: 1 })), /aborted/);
});
