/** Every rule is broken once: the suite reports it, with the rule and where it is documented. */
import type {
  Callback,
  Dataset,
  Evaluator,
  HostFields,
  Initializer,
  JsonValue,
  Model,
  ModelFamily,
  Objective,
  Optimizer,
  Tokenizer,
  Tracker,
} from '@graft/core';
import { FIELDS, IGNORED_LABEL } from '@graft/core';
import { tf } from '@graft/engine';
import {
  conformance,
  ContractError,
  toyInitializer,
  toyModel,
  ToyDataset,
  ToyTokenizer,
  type Check,
  type Received,
} from '../index';

/** The rules that a component breaks. */
async function brokenRules(checks: readonly Check[]): Promise<string[]> {
  const rules: string[] = [];
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      expect(error).toBeInstanceOf(ContractError);
      expect(error).toMatchObject({ code: 'testing.contract', rule: name });
      expect((error as Error).message).toMatch(/^The rule ".+" is broken: .+\. The rule is documented at \w+\..+\.$/s);
      rules.push(name);
    }
  }
  return rules;
}

const finds = (name: string, checks: () => readonly Check[], rule: RegExp): void =>
  test(`the suite finds ${name}`, async () => {
    expect(await brokenRules(checks())).toContainEqual(expect.stringMatching(rule));
  });

describe('schedules', () => {
  finds('a negative factor', () => conformance.schedule(() => ({ factor: (step) => 1 - step })), /finite number/);
  finds(
    'a factor that counts calls',
    () => {
      let calls = 0;
      return conformance.schedule(() => ({ factor: () => 1 / ++calls }));
    },
    /depends only on the step/,
  );
});

describe('tokenizers', () => {
  const odd = (change: Partial<Tokenizer>) => (): Tokenizer => Object.assign(new ToyTokenizer(), change);
  const own = new ToyTokenizer();
  finds(
    'ids beyond the vocabulary',
    () => conformance.tokenizer(odd({ encode: () => Int32Array.of(99) })),
    /integers of the vocabulary/,
  );
  finds(
    'a list instead of an array',
    () => conformance.tokenizer(odd({ encode: (() => [5]) as never })),
    /integers of the vocabulary/,
  );
  finds(
    'an eos of its own',
    () => conformance.tokenizer(odd({ encode: (text) => Int32Array.of(...own.encode(text), 1) })),
    /neither bos nor eos/,
  );
  finds('a text that does not come back', () => conformance.tokenizer(odd({ decode: () => 'x' })), /returns the text/);
  finds(
    'special tokens in a text',
    () => conformance.tokenizer(odd({ decode: (ids) => own.decode(ids, { keepSpecial: true }) })),
    /leaves special tokens out/,
  );
  finds(
    'a named token twice',
    () => conformance.tokenizer(odd({ namedTokens: [own.namedTokens[0], own.namedTokens[0]] })),
    /distinct ids/,
  );
  finds(
    'a cut that changes the ids',
    // It joins "a" and "b".
    () =>
      conformance.tokenizer(odd({ encode: (text) => own.encode(text.replaceAll('ab', 'z')) }), {
        alphabet: ['a', 'b'],
      }),
    /both parts have the ids/,
  );
});

