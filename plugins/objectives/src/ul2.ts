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
  type JsonValue,
  type LossOutput,
  type Model,
  type Objective,
  type ObjectiveContext,
  type ObjectiveSource,
  type Parameters,
  type RandomStream,
} from '@graft/core';
import type { tf } from '@graft/engine';
import { z } from 'zod';
import { chooseTokens, RECORD_SECTION, recordedTokens, type ChosenTokens } from './denoising-tokens';
import { checkModelKind, ENCODER_DECODER_FIELDS, TEXT_FIELDS } from './fields';
import { countMaskedTokens, languageModelLoss, lossOptions } from './language-model-loss';
import { roundUp } from './padding';
import { AUTO, modeTokenOptions, sentinelOptions, type DenoisingTokens } from './sentinels';
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
  /** Which tokens stand for spans: `auto` takes unused ones of the tokenizer. */
  sentinels: sentinelOptions.default(AUTO),
  /** Tokens put before the source, by the denoisers' `prefix`; `auto` takes unused ones, none by default. */
  modeTokens: modeTokenOptions.default({}),
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
export class Ul2 implements Objective {
  readonly modelKind = 'encoder-decoder';
  readonly gives = ENCODER_DECODER_FIELDS;
  private readonly denoisers: readonly Denoiser[];
  private readonly totalWeight: number;
  private readonly recorded: DenoisingTokens | undefined;
  private chosen: { readonly model: Model; readonly of: ChosenTokens } | undefined;

  /** `recorded`: what the checkpoint that training begins with says of its sentinels and mode tokens; `auto` takes those. */
  constructor(
    private readonly options: Ul2Options,
    recorded?: JsonValue,
  ) {
    this.recorded = recordedTokens(recorded);
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
  settle({ model, tokenizer }: Pick<ObjectiveContext, 'model' | 'tokenizer'>): ChosenTokens {
    if (this.chosen?.model === model) return this.chosen.of;
    checkModelKind(model, 'encoder-decoder', 'ul2', 'Use `causal-lm` for a decoder-only model.');
    if (this.options.appendEos && model.specialTokens.eos.length === 0) {
      throw new DataError('The objective "ul2" ends targets with the end token (appendEos), but the model has none.', {
        code: 'objective.eos',
        exitCode: 2,
        hint: 'Set appendEos: false, or name an end token for the model.',
      });
    }
    const { modeTokens, sentinels } = this.options;
    const prefixes = [...new Set(denoisersOf(this.options).flatMap(({ prefix }) => prefix ?? []))];
    const needsSentinels = this.denoisers.some(({ kind }) => kind === 'span');
    const wishes = { modeTokens, sentinels, prefixes, needsSentinels, recorded: this.recorded };
    const of = chooseTokens(wishes, { model, tokenizer });
    this.chosen = { model, of };
    return of;
  }

  prepare(source: ObjectiveSource, context: ObjectiveContext): HostFields {
    const { model } = context;
    const { tokens: chosen } = this.settle(context);
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
      // Whatever is drawn: it is known now that a later step would lack them.
      this.checkSentinels(Math.max(...parts.map(({ start, end }) => end - start)), chosen);
      const sequences = parts.map(({ start, end }) => {
        const { origins, ...sides } = this.denoise(tokens.values.subarray(start, end), model, chosen, random);
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
      const mode = this.hasMode(one) ? 1 : 0;
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
  private denoise(
    tokens: HostFields[string]['values'],
    model: Model,
    { sentinels, modeTokens }: DenoisingTokens,
    random: RandomStream,
  ): Corrupted {
    const one = this.draw(random);
    const mode = one.prefix === undefined ? undefined : modeTokens[one.prefix];
    const prefix = mode === undefined ? [] : [mode];
    if (one.kind === 'suffix') {
      const cut = tokens.length - suffixLength(tokens.length, one.rate);
      const target = Array.from(tokens.subarray(cut));
      return { source: [...prefix, ...tokens.subarray(0, cut)], target, origins: target.map((_, i) => cut + i) };
    }
    const plan = planNoise(tokens.length, one.rate, one.meanSpan);
    const spans = drawSpans(tokens.length, plan, random);
    const { source, target, origins } = corrupt(tokens, spans, (i) => sentinels[i % sentinels.length]);
    if (this.options.appendEos) {
      target.push(model.specialTokens.eos[0]);
      origins.push(tokens.length - 1);
    }
    return { source: [...prefix, ...source], target, origins };
  }

  /** The most spans that any denoiser makes of `length` tokens. */
  neededSentinels(length: number): { readonly spans: number; readonly of: Denoiser } {
    const spans = this.denoisers
      .filter(({ kind }) => kind === 'span')
      .map((of) => ({ of, spans: planNoise(length, of.rate, of.meanSpan).spans }));
    return spans.reduce((most, one) => (one.spans > most.spans ? one : most));
  }

  private checkSentinels(length: number, { sentinels, reuse }: DenoisingTokens): void {
    if (reuse || sentinels.length === 0) return;
    const { spans, of } = this.neededSentinels(length);
    if (spans <= sentinels.length) return;
    throw new DataError(
      `${length} tokens need ${spans} sentinels: the denoiser with rate ${of.rate} and meanSpan ${of.meanSpan} makes as many spans of them, but there are ${sentinels.length}.`,
      {
        code: 'objective.sentinels',
        exitCode: 2,
        hint: `Use sentinels again (objective.sentinels.reuse: true), name ${spans} in objective.sentinels, shorten the sequences, or choose denoisers with longer spans.`,
      },
    );
  }

  private hasMode({ prefix }: Denoiser): boolean {
    const { modeTokens } = this.options;
    return prefix !== undefined && (modeTokens === AUTO || Object.hasOwn(modeTokens, prefix));
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
  if (modeTokens === AUTO) return;
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
  useFactory: ({ options, run }) => new Ul2(options, run?.recorded?.[RECORD_SECTION]),
});
