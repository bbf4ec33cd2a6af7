/** Shapes: n tokens of an example. */
import {
  DataError,
  defineComponent,
  exampleRandom,
  modelInput,
  modelInputSurplus,
  parseOptions,
  type FieldSpec,
  type HostFields,
  type JsonValue,
  type Model,
  type ObjectiveContext,
  type ObjectiveSource,
  type RandomStream,
  type SettleContext,
} from '@graft/core';
import { chooseTokens, RECORD_SECTION, recordedTokens, type ChosenTokens } from '../corruption/denoising-tokens';
import {
  chosenAt,
  drawn,
  groupDenoisers,
  lengthsOf,
  longestOf,
  refitGroups,
  weightOf,
  type Additions,
  type Denoiser,
  type DenoiserGroup,
  type FitOptions,
  type FittedDenoiser,
  type Lengths,
} from '../corruption/denoisers';
import { requireModelKind, EXAMPLE_SEGMENTS, TEXT_FIELDS } from '../batch/fields';
import { roundUp } from '../batch/padding';
import { AUTO, type DenoisingTokens } from '../corruption/sentinels';
import { checkPrefixes, denoisersOf, ul2Options, type ResolvedUl2Options, type Ul2Options } from './ul2-options';
import { dividedText, someSource } from '../batch/side-sequences';
import { batchOfRows, isPacked, segmentsOfExample, tokensOf, type SplitSequence } from '../batch/sequence-rows';
import { NO_ORIGIN, textOriginFields, TEXT_ORIGIN_FIELDS, type TextOrigins } from '../batch/text-origins';
import { denoise, type CorruptionTokens } from '../corruption/denoise';
import { chooseSideTokens } from '../corruption/side-tokens';
import { planNoise } from '../corruption/spans';
import type { TeacherTargets } from '../distillation/teacher-targets';
import { openTeacher, TaughtLanguageModelObjective } from './taught-language-model';

const EVERY_LENGTH_MULTIPLE = 32;
/** With `inputTokens`, there are only a few lengths, so that a small multiple is enough. */
const FITTED_LENGTH_MULTIPLE = 8;
/** Number of steps in a round, within which each group occurs in proportion to its weight, up to whole steps. */
const ROUND = 32;

/** What `Ul2` is made of besides its options. */
export interface Ul2Parts {
  /** The sentinels and mode tokens that the checkpoint was trained with; `auto` uses them. */
  readonly recorded?: JsonValue;
  /** Whether tokens that text can produce are an error, as long as the options do not allow them. Default: a warning. */
  readonly isNewRun?: boolean;
  /** Default: none, even if the options name one; the labels are then all that is learnt. */
  readonly teacher?: TeacherTargets;
}

/**
 * UL2: a mixture of denoisers. Each example draws one. A span denoiser replaces spans of tokens by sentinels, and the
 * decoder writes the spans; a suffix denoiser is prefix language modelling.
 *
 *     tokens [5, 6, 7, 8, 9], noise at 1..3 and 4..5, sentinels 99, 98, eos 1, mode token 50
 *       source [50, 5, 99, 8, 98]
 *       target [99, 6, 7, 98, 9, 1]
 *
 * With `inputTokens`, each denoiser requests enough text to fill its input. Each step then draws a group of denoisers
 * whose batches have the same shape, and each example a denoiser of the group. Without `inputTokens`, every batch is
 * padded to the lengths that the longest denoiser needs, so that examples of one length need one compiled step. Each
 * segment of a row with `segments` draws its own denoiser, as a separate sequence would; a segment of a single token is
 * omitted. An example's `weights` determine how much its tokens count as labels: a sentinel counts as much as its
 * span's first token, and the end token as much as the last token.
 *
 * With `distillation`, a teacher reads the uncorrupted text, without sentinels and mode tokens. `label_origins` names
 * the token of it that each label is; other labels (sentinels, and end tokens that are not in the text) are learnt
 * one-hot, as in the ablation of T5Gemma 2.
 */
export class Ul2 extends TaughtLanguageModelObjective<ResolvedUl2Options> {
  /** Names of the groups, if there are several. */
  readonly variants?: readonly string[];
  private readonly denoisers: readonly Denoiser[];
  private readonly groups: readonly DenoiserGroup[] | undefined;
  private readonly recorded: DenoisingTokens | undefined;
  private readonly isNewRun: boolean;
  private chosen:
    { readonly model: Model; readonly of: ChosenTokens; readonly groups?: readonly DenoiserGroup[] } | undefined;

