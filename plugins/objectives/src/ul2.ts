/** Shapes: n tokens of an example. */
import {
  DataError,
  defineComponent,
  didYouMean,
  exampleRandom,
  modelInput,
  modelInputSurplus,
  type BatchTensors,
  type FieldSpec,
  type HostFields,
  type LossOutput,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { z } from 'zod';
import { checkModelKind, ENCODER_DECODER_FIELDS, TEXT_FIELDS, type ModelBound } from './fields';
import { countMaskedTokens, languageModelLoss, lossOptions } from './language-model-loss';
import { roundUp } from './padding';
import { checkModeTokens, checkSentinels, sentinelId, sentinelOptions } from './sentinels';
import { batchOfRows, isPacked, sequencesOf } from './sequence-rows';
import { corrupt, drawSpans, planNoise, type Corrupted } from './spans';

const denoiser = z.strictObject({
  /** `span`: spans anywhere, a sentinel for each. `suffix`: the end of the sequence, without sentinel (prefix LM). */
  kind: z.enum(['span', 'suffix']).default('span'),
  /** Tokens of a span on average; for `suffix` the rate alone decides. */
  meanSpan: z.number().positive().default(3),
  /** Share of the tokens to be predicted. */
  rate: z.number().gt(0).lt(1),
  /** Relative chance; 0 leaves the denoiser out. */
  weight: z.number().nonnegative().default(1),
  /** Name of its mode token in `modeTokens`; none by default. */
  prefix: z.string().optional(),
});

export type Denoiser = z.output<typeof denoiser>;

const span = (meanSpan: number, rate: number, prefix: string): Denoiser => ({
  kind: 'span',
  meanSpan,
  rate,
  weight: 1,
  prefix,
});

/** The published mixtures. */
export const UL2_PRESETS: Readonly<Record<'ul2' | 't5gemma2', readonly Denoiser[]>> = {
  // Tay et al. (2022), table 1: seven denoisers, mixed uniformly; S takes the last quarter.
  ul2: [
    span(3, 0.15, 'R'),
    span(8, 0.15, 'R'),
    span(3, 0.5, 'X'),
    span(8, 0.5, 'X'),
    span(64, 0.15, 'X'),
    span(64, 0.5, 'X'),
    { kind: 'suffix', meanSpan: 3, rate: 0.25, weight: 1, prefix: 'S' },
  ],
  // T5Gemma 2 (2512.14856): five denoisers at 1:1:1:1:4, the last one takes three quarters.
  t5gemma2: [
    span(3, 0.15, 'R'),
    span(12, 0.5, 'X'),
    span(32, 0.15, 'X'),
    span(32, 0.5, 'X'),
    { kind: 'suffix', meanSpan: 3, rate: 0.75, weight: 4, prefix: 'S' },
  ],
};

export const ul2Options = z.strictObject({
  preset: z.enum(['ul2', 't5gemma2']).default('ul2'),
  /** In the place of the preset's. */
  denoisers: z.array(denoiser).min(1).optional(),
  sentinels: sentinelOptions.prefault({}),
  /** Token ids put before the source, by the denoisers' `prefix`; none by default. */
  modeTokens: z.record(z.string(), z.int().nonnegative()).default({}),
  /** Whether the target of a `span` denoiser ends with the model's end token. */
  appendEos: z.boolean().default(true),
  /** Longest source and target; what needs more is an error, never cut. */
  maxSourceTokens: z.int().positive().optional(),
  maxTargetTokens: z.int().positive().optional(),
  /** Lengths are padded to multiples of this many tokens: every new length is compiled anew. */
  padToMultipleOf: z.int().positive().default(32),
  ...lossOptions,
});

export type Ul2Options = z.output<typeof ul2Options>;

/**
 * UL2: a mixture of denoisers. Each example draws one; a span denoiser replaces stretches of the tokens by sentinels and
 * the decoder writes what they stood for, a suffix denoiser is prefix language modelling.
 *
 *     tokens [5, 6, 7, 8, 9], noise at 1..3 and 4..5, sentinels 99, 98, eos 1, mode token 50
 *       source [50, 5, 99, 8, 98]
 *       target [99, 6, 7, 98, 9, 1]
 *
 * Every batch is padded to what the longest denoiser needs, so that examples of one length need one compiled step. Each segment
 * of a row with `segments` draws for itself, as if it stood alone; one of a single token is left out. `weights` of an example
 * say how much its tokens count as labels: a sentinel as much as its span's first token, the end as much as the last token.
 */
export class Ul2 implements ModelBound {
  readonly modelKind = 'encoder-decoder';
  readonly gives = ENCODER_DECODER_FIELDS;
  private readonly denoisers: readonly Denoiser[];
  private readonly totalWeight: number;
  private checkedModel: Model | undefined;

  constructor(private readonly options: Ul2Options) {
    this.denoisers = denoisersOf(options).filter(({ weight }) => weight > 0);
    this.totalWeight = this.denoisers.reduce((sum, { weight }) => sum + weight, 0);
    if (this.totalWeight === 0) {
      throw new DataError('objective.denoisers: every weight is 0, so there is nothing to draw.', {
        code: 'objective.denoisers',
        exitCode: 2,
      });
    }
    checkPrefixes(options);
  }

  takes(kind: ObjectiveSource['kind']): readonly FieldSpec[] | undefined {
    return kind === 'examples' ? TEXT_FIELDS : undefined;
  }

  /** Throws DataError for a decoder-only model, and for sentinels or mode tokens that its vocabulary does not have to spare. */
  checkModel(model: Model): void {
    if (this.checkedModel === model) return;
    checkModelKind(model, 'encoder-decoder', 'ul2', 'Use `causal-lm` for a decoder-only model.');
    const { modeTokens, sentinels } = this.options;
    checkModeTokens(modeTokens, model);
    if (this.denoisers.some(({ kind }) => kind === 'span')) checkSentinels(sentinels, modeTokens, model);
    this.checkedModel = model;
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const { model } = context;
    this.checkModel(model);
    if (source.kind === 'batch') {
      throw new DataError('The objective "ul2" corrupts single sequences; it does not take ready batches.', {
        code: 'objective.source',
        hint: 'Use `seq2seq` for ready batches.',
      });
    }
    const rows = source.examples.map((example, i) => {
      const parts = sequencesOf(example, model, 'denoising needs', `Example ${i} of the batch`);
      const { tokens, weights } = example;
      const random = exampleRandom(context, i);
      const sequences = parts.map(({ start, end }) => {
        const { origins, ...sides } = this.denoise(tokens.values.subarray(start, end), model, random);
        return {
          ...sides,
          source: modelInput(model, sides.source),
          weights: weights && origins.map((origin) => weights.values[start + origin]),
        };
      });
      return { sequences, needed: parts.map(({ start, end }) => this.neededLengths(end - start)) };
    });
    const surplus = { source: modelInputSurplus(model), target: 0 };
    const longest = (side: 'source' | 'target'): number =>
      Math.max(0, ...rows.map(({ needed }) => needed.reduce((sum, lengths) => sum + lengths[side] + surplus[side], 0)));
    this.checkLength('source', 'maxSourceTokens', longest('source'));
    this.checkLength('target', 'maxTargetTokens', longest('target'));
    const { padToMultipleOf } = this.options;
    const layout = {
      sourceLength: roundUp(longest('source'), padToMultipleOf),
      targetLength: roundUp(longest('target'), padToMultipleOf),
      packed: isPacked(source.examples),
    };
    return batchOfRows(
      rows.map(({ sequences }) => sequences),
      layout,
      context,
      'The ul2 batch',
    );
  }

  loss(
    model: Model,
    parameters: Parameters,
    batch: BatchTensors,
    options: { training: boolean; randomKey?: tf.Tensor },
  ): LossOutput {
    return languageModelLoss(model, parameters, batch, options, this.options);
  }

  countTokens(batch: HostFields): number {
    return countMaskedTokens(batch);
  }

  /** Longest source and target that any denoiser of the mixture makes of `length` tokens. */
  neededLengths(length: number): { source: number; target: number } {
    const needs = this.denoisers.map((one) => {
      const mode = this.modeToken(one) === undefined ? 0 : 1;
      if (one.kind === 'suffix') {
        const suffix = suffixLength(length, one.rate);
        return { source: length - suffix + mode, target: suffix };
      }
      const { noiseTokens, spans } = planNoise(length, one.rate, one.meanSpan);
      return {
        source: length - noiseTokens + spans + mode,
        target: noiseTokens + spans + (this.options.appendEos ? 1 : 0),
      };
    });
    return {
      source: Math.max(...needs.map(({ source }) => source)),
      target: Math.max(...needs.map(({ target }) => target)),
    };
  }

  private draw(random: RandomStream): Denoiser {
    let left = random.uniform() * this.totalWeight;
    return this.denoisers.find(({ weight }) => (left -= weight) < 0) ?? this.denoisers[this.denoisers.length - 1];
  }

  /** A sequence, by a denoiser that it draws. */
  private denoise(tokens: HostFields[string]['values'], model: Model, random: RandomStream): Corrupted {
    const one = this.draw(random);
    const mode = this.modeToken(one);
    const prefix = mode === undefined ? [] : [mode];
    if (one.kind === 'suffix') {
      const cut = tokens.length - suffixLength(tokens.length, one.rate);
      const target = Array.from(tokens.subarray(cut));
      return { source: [...prefix, ...tokens.subarray(0, cut)], target, origins: target.map((_, i) => cut + i) };
    }
    const plan = planNoise(tokens.length, one.rate, one.meanSpan);
    const { count } = this.options.sentinels;
    if (plan.spans > count) {
      throw new DataError(
        `A denoiser with rate ${one.rate} and meanSpan ${one.meanSpan} makes ${plan.spans} spans of ${tokens.length} tokens, but there are ${count} sentinels.`,
        {
          code: 'objective.sentinels',
          exitCode: 2,
          hint: `Set objective.sentinels.count to ${plan.spans} or more, with as many ids to spare, or shorten the sequences.`,
        },
      );
    }
    const spans = drawSpans(tokens.length, plan, random);
    const { source, target, origins } = corrupt(tokens, spans, (i) => sentinelId(i, this.options.sentinels, model));
    if (this.options.appendEos) {
      target.push(model.specialTokens.eos[0]);
      origins.push(tokens.length - 1);
    }
    return { source: [...prefix, ...source], target, origins };
  }

  private modeToken({ prefix }: Denoiser): number | undefined {
    return prefix === undefined ? undefined : this.options.modeTokens[prefix];
  }

  private checkLength(what: string, option: 'maxSourceTokens' | 'maxTargetTokens', needed: number): void {
    const limit = this.options[option];
    if (limit === undefined || needed <= limit) return;
    throw new DataError(
      `The longest ${what} of this mixture takes ${needed} tokens, but objective.${option} is ${limit}.`,
      {
        code: 'objective.too-long',
        exitCode: 2,
        hint: `Set objective.${option} to ${needed}, or give shorter sequences; nothing is cut silently.`,
      },
    );
  }
}

/** The config's own, or else the preset's. */
function denoisersOf({ preset, denoisers }: Ul2Options): readonly Denoiser[] {
  return denoisers ?? UL2_PRESETS[preset];
}

/** Throws DataError unless the denoisers' prefixes and the names of the mode tokens go together. */
function checkPrefixes(options: Ul2Options): void {
  const { denoisers, modeTokens } = options;
  const without = denoisers?.find(({ prefix }) => prefix !== undefined && !Object.hasOwn(modeTokens, prefix));
  if (without) {
    throw new DataError(`objective.denoisers: the prefix "${without.prefix}" has no id in objective.modeTokens.`, {
      code: 'objective.mode-token',
      exitCode: 2,
    });
  }
  const known = [...new Set(denoisersOf(options).flatMap(({ prefix }) => prefix ?? []))];
  const unknown = Object.keys(modeTokens).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const names = known.map((name) => `"${name}"`).join(', ');
  throw new DataError(
    `objective.modeTokens: no denoiser has the prefix "${unknown}"${didYouMean(unknown, known) || '.'}`,
    {
      code: 'objective.mode-token',
      exitCode: 2,
      hint: known.length > 0 ? `The denoisers' prefixes are ${names}.` : 'None of the denoisers has a `prefix`.',
    },
  );
}

/** Tokens of the suffix: at least one on each side. */
function suffixLength(length: number, rate: number): number {
  return Math.min(Math.max(Math.round(length * rate), 1), length - 1);
}

export const ul2 = defineComponent({
  interface: 'objective',
  id: 'ul2',
  description: 'a mixture of denoisers: span corruption with sentinels, and prefix language modelling',
  options: ul2Options,
  useFactory: ({ options }) => new Ul2(options),
});