describe('datasets', () => {
  class Odd extends ToyDataset {
    constructor(private readonly change: Partial<Dataset> & { item?: (item: HostFields) => HostFields } = {}) {
      super({ items: 5 });
      const { item: _, ...members } = change;
      Object.assign(this, members);
    }
    override async *[Symbol.asyncIterator](): AsyncGenerator<HostFields> {
      for await (const item of { [Symbol.asyncIterator]: () => super[Symbol.asyncIterator]() })
        yield this.change.item?.(item) ?? item;
    }
  }
  let made = 0;
  finds(
    'an undeclared field',
    () => conformance.dataset(() => new Odd({ item: (item) => ({ ...item, more: item.tokens }) })),
    /declared fields/,
  );
  finds(
    'items that differ between datasets',
    () => {
      return conformance.dataset(() => {
        const first = made++;
        return new Odd({
          item: ({ tokens }) => ({
            tokens: { ...tokens, values: tokens.values.map((id) => (id + first) % 20) as Int32Array },
          }),
        });
      });
    },
    /same options have the same items/,
  );
  finds(
    'a position that is not JSON',
    () => conformance.dataset(() => new Odd({ position: () => new Map() as never })),
    /plain JSON/,
  );
  finds(
    'a restored position that is one item late',
    () => {
      const late = (): Dataset => {
        const dataset = new ToyDataset({ items: 5 });
        const restore = dataset.restore.bind(dataset);
        dataset.restore = (position: JsonValue) => restore({ next: (position as { next: number }).next + 1 });
        return dataset;
      };
      return conformance.dataset(late);
    },
    /restoring any position/,
  );
  finds(
    'a position that cannot be gone back to',
    () => {
      const forward = (): Dataset => {
        const dataset = new ToyDataset({ items: 5 });
        const restore = dataset.restore.bind(dataset);
        dataset.restore = async (position: JsonValue) => {
          if ((position as { next: number }).next > (dataset.position() as { next: number }).next)
            await restore(position);
        };
        return dataset;
      };
      return conformance.dataset(forward);
    },
    /to an earlier position/,
  );
  finds(
    'a skip that skips too many',
    () => {
      const dataset = (): Dataset => {
        const own = new ToyDataset({ items: 50 });
        const skip = own.skip.bind(own);
        own.skip = async (items) => (await skip(items + 1)) - 1;
        return own;
      };
      return conformance.dataset(dataset);
    },
    /skipping items/,
  );
  finds(
    'a variant without items',
    () =>
      conformance.dataset(
        () => new Odd({ variants: ['a'], select: () => [{ name: 'source', dtype: 'int32', rank: 1 }] }),
      ),
    /every variant/,
  );
  finds(
    'a cut that is not followed',
    () => conformance.dataset(() => new Odd({ cut: () => undefined }), { cuts: [2] }),
    /cut to the requested/,
  );
  finds(
    'a wrong length',
    () =>
      conformance.dataset(() => {
        const own = new ToyDataset({ items: 5 });
        const { kind, fields } = own;
        const members = { position: own.position.bind(own), restore: own.restore.bind(own) };
        return { kind, fields, length: 7, ...members, [Symbol.asyncIterator]: () => own[Symbol.asyncIterator]() };
      }),
    /as many items/,
  );
});