  constructor(given: Ul2Options = {}, { recorded, isNewRun = false, teacher }: Ul2Parts = {}) {
    const options = parseOptions(ul2Options, given, 'Ul2');
    super(options, teacher, options.distillation || teacher ? Object.values(TEXT_ORIGIN_FIELDS) : []);
    this.isNewRun = isNewRun;
    this.recorded = recordedTokens(recorded);
    this.denoisers = denoisersOf(options).filter(({ weight }) => weight > 0);
    if (this.denoisers.length === 0) {
      throw new DataError('objective.denoisers: every weight is 0, so there is nothing to draw.', {
        code: 'objective.denoisers',
        exitCode: 2,
      });
    }
    checkPrefixes(options);
    this.groups = this.group();
    if (this.groups && this.groups.length > 1) this.variants = this.groups.map(({ name }) => name);
  }

  inputFields(kind: ObjectiveSource['kind']): readonly FieldSpec[] | undefined {
    if (kind !== 'examples') return undefined;
    // A row that one denoiser fills cannot contain several sequences.
    const { inputTokens } = this.options;
    return inputTokens === undefined
      ? TEXT_FIELDS
      : TEXT_FIELDS.filter(({ name }) => name !== EXAMPLE_SEGMENTS.tokens.name);
  }

  /**
   * Draws the group of a step by the total weight of its denoisers. Draws are stratified over ROUND steps, so that even
   * short runs keep the proportions.
   */
  variantAt(step: number, random: RandomStream): string | undefined {
    if (!this.variants) return undefined;
    const round = random.fork(Math.floor(step / ROUND));
    const place = round.permutation(ROUND)[step % ROUND];
    const point = (place + round.fork(step % ROUND).uniform()) / ROUND;
    return chosenAt(point, this.groups!, weightOf).name;
  }

  /** The length in tokens that example `index` of a batch needs, before corruption. */
  exampleTokens(
    { model, random, variant }: Pick<ObjectiveContext, 'model' | 'random' | 'variant'>,
    index: number,
  ): number | undefined {
    if (this.options.inputTokens === undefined) return undefined;
    const members = this.membersOf(variant, model);
    return drawn(members, weightOf, exampleRandom({ random, model }, index)).tokens;
  }

