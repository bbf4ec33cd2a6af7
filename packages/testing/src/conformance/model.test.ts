import type { Model, ModelFamily } from '@graft/core';
import { tf } from '@graft/engine';
import { finds } from '../../test/broken-rules';
import { conformance, toyModel, type Check } from '../index';

describe('broken rules of models', () => {
  const odd = (change: (model: Model) => Partial<Model>): readonly Check[] => {
    const family: ModelFamily = {
      build: () => {
        const own = toyModel();
        return { ...own, ...change(own) };
      },
    };
    return conformance.model(() => family);
  };
  finds(
    'a parameter twice',
    () => odd(({ parameters }) => ({ parameters: [...parameters, parameters[0]] })),
    /distinct names/,
  );
  finds(
    'a config that builds another model',
    () => conformance.model(() => ({ build: (config) => toyModel({ width: config ? 4 : 8 }) })),
    /builds the same model/,
  );
  finds(
    'a start token beyond the vocabulary',
    () => odd(({ specialTokens }) => ({ specialTokens: { ...specialTokens, start: 99 } })),
    /ids of the vocabulary/,
  );
  finds(
    'logits of another shape',
    () => odd(({ forward }) => ({ forward: (p, f) => ({ logits: forward(p, f).logits.slice([0, 0, 1]) }) })),
    /declared shape/,
  );
  finds(
    'a forward pass that reads a value',
    () =>
      odd(({ forward }) => ({
        forward: (p, f) => {
          p.embedding.dataSync();
          return forward(p, f);
        },
      })),
    /compiled or not/,
  );
  finds(
    'sources that serve other targets than their own',
    () =>
      odd(({ forward }) => ({
        readsSeveralTargets: true,
        forward: (p, { input_ids: ids, ...f }) => {
          const times = f.decoder_input_ids.shape[0] / ids.shape[0];
          // The sources one after the other, where each is to be repeated.
          return forward(p, { ...f, input_ids: tf.tile(ids, [times, 1]) });
        },
      })),
    /several targets/,
  );
  finds(
    'a mask that is ignored',
    () => odd(({ forward }) => ({ forward: (p, { attention_mask: _, ...f }) => forward(p, f) })),
    /padding/,
  );
  finds(
    'a look into the future',
    () =>
      odd(({ forward }) => ({
        forward: (p, f) => {
          const { logits } = forward(p, f);
          return { logits: tf.add(logits, tf.mean(logits, 1, true)) };
        },
      })),
    /later tokens/,
  );
  finds(
    'a parameter without a gradient',
    () =>
      odd(({ parameters }) => ({
        parameters: [...parameters, { name: 'unused', shape: [2], part: 'head', initial: 'zeros' }],
      })),
    /reach every parameter/,
  );
  finds(
    'a head that differs',
    () => odd(({ head }) => ({ head: { ...head!, logits: (p, rows) => tf.mul(head!.logits(p, rows), 2) } })),
    /head and representation/,
  );
  finds(
    'pairs that are ignored',
    () =>
      odd(({ parameters }) => ({
        readsPairs: true,
        parameters: parameters.map((spec) => ({ ...spec, linear: spec.name.endsWith('.weight') })),
      })),
    /low-rank pairs/,
  );
});