describe('optimizers', () => {
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

describe('objectives', () => {
  const plain: Objective = {
    modelKind: 'decoder-only',
    inputFields: (kind) => (kind === 'examples' ? [{ name: 'tokens', dtype: 'int32', rank: 1 }] : undefined),
    batchFields: [FIELDS.inputIds, FIELDS.labels].map((name) => ({ name, dtype: 'int32', rank: 2 })),
    prepare: (source) => {
      const rows =
        source.kind === 'examples' ? source.examples.map(({ tokens }) => [...tokens.values].slice(0, 8)) : [];
      const field = (values: number[]) =>
        ({ dtype: 'int32', shape: [rows.length, 8], values: Int32Array.from(values) }) as const;
      return {
        input_ids: field(rows.flat()),
        labels: field(rows.flatMap((row) => [...row.slice(1), IGNORED_LABEL])),
      };
    },
    loss: (model, parameters, { input_ids }) => ({
      loss: tf.mean(tf.square(model.forward(parameters, { input_ids }).logits)),
    }),
  };
  test('the suite finds nothing in a plain objective', async () => {
    expect(await brokenRules(conformance.objective(() => plain))).toEqual([]);
  });
  const odd = (change: Partial<Objective>) => (): Objective => ({ ...plain, ...change });
  const prepared = (change: (batch: HostFields) => HostFields): (() => Objective) =>
    odd({ prepare: (source, context) => change(plain.prepare(source, context)) });
  finds(
    'an undeclared field',
    () => conformance.objective(prepared((batch) => ({ ...batch, more: batch.labels }))),
    /declared fields/,
  );
  finds(
    'Math.random',
    () => conformance.objective(prepared((batch) => (Math.random() > 2 ? {} : batch))),
    /random stream/,
  );
  finds(
    'labels that are not shifted',
    () => conformance.objective(prepared((batch) => ({ ...batch, labels: batch.input_ids }))),
    /one position later/,
  );
  finds(
    'examples that are changed',
    () => {
      const prepare: Objective['prepare'] = (source, context) => {
        if (source.kind === 'examples') source.examples[0].tokens.values[0] ^= 1;
        return plain.prepare(source, context);
      };
      return conformance.objective(odd({ prepare }));
    },
    /unchanged/,
  );
  finds(
    'labels that depend on the place in a slice',
    () => {
      const prepare: Objective['prepare'] = (source, context) => {
        const batch = plain.prepare(source, context);
        batch.labels.values[0] = IGNORED_LABEL;
        return batch;
      };
      return conformance.objective(odd({ prepare }));
    },
    /slice of the batch/,
  );
  finds(
    'ignored labels that pass',
    () => {
      const prepare: Objective['prepare'] = (source, context) =>
        source.kind === 'batch' ? source.batch : plain.prepare(source, context);
      return conformance.objective(odd({ prepare, inputFields: () => plain.batchFields, ...{} }), {
        source: () => ({
          kind: 'batch',
          batch: {
            input_ids: { dtype: 'int32', shape: [1, 2], values: Int32Array.of(5, 6) },
            labels: { dtype: 'int32', shape: [1, 2], values: Int32Array.of(6, 7) },
          },
        }),
      });
    },
    /every label is ignored/,
  );
  finds(
    'a loss that is not a scalar',
    () =>
      conformance.objective(
        odd({ loss: (model, parameters, batch) => ({ loss: model.forward(parameters, batch).logits as never }) }),
      ),
    /finite float32 scalar/,
  );
  finds(
    'a loss without gradients',
    () => conformance.objective(odd({ loss: () => ({ loss: tf.scalar(1) }) })),
    /gradients/,
  );
  finds(
    'a loss that needs a key',
    () =>
      conformance.objective(
        odd({
          loss: (model, parameters, batch, { randomKey }) => ({
            loss: tf.mul(plain.loss(model, parameters, batch, { training: true }).loss, randomKey!.sum().toFloat()),
          }),
        }),
      ),
    /without a random key/,
  );
  finds('a count of 0 tokens', () => conformance.objective(odd({ countTokens: () => 0 })), /number of tokens/);
  finds(
    'a variant that it does not list',
    () => conformance.objective(odd({ variants: ['a'], variantAt: () => 'b' })),
    /depends only on the step/,
  );
  finds(
    'a record that is not JSON',
    () =>
      conformance.objective(odd({ settle: () => ({ notes: [], warnings: [], record: { at: new Date() as never } }) })),
    /plain JSON/,
  );
});

describe('evaluators', () => {
  const odd = (evaluate: Evaluator['evaluate']) => conformance.evaluator(() => ({ evaluate }));
  finds('a text among the numbers', () => odd(async () => ({ loss: '1' as never })), /named numbers/);
  finds('numbers that differ', () => odd(async () => ({ loss: Math.random() })), /same numbers/);
  finds('a leak', () => odd(async () => (tf.scalar(1), { loss: 1 })), /no tensors behind/);
  finds(
    'a parameter that is gone',
    () => odd(async ({ parameters }) => (parameters.embedding.dispose(), { loss: 1 })),
    /neither changed nor disposed/,
  );
  finds('a signal that is ignored', () => odd(async () => ({ loss: 1 })), /aborted/);
});

describe('initializers', () => {
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

describe('models', () => {
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
});

describe('trackers', () => {
  const plain: Tracker = { start: async () => undefined, log: () => undefined, finish: async () => undefined };
  const odd = (change: Partial<Tracker>, received?: () => Received[]) =>
    conformance.tracker(() => ({ ...plain, ...change }), { received });
  finds('a log that is waited for', () => odd({ log: (async () => undefined) as never }), /returns at once/);
  finds(
    'a number that it cannot take',
    () =>
      odd({
        log: (_, { loss }) => {
          if (Number.isNaN(loss)) throw new Error('NaN');
        },
      }),
    /not finite/,
  );
  finds(
    'a run without steps',
    () =>
      conformance.tracker(() => {
        let lines = 0;
        const finish = async (): Promise<void> => {
          if (lines === 0) throw new Error('nothing');
        };
        return { ...plain, log: () => void lines++, finish };
      }),
    /without steps/,
  );
  finds('numbers that are lost', () => odd({}, () => []), /arrives/);
  finds(
    'a resumed run that is refused',
    () =>
      odd({
        start: async ({ resumedFromStep }) => {
          if (resumedFromStep) throw new Error('again');
        },
      }),
    /resumed run/,
  );
});

describe('callbacks', () => {
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
