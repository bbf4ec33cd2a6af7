/**
 * Components in plain code: their options are typed as a config writes them, and constructors fill in the defaults.
 * `npm test` checks the types of this file before it runs it.
 */
import { createRandom } from '@graft/core';
import { AdaptInitializer, GemmaFamily, LoadInitializer, type ModelOptions } from '@graft/gemma';
import { MlflowTracker, type MlflowOptions } from '@graft/mlflow';
import {
  CausalLm,
  Mixture,
  PrefixLm,
  Seq2Seq,
  Ul2,
  ul2Options,
  type LossEvaluatorOptions,
  type ResolvedUl2Options,
  type Ul2Options,
} from '@graft/objectives';
import {
  Adafactor,
  AdamW,
  constantSchedule,
  cosineSchedule,
  inverseSquareRootSchedule,
  linearSchedule,
  Lion,
  type AdamWOptions,
  type DecayingOptions,
} from '@graft/optimizers';
import { ScratchInitializer, type ScratchOptions } from '@graft/scratch';
import type { SuperGlueOptions } from '@graft/superglue';
import { BytesTokenizer, TensorBatches, type ChatOptions, type TextOptions } from '@graft/text';

/** Compiles if A and B are the same type. */
function same<A, B>(
  ..._equal: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
): void {}

type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T];

test('the input types require exactly what has no default', () => {
  same<RequiredKeys<Ul2Options>, never>();
  same<RequiredKeys<AdamWOptions>, 'learningRate'>();
  same<RequiredKeys<DecayingOptions>, never>();
  same<RequiredKeys<ScratchOptions>, never>();
  same<RequiredKeys<ModelOptions>, never>();
  same<RequiredKeys<TextOptions>, 'files' | 'lengthTokens'>();
  same<RequiredKeys<ChatOptions>, 'files'>();
  same<RequiredKeys<SuperGlueOptions>, 'folder' | 'tokenizer'>();
  same<RequiredKeys<LossEvaluatorOptions>, 'dataset'>();
  same<RequiredKeys<MlflowOptions>, 'trackingUri'>();
  same<Ul2Options['preset'], 'ul2' | 't5gemma2' | undefined>();
  same<ResolvedUl2Options['preset'], 'ul2' | 't5gemma2'>();
});

test('the types refuse unknown keys, wrong values and missing options', () => {
  const refused = [
    // @ts-expect-error -- no such option
    (): unknown => new AdamW({ learningRate: 1e-3, momentum: 0.9 }),
    // @ts-expect-error -- the learning rate is missing
    (): unknown => new AdamW({}),
    // @ts-expect-error -- no such preset
    (): unknown => new Ul2({ preset: 'ul3' }),
    // @ts-expect-error -- a number is expected
    (): unknown => cosineSchedule({ warmupSteps: '100' }),
    // @ts-expect-error -- a tokenizer is a component, by name or with its options
    (): TextOptions => ({ files: 'a.txt', lengthTokens: 8, tokenizer: 7 }),
  ];
  expect(refused).toHaveLength(5);
});

test('components are constructed with their defaults', () => {
  expect(new AdamW({ learningRate: 1e-3 })).toMatchObject({ settings: { betas: [0.9, 0.999], weightDecay: 0 } });
  expect(new Adafactor({ learningRate: 1e-3 })).toMatchObject({ options: { decayExponent: 0.8 } });
  expect(new Lion({ learningRate: 1e-4 })).toMatchObject({ options: { betas: [0.9, 0.99] } });
  expect(cosineSchedule({}).factor(0, 10)).toBe(1);
  expect(linearSchedule().factor(5, 10)).toBe(0.5);
  expect(constantSchedule().factor(3, 10)).toBe(1);
  expect(inverseSquareRootSchedule({ warmupSteps: 4 }).factor(15, 20)).toBe(0.5);
  expect(new Ul2({})).toMatchObject({ options: ul2Options.parse({}) });
  for (const objective of [new Ul2(), new PrefixLm(), new Seq2Seq(), new CausalLm()])
    expect(objective).toMatchObject({ options: { labelSmoothing: 0, zLoss: 0 } });
  expect(new Mixture([{ name: 'a', objective: new PrefixLm() }]).variantAt(0, createRandom(0))).toBe('a');
  expect(new ScratchInitializer()).toMatchObject({ options: { std: 0.02 } });
  expect(new BytesTokenizer().vocabularySize).toBe(259);
  expect(new GemmaFamily({ preset: 's-s' }).build().kind).toBe('encoder-decoder');
  expect(new LoadInitializer({ path: 'x' })).toMatchObject({ options: { path: 'x' } });
  expect(new AdaptInitializer({ encoder: 'x' })).toMatchObject({ options: { crossAttention: 'auto', random: [] } });
  expect(new MlflowTracker({ trackingUri: 'http://127.0.0.1:9' })).toMatchObject({ options: { flushSeconds: 2 } });
});

test('a constructor names the component and every wrong option in one error', () => {
  expect(() => new AdamW({ learningRate: -1, weightDecai: 0 } as unknown as AdamWOptions)).toThrow(
    expect.objectContaining({
      code: 'plugin.options',
      message:
        'The options of AdamW are wrong: learningRate: expected more than 0, got -1; weightDecai: unknown key; did you mean "weightDecay"?',
    }),
  );
});

test('a factory checks its options before it opens a file', async () => {
  await expect(TensorBatches.open({ file: '' })).rejects.toMatchObject({ code: 'plugin.options' });
});
