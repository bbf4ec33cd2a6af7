/** Dropout reaches the model from every objective's training loss, and from nothing else. */
import { createRandom, type HostArray, type HostFields, type Objective, type ObjectiveSource } from '@graft/core';
import { openEngine, random, tf } from '@graft/engine';
import type { GemmaModel } from '@graft/gemma';
import { CausalLm, Mixture, PrefixLm, Seq2Seq, Teacher, Ul2, ul2Options } from '@graft/objectives';
import { ints, ODD_SIDE, tinyGemma, tinyParameters } from '../../plugins/gemma/test-support/tiny-gemma';

const tokens = (values: readonly number[]): HostArray => ({
  dtype: 'int32',
  shape: [values.length],
  values: Int32Array.from(values),
});
const texts: HostFields[] = [
  { tokens: tokens([5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1]) },
  { tokens: tokens([16, 17, 18, 19, 20, 21, 22, 1]) },
];
const pairs: HostFields[] = texts.map(({ tokens: { values } }) => ({
  source: tokens([...values].slice(0, 5)),
  target: tokens([...values].slice(5)),
}));

const SIDE = { ...ODD_SIDE, layers: 1 };
const rates = { dropout: 0.3, attentionDropout: 0.3 };
const dropping = tinyGemma({ decoder: SIDE, ...rates });
const plain = tinyGemma({ decoder: SIDE });
const decoderOnly = (attentionDropout: number): GemmaModel =>
  tinyGemma({ kind: 'decoder-only', decoder: SIDE, attentionDropout });

const EXACT = { padToMultipleOf: 4, labelSmoothing: 0, zLoss: 0 };
const prefixLm = (more: object = {}, teacher?: Teacher): PrefixLm =>
  new PrefixLm({ ...EXACT, split: 'half', ...more } as never, teacher);
const teacher = (): Teacher => {
  const model = decoderOnly(0.5);
  return new Teacher(model, tinyParameters(model, 3), { alpha: 0.3, temperature: 1 } as never);
};

interface Case {
  readonly objective: () => Objective;
  readonly examples: readonly HostFields[];
  readonly variant?: string;
  readonly models?: readonly [dropping: GemmaModel, plain: GemmaModel];
}

const CASES: Record<string, Case> = {
  'causal-lm': {
    objective: () => new CausalLm(EXACT as never),
    examples: texts,
    models: [decoderOnly(0.3), decoderOnly(0)],
  },
  seq2seq: { objective: () => new Seq2Seq({ ...EXACT, truncate: false } as never), examples: pairs },
  'prefix-lm': { objective: () => prefixLm(), examples: texts },
  'prefix-lm in chunks': { objective: () => prefixLm({ chunkTokens: 3 }), examples: texts },
  'prefix-lm with a teacher': { objective: () => prefixLm({}, teacher()), examples: texts },
  ul2: {
    objective: () => new Ul2(ul2Options.parse({ padToMultipleOf: 4, sentinels: { first: 36, step: -1, count: 8 } })),
    examples: texts,
  },
  mixture: {
    objective: () => new Mixture([{ name: 'half', objective: prefixLm(), rate: 1, fromStep: 0 }]),
    examples: texts,
    variant: 'half',
  },
};

beforeAll(() => openEngine({ mode: 'portable' }));

test.each(Object.entries(CASES))(
  'the training loss of %s drops activations, and the evaluation loss does not',
  (_, { objective: make, examples, variant, models = [dropping, plain] }) => {
    const objective = make();
    const source: ObjectiveSource = { kind: 'examples', examples };
    const [own, without] = models;
    const fields = objective.prepare(source, { model: own, random: createRandom(0), step: 0, variant });
    const lossOf = (model: GemmaModel, training: boolean, seed: number): number =>
      tf.tidy(() => {
        const batch = Object.fromEntries(
          Object.entries(fields).map(([name, { values, shape, dtype }]) => [
            name,
            tf.tensor(values, [...shape], dtype),
          ]),
        );
        const randomKey = random.atRow(random.key(seed), 0);
        const { loss } = objective.loss(model, tinyParameters(model), batch, { training, randomKey, variant });
        return loss.dataSync()[0];
      });
    // Of one key the same, of another one another, in an evaluation none.
    expect(lossOf(own, true, 1)).toBe(lossOf(own, true, 1));
    expect(lossOf(own, true, 1)).not.toBe(lossOf(own, true, 2));
    expect(lossOf(own, false, 1)).toBe(lossOf(without, false, 1));
    expect(lossOf(own, true, 1)).not.toBe(lossOf(without, true, 1));
    // What else draws in training would show here: a teacher has rates of its own, and no part in it.
    expect(lossOf(without, true, 1)).toBe(lossOf(without, true, 2));
    objective.dispose?.();
  },
);

test('the training loss of a ready batch drops activations by its key', () => {
  const objective = new Seq2Seq({ ...EXACT, truncate: false } as never);
  const batch = { input_ids: ints([[5, 6, 7]]), labels: ints([[8, 9, 1]]) };
  const fields = objective.prepare({ kind: 'batch', batch }, { model: dropping, random: createRandom(0) });
  const losses = [1, 2].map((seed) =>
    tf.tidy(() => {
      const tensors = Object.fromEntries(
        Object.entries(fields).map(([name, { values, shape, dtype }]) => [name, tf.tensor(values, [...shape], dtype)]),
      );
      const options = { training: true, randomKey: random.key(seed) };
      return objective.loss(dropping, tinyParameters(dropping), tensors, options).loss.dataSync()[0];
    }),
  );
  expect(losses[0]).not.toBe(losses[1]);
});
