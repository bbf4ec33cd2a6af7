import type { Callback } from '@graft/core';
import { finds } from '../../test/broken-rules';
import { conformance } from '../index';

describe('broken rules of callbacks', () => {
  const odd = (change: Callback) => conformance.callback(() => change);
  finds('a step of 0', () => odd({ every: 0 }), /positive integer/);
  finds(
    'a hook that needs another',
    () =>
      odd({
        onStep: () => {
          throw new Error('no');
        },
      }),
    /all hooks in order/,
  );
  finds(
    'an end that needs a step',
    () =>
      conformance.callback(() => {
        let steps = 0;
        return {
          onStep: () => void steps++,
          onEnd: () => {
            if (steps === 0) throw new Error('no steps');
          },
        };
      }),
    /before its first step/,
  );
  finds(
    'a parameter that is gone',
    () =>
      odd({
        onStep: ({ parameters, step }) => {
          if (step === 1) parameters.embedding.dispose();
        },
      }),
    /neither changed nor disposed/,
  );
  finds('a state that is not JSON', () => odd({ state: () => NaN }), /plain JSON/);
  finds(
    'a state that is not restored',
    () =>
      conformance.callback(() => {
        let steps = 0;
        return { onStep: () => void steps++, state: () => steps };
      }),
    /restored/,
  );
});
