import type { Initializer } from '@graft/core';
import { tf } from '@graft/engine';
import { finds } from '../../test/broken-rules';
import { conformance, toyInitializer } from '../index';

describe('broken rules of initializers', () => {
  const odd = (change: Partial<Initializer>) => conformance.initializer(() => ({ ...toyInitializer(), ...change }));
  finds('a parameter that is missing', () => odd({ parameters: async function* () {} }), /yielded once/);
  finds(
    'values that differ',
    () =>
      odd({
        parameters: async function* ({ parameters }) {
          for (const { name, shape } of parameters) yield [name, tf.randomUniform([...shape])];
        },
      }),
    /same values/,
  );
  finds(
    'tensors that are made ahead',
    () =>
      odd({
        parameters: async function* ({ parameters }) {
          const all = parameters.map(({ name, shape }) => [name, tf.zeros([...shape])] as const);
          yield* all;
        },
      }),
    /stops early/,
  );
  finds('a config that is not JSON', () => odd({ checkpointConfig: async () => ({ at: new Date() }) }), /JSON objects/);
});