  /**
   * Throws DataError for a decoder-only model, and if its vocabulary does not have enough free sentinels and mode
   * tokens.
   */
  settle({ model, tokenizer, tokenizers, recorded }: SettleContext): ChosenTokens {
    if (this.chosen?.model === model) return this.chosen.of;
    requireModelKind(model, 'encoder-decoder', 'ul2', 'Use `causal-lm` for a decoder-only model.');
    if (this.options.appendEos && model.specialTokens.eos.length === 0) {
      throw new DataError('The objective "ul2" ends targets with the end token (appendEos), but the model has none.', {
        code: 'objective.eos',
        exitCode: 2,
        hint: 'Set appendEos: false, or name an end token for the model.',
      });
    }
    const { modeTokens, sentinels, allowTextTokens } = this.options;
    const prefixes = [...new Set(denoisersOf(this.options).flatMap(({ prefix }) => prefix ?? []))];
    const needsSentinels = this.denoisers.some(({ kind }) => kind === 'span');
    const request = {
      ...{ modeTokens, sentinels, prefixes, needsSentinels },
      recorded: recorded ? recordedTokens(recorded[RECORD_SECTION]) : this.recorded,
      rejectsTextTokens: this.isNewRun && !allowTextTokens,
    };
    if (tokenizers && this.options.inputTokens !== undefined) {
      throw new DataError(
        'objective.inputTokens is the length of what the encoder reads, but the data have a tokenizer for each side: how many tokens of the encoder a text has is known only once it is divided.',
        {
          code: 'objective.sides',
          exitCode: 2,
          hint: 'Leave inputTokens out: batches are then padded to their texts.',
        },
      );
    }
    const chosen = tokenizers
      ? chooseSideTokens(request, tokenizers, model)
      : chooseTokens(request, { model, tokenizer });
    const groups = this.fit(modelInputSurplus(model));
    for (const { denoiser, tokens } of groups?.flatMap(({ members }) => members) ?? [])
      if (denoiser.kind === 'span') this.checkSentinels(tokens, chosen.tokens, [denoiser]);
    const of = { ...chosen, notes: [...chosen.notes, ...this.describe(groups)] };
    this.chosen = { model, of, groups };
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
    const { inputTokens, padToMultipleOf = EVERY_LENGTH_MULTIPLE } = this.options;
    const fitted = inputTokens === undefined ? undefined : this.membersOf(context.variant, model);
    const denoisers = fitted?.map(({ denoiser }) => denoiser) ?? this.denoisers;
    const rows = source.examples.map((example, i) => {
      const where = `Example ${i} of the batch`;
      const parts = segmentsOfExample(example, model, 'denoising needs', where);
      const { tokens, weights } = example;
      const random = exampleRandom(context, i);
      // Checked for all denoisers, not only the drawn one, so that a later step does not fail.
      this.checkSentinels(Math.max(...parts.map(({ start, end }) => end - start)), chosen, denoisers);
      const sequences = parts.map(({ start, end }) => {
        const one = drawn(denoisers, ({ weight }) => weight, random);
        const fit = fitted?.[denoisers.indexOf(one)];
        if (fit) this.checkFits(end - start, fit, where);
        const text = tokens.values.subarray(start, end) as Int32Array;
        const divided = dividedText(text, context, where);
        const { source, target, origins, fromText } = denoise(
          text,
          divided,
          one,
          this.tokensFor(one, model, chosen),
          random,
        );
        return {
          source: modelInput(model, someSource(source, where)),
          target,
          weights: weights && origins.map((origin) => weights.values[start + origin]),
          text,
          origins: origins.map((origin, at) => (fromText[at] ? origin : NO_ORIGIN)),
        };
      });
      return { sequences, needed: parts.map(({ start, end }) => this.neededLengths(end - start)) };
    });
    const packed = isPacked(source.examples);
    const sequences = rows.map((row) => row.sequences);
    if (fitted) {
      const shape = longestOf(this.groupsOf(context.variant, model).map((group) => group.shape));
      const textLength = roundUp(Math.max(...fitted.map(({ tokens }) => tokens)), padToMultipleOf);
      return this.batch(sequences, { shape, textLength, packed }, context);
    }
    const surplus = { source: modelInputSurplus(model), target: 0 };
    const longest = (side: 'source' | 'target'): number =>
      Math.max(
        0,
        ...rows.map(({ needed, sequences: own }) =>
          // How long a text is in the encoder's tokens is known only when it is encoded.
          context.tokenizers && side === 'source'
            ? tokensOf(own, side)
            : needed.reduce((sum, lengths) => sum + lengths[side] + surplus[side], 0),
        ),
      );
    this.checkLength('source', 'maxSourceTokens', longest('source'));
    this.checkLength('target', 'maxTargetTokens', longest('target'));
    const shape = {
      source: roundUp(longest('source'), padToMultipleOf),
      target: roundUp(longest('target'), padToMultipleOf),
    };
    const texts = sequences.map((row) => row.reduce((sum, { text }) => sum + text.length, 0));
    const textLength = roundUp(Math.max(...texts), padToMultipleOf);
    return this.batch(sequences, { shape, textLength, packed }, context);
  }

  private batch(
    rows: readonly (readonly (SplitSequence & TextOrigins)[])[],
    { shape, textLength, packed }: { readonly shape: Lengths; readonly textLength: number; readonly packed: boolean },
    context: ObjectiveContext,
  ): HostFields {
    const layout = { sourceLength: shape.source, targetLength: shape.target, packed };
    const batch = batchOfRows(rows, layout, context, 'The ul2 batch');
    if (!(this.options.distillation || this.teacher) || context.step === undefined) return batch;
    const { pad } = context.model.specialTokens;
    const whole = { ...batch, ...textOriginFields(rows, { targetLength: shape.target, textLength }, pad) };
    if (!this.teacher) return whole;
    // The step needs the teacher's own fields, not what they were made of.
    return without(this.withTeacher(whole, 1, context), [
      TEXT_ORIGIN_FIELDS.textIds,
      TEXT_ORIGIN_FIELDS.textSegmentIds,
    ]);
  }

  /**
   * Length of the longest source and of the longest target that any denoiser of the mixture makes from `length` tokens.
   */
  neededLengths(length: number): Lengths {
    return longestOf(this.denoisers.map((one) => lengthsOf(one, length, this.additionsOf(one))));
  }

  private additionsOf(one: Denoiser): Additions {
    const ends = one.kind === 'span' ? this.options.appendEos : this.options.suffixEos;
    return { source: this.hasMode(one) ? 1 : 0, target: ends ? 1 : 0 };
  }

  /** Denoisers grouped by shape; undefined without `inputTokens`. */
  private group(): DenoiserGroup[] | undefined {
    const fitting = this.fitting(0);
    return fitting && groupDenoisers(this.denoisers, fitting);
  }

  /**
   * The groups for a model. `surplus`: number of tokens that its policy adds to a source. It changes lengths, but not
   * which denoisers form a group: groups have their names before the model is known.
   */
  private fit(surplus: number): readonly DenoiserGroup[] | undefined {
    const fitting = this.fitting(surplus);
    if (!this.groups || !fitting || surplus === 0) return this.groups;
    return refitGroups(this.groups, fitting);
  }

  private fitting(surplus: number): FitOptions | undefined {
    const { inputTokens, targetTokens = inputTokens, padToMultipleOf = FITTED_LENGTH_MULTIPLE } = this.options;
    if (inputTokens === undefined || targetTokens === undefined) return undefined;
    const additions = (one: Denoiser): Additions => {
      const { source, target } = this.additionsOf(one);
      return { source: source + surplus, target };
    };
    return { limit: { source: inputTokens, target: targetTokens }, additions, padToMultipleOf };
  }

  /** The group of a variant; all groups if `variant` is undefined. */
  private groupsOf(variant: string | undefined, model: Model): readonly DenoiserGroup[] {
    const groups = this.chosen?.model === model ? this.chosen.groups : this.fit(modelInputSurplus(model));
    return groups!.filter(({ name }) => variant === undefined || !this.variants || name === variant);
  }

  private membersOf(variant: string | undefined, model: Model): readonly FittedDenoiser[] {
    return this.groupsOf(variant, model).flatMap(({ members }) => members);
  }

  private describe(groups: readonly DenoiserGroup[] | undefined): string[] {
    if (!groups) return [];
    const texts = groups.map(
      ({ name, members, shape }) =>
        `${name} ${members.map(({ tokens }) => tokens).join(', ')} to ${shape.source} + ${shape.target}`,
    );
    return [`Denoisers read tokens of text, in batches of source + target: ${texts.join('; ')}.`];
  }

  private tokensFor(
    one: Denoiser,
    model: Model,
    { sentinels, encoderSentinels, modeTokens }: DenoisingTokens,
  ): CorruptionTokens {
    return {
      sentinels,
      encoderSentinels,
      mode: one.prefix === undefined ? undefined : modeTokens[one.prefix],
      end: this.additionsOf(one).target === 0 ? undefined : model.specialTokens.eos[0],
    };
  }

  /**
   * The largest number of spans that any of the denoisers makes from `length` tokens; undefined if none corrupts spans.
   */
  neededSentinels(
    length: number,
    denoisers: readonly Denoiser[] = this.denoisers,
  ): { readonly spans: number; readonly of: Denoiser } | undefined {
    const spans = denoisers
      .filter(({ kind }) => kind === 'span')
      .map((of) => ({ of, spans: planNoise(length, of.rate, of.meanSpan).spans }));
    return spans.sort((a, b) => b.spans - a.spans)[0];
  }

  private checkSentinels(length: number, { sentinels, reuse }: DenoisingTokens, denoisers: readonly Denoiser[]): void {
    const needed = reuse ? undefined : this.neededSentinels(length, denoisers);
    if (!needed || needed.spans <= sentinels.length) return;
    const { spans, of } = needed;
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

  /** Checks the length of an example: a dataset without `cut` ignores the requested lengths. */
  private checkFits(length: number, { denoiser, tokens }: FittedDenoiser, where: string): void {
    if (length <= tokens) return;
    throw new DataError(
      `${where} has ${length} tokens, but the denoiser with rate ${denoiser.rate}${denoiser.kind === 'span' ? ` and meanSpan ${denoiser.meanSpan}` : ''} takes ${tokens} where objective.inputTokens is ${this.options.inputTokens}.`,
      {
        code: 'objective.too-long',
        exitCode: 2,
        hint: 'Take windows of text (a dataset with lengthTokens), which are cut to what each denoiser takes; nothing is cut silently.',
      },
    );
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

function without(fields: HostFields, specs: readonly FieldSpec[]): HostFields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !specs.some((spec) => spec.name === name)));
}

export const ul2 = defineComponent({
  interface: 'objective',
  id: 'ul2',
  description: 'a mixture of denoisers: span corruption with sentinels, and prefix language modelling',
  options: ul2Options,
  useFactory: async (context) => {
    const { options, run, purpose } = context;
    return new Ul2(options, {
      recorded: run?.recorded?.[RECORD_SECTION],
      // What an earlier run was trained with is resumed and measured as it is.
      isNewRun: run !== undefined && purpose === 'training' && run.resumedFromStep === undefined,
      teacher: await openTeacher(context),
    });
  },
});
